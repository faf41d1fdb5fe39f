import RemoteProtocol
import Testing

@testable import Debugger

/// GDB manual, "Connecting to a Remote Target": the extended protocol.
@Suite("The machine as a process")
struct ExtendedTests {
    private func client(processors: Int = 2) -> Conversation {
        let client = Conversation(SimulatedTarget(processors: processors))
        #expect(client.ask("!") == "OK")
        return client
    }

    private static let off = StopEvent(.ended(.exited(status: 3)), on: 0)

    private func end(_ client: Conversation) {
        #expect(client.replies("vCont;c").isEmpty)
        #expect(client.stop(Self.off) == ["W03;process:1"])
    }

    private func detach(_ client: Conversation) { #expect(client.ask("D;1") == "OK") }

    /// What the machine goes on with by itself.
    private func actions(_ client: Conversation) -> [ResumePlan.Action]? { client.session.continuation()?.actions }

    @Test("vAttach finds the machine as it is")
    func attach() {
        let client = Conversation()
        #expect(client.ask("vAttach;1") == client.ask("?"))
    }

    /// gdb 13 aborts when it attaches to process 7 and is shown a thread of process 1.
    @Test(
        "a process that there is not is refused, by every packet that names one",
        arguments: [
            "vAttach;7", "D;7", "vKill;7", "qAttached:7", "qProcessInfoPID:7", "vAttach;0", "D;0", "Hgp7.1",
            "Tp7.1", "qThreadExtraInfo,p7.1", "vCont;c:p7.1", "vCont;s:p7.-1", "qThreadStopInfop7.1",
        ],
        [false, true])
    func otherProcess(packet: String, isExtended: Bool) {
        let client = Conversation(features: Conversation.gdbFeatures + ";error-message+")
        if isExtended { _ = client.ask("!") }
        #expect(client.ask(packet).hasPrefix("E."), "\(packet)")
        #expect(client.demands.isEmpty && client.target.resets == 0)
        #expect(client.ask("?").hasPrefix("T05"), "the machine is the client's still")
    }

    @Test("with the plain protocol detach and kill end the connection, and so does the guest's end")
    func plain() {
        for (packet, demand) in [("D;1", Session.Demand.detach), ("vKill;1", .kill)] {
            let client = Conversation()
            #expect(client.ask(packet) == "OK")
            #expect(client.demands == [demand])
        }
        #expect(!Conversation().session.outlivesEnd)
    }

    @Test("after an extended detach the machine runs, pauses for a packet, and says nothing")
    func detached() {
        let client = client()
        #expect(client.ask("Z0,1000,1") == "OK")
        _ = client.monitor("catch hlt")
        detach(client)
        #expect(client.demands.isEmpty, "the connection stays")
        #expect(client.target.armed == Arrangement(), "nothing of the client's stops it")
        #expect(client.session.isMoving && !client.session.takesConsoleOutput)
        #expect(actions(client) == [.run, .run])
        client.session.feed(frame("qfThreadInfo")[...])
        #expect(client.session.interrupts())
        #expect(client.stop(StopEvent(.interrupted, on: 1)).isEmpty, "no stop is reported")
        #expect(client.exchange([]).map(\.text) == ["l"], "it has no threads")
        #expect(actions(client) == [.proceed, .proceed], "it continues what it did")
        #expect(!client.ask("qXfer:threads:read::0,1000").contains("<thread "))
        #expect(client.ask("?") == "W00")
        #expect(client.ask("Tp1.1").hasPrefix("E"))
    }

    @Test("Ctrl-C of a client that has detached stops nothing")
    func interruptDetached() {
        let client = client()
        detach(client)
        client.session.feed([0x03])
        #expect(!client.session.interrupts())
    }

    @Test("attach 1 after detach stops the machine where it is")
    func attachAgain() {
        let client = client()
        detach(client)
        _ = actions(client)
        #expect(client.stop(StopEvent(.interrupted, on: 1)).isEmpty)
        #expect(client.ask("vAttach;1").hasPrefix("T05thread:p1.2;"))
        #expect(client.target.resets == 0)
        #expect(!client.session.isMoving)
        #expect(client.ask("qfThreadInfo") == "mp1.1,p1.2")
        #expect(client.replies("vCont;c").isEmpty)
        #expect(client.demands == [.resume(.run(2))])
    }

    enum Departure: CaseIterable, Sendable { case detach, exit, kill }

    private func leave(_ client: Conversation, by departure: Departure) {
        switch departure {
        case .detach: detach(client)
        case .exit: end(client)
        case .kill: #expect(client.ask("vKill;1") == "OK")
        }
    }

    @Test("vRun starts the kernel again after detach, exit and kill", arguments: Departure.allCases)
    func run(after departure: Departure) {
        let client = client()
        leave(client, by: departure)
        let resets = client.target.resets
        #expect(client.ask("vRun;").hasPrefix("T05thread:p1.1;"))
        #expect(client.target.resets == resets + 1)
        #expect(client.replies("vCont;c").isEmpty)
        #expect(client.demands.last == .resume(.run(2)))
    }

    @Test("attach 1 works after exit and kill: the machine is at its first instruction", arguments: Departure.allCases)
    func attach(after departure: Departure) {
        let client = client()
        leave(client, by: departure)
        #expect(client.ask("vAttach;1").hasPrefix("T05thread:p1.1;"))
        #expect(client.target.resets == (departure == .detach ? 0 : 1))
        #expect(client.replies("vCont;c").isEmpty)
        #expect(client.demands.last == .resume(.run(2)))
    }

    @Test(
        "without a process nothing can be resumed, killed or detached, and the reason is said",
        arguments: Departure.allCases, ["vCont;c", "vCont;s:p1.1", "c", "s", "C05", "D;1", "vKill;1"])
    func unattached(departure: Departure, packet: String) {
        // Killing what goes on detached is no contradiction.
        if departure == .detach, packet == "vKill;1" { return }
        let client = Conversation(features: Conversation.gdbFeatures + ";error-message+")
        _ = client.ask("!")
        leave(client, by: departure)
        let demands = client.demands
        #expect(client.ask(packet).hasPrefix("E.no process is attached"), "\(packet)")
        #expect(client.demands == demands)
    }

    @Test(
        "a killed or ended guest leaves no breakpoint for the next run, as gdb thinks",
        arguments: [Departure.exit, .kill])
    func breakpointsGone(departure: Departure) {
        let client = client()
        #expect(client.ask("Z1,1000,1") == "OK")
        leave(client, by: departure)
        _ = client.ask("vRun;")
        #expect(client.target.armed.execution.isEmpty)
    }

    @Test("the end stays known: ? after the guest's exit is that exit, and its status the program's")
    func status() {
        let client = client()
        end(client)
        #expect(client.ask("?") == "W03;process:1")
        #expect(client.session.ending == .exited(status: 3))
        _ = client.ask("vRun;")
        #expect(client.session.ending == nil)
    }

    @Test("what stops a detached machine is found by attaching")
    func crashDetached() {
        let client = client()
        detach(client)
        _ = actions(client)
        #expect(client.stop(StopEvent(.tripleFault, on: 1)).isEmpty)
        #expect(!client.session.isMoving)
        #expect(client.ask("vAttach;1").hasPrefix("T0bthread:p1.2;"))
    }

    @Test("a reset that a detached guest asks for is done")
    func resetDetached() {
        let client = client()
        detach(client)
        _ = actions(client)
        #expect(client.stop(StopEvent(.reset, on: 0)).isEmpty)
        #expect(actions(client) == [.proceed, .proceed])
    }

    @Test("in non-stop mode vAttach says OK, and nothing moves until the client says so")
    func nonStop() {
        let client = client()
        #expect(client.ask("QNonStop:1") == "OK")
        #expect(client.ask("vCont;c") == "OK")
        detach(client)
        #expect(actions(client) == [.run, .run])
        #expect(client.stop(StopEvent(.interrupted, on: 0)).isEmpty)
        #expect(client.ask("vAttach;1") == "OK")
        #expect(actions(client) == nil)
        #expect(client.ask("vCont;c") == "OK")
        #expect(actions(client) == [.run, .run])
    }

    @Test("k without a reply, under the extended protocol, leaves server and connection")
    func killPacket() {
        let client = client()
        #expect(client.replies("k").isEmpty)
        #expect(client.demands.isEmpty && client.target.resets == 1)
        #expect(client.ask("vRun;").hasPrefix("T05"))
    }
}
