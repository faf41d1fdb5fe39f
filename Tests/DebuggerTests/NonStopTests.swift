import Primitives
import RemoteProtocol
import Testing

@testable import Debugger

/// GDB manual, "Remote Non-Stop" and "Notification Packets".
@Suite("Non-stop mode")
struct NonStopTests {
    private func client(processors: Int = 3) -> Conversation {
        let client = Conversation(SimulatedTarget(processors: processors))
        #expect(client.ask("QNonStop:1") == "OK")
        return client
    }

    /// What the machine does when the client has nothing more to say.
    private func actions(_ client: Conversation) -> [ResumePlan.Action]? { client.session.continuation()?.actions }

    private static let breakpoint = StopCause.breakpoint(VirtualAddress(0x1000))

    /// A vCPU stops; what the client is sent for it.
    private func stop(_ client: Conversation, _ processor: Int, _ cause: StopCause = breakpoint) -> [String] {
        client.stop(StopEvent(cause, on: processor))
    }

    @Test("a resume is answered at once, and the machine resumes when all is answered")
    func resume() {
        let client = client()
        #expect(actions(client) == nil, "no vCPU moves yet")
        #expect(client.ask("vCont;c:p1.2") == "OK")
        #expect(client.demands.isEmpty)
        #expect(actions(client) == [.stay, .run, .stay])
        #expect(actions(client) == [.stay, .proceed, .stay], "it continues what it does")
        #expect(client.ask("vCont;s:p1.1;c") == "OK")
        #expect(actions(client) == [.step, .proceed, .run], "a vCPU that moves already gets nothing new")
    }

    @Test("the plan says that each vCPU's stop counts by itself")
    func reportsEach() {
        let client = client()
        _ = client.ask("vCont;c")
        #expect(client.session.continuation()?.reportsEach == true)
    }

    @Test("the first stop is a notification, the others wait for vStopped, in their order")
    func notifications() {
        let client = client()
        _ = client.ask("vCont;c")
        _ = actions(client)
        let first = stop(client, 1)
        #expect(first.count == 1)
        #expect(first.first?.hasPrefix("%Stop:T05") == true && first[0].contains("thread:p1.2;"), "\(first)")
        #expect(stop(client, 0, .stepped).isEmpty)
        #expect(stop(client, 2).isEmpty)
        #expect(actions(client) == nil)
        #expect(client.ask("vStopped").contains("thread:p1.1;"))
        #expect(client.ask("vStopped").contains("thread:p1.3;"))
        #expect(client.ask("vStopped") == "OK")
        #expect(client.ask("vStopped") == "OK", "there is no more to report")
        _ = client.ask("vCont;c:p1.1")
        #expect(stop(client, 0).first?.hasPrefix("%Stop:") == true, "a new round begins with a notification")
    }

    @Test("one stop leaves the others moving")
    func others() {
        let client = client()
        _ = client.ask("vCont;c")
        _ = actions(client)
        _ = stop(client, 1)
        #expect(actions(client) == [.proceed, .stay, .proceed])
    }

    @Test("an interruption for a packet is no stop")
    func pause() {
        let client = client()
        _ = client.ask("vCont;c")
        _ = actions(client)
        #expect(stop(client, 0, .interrupted).isEmpty)
        #expect(client.ask("m1000,4") == "00000000")
        #expect(actions(client) == [.proceed, .proceed, .proceed])
    }

    @Test("vCont;t stops a vCPU that moves, without a signal, and does nothing to one that is stopped")
    func stopThreads() {
        let client = client()
        _ = client.ask("vCont;c:p1.1;c:p1.2")
        _ = actions(client)
        let replies = client.replies("vCont;t:p1.2;t:p1.3")
        #expect(replies.count == 2)
        #expect(replies.first == "OK")
        #expect(replies.last?.hasPrefix("%Stop:T00") == true && replies.last?.contains("thread:p1.2;") == true)
        #expect(client.ask("vStopped") == "OK")
        #expect(actions(client) == [.proceed, .stay, .stay])
    }

    @Test("vCtrlC and 0x03 stop the first that moves, with SIGINT")
    func interrupt() {
        let client = client()
        _ = client.ask("vCont;c:p1.2;c:p1.3")
        _ = actions(client)
        let replies = client.replies("vCtrlC")
        #expect(replies.first == "OK")
        #expect(replies.last?.hasPrefix("%Stop:T02") == true && replies.last?.contains("thread:p1.2;") == true)
        #expect(client.ask("vStopped") == "OK")
        client.session.feed([0x03])
        #expect(client.session.interrupts())
        #expect(client.sent().last?.text.contains("thread:p1.3;") == true)
        #expect(actions(client) == nil)
    }

    @Test("? reports one stopped vCPU, and the others once the client resumes one")
    func stopReason() {
        let client = client()
        #expect(client.ask("?").contains("thread:p1.1;"))
        #expect(client.replies("vStopped") == ["OK"], "it gives up when more comes now, asked or unasked")
        #expect(client.replies("qC").count == 1)
        let replies = client.replies("vCont;c:p1.1")
        #expect(replies.first == "OK")
        #expect(replies.last?.hasPrefix("%Stop:T00") == true && replies.last?.contains("thread:p1.2;") == true)
        #expect(client.ask("vStopped").contains("thread:p1.3;"))
        #expect(client.ask("vStopped") == "OK")
        #expect(client.replies("vCont;c") == ["OK"])
        #expect(client.ask("?") == "OK", "no vCPU is stopped")
    }

    @Test("while the machine moves a packet asks for a pause")
    func packetWhileMoving() {
        let client = client()
        _ = client.ask("vCont;c")
        _ = actions(client)
        client.session.feed(frame("m1000,1")[...])
        #expect(client.session.interrupts())
        #expect(client.exchange([]).map(\.text) == ["00"])
    }

    @Test("a breakpoint can be set while others move")
    func breakpointWhileMoving() {
        let client = client()
        _ = client.ask("vCont;c:p1.1")
        _ = actions(client)
        #expect(client.ask("Z0,1000,1") == "OK")
        #expect(actions(client) == [.proceed, .stay, .stay])
        #expect(client.target.armed.planted.count == 1)
    }

    @Test("back in all-stop mode every vCPU is stopped, and resumes are answered by the stop")
    func leave() {
        let client = client()
        _ = client.ask("vCont;c")
        #expect(client.ask("QNonStop:0") == "OK")
        #expect(actions(client) == nil)
        #expect(client.replies("vCont;c").isEmpty)
        #expect(client.demands == [.resume(.run(3))])
    }

    @Test("the end of the machine is a notification too")
    func ending() {
        let client = client(processors: 1)
        _ = client.ask("vCont;c")
        _ = actions(client)
        #expect(stop(client, 0, .ended(.exited(status: 3))) == ["%Stop:W03;process:1"])
    }

    @Test("a reset stops a vCPU that moves, which is reported; a notification under way stays the first")
    func reset() {
        let client = client()
        _ = client.ask("vCont;c:p1.1;c:p1.2")
        _ = actions(client)
        #expect(stop(client, 1).count == 1)
        _ = client.ask("vCont;c:p1.3")
        _ = actions(client)
        // "monitor reset".
        #expect(client.replies("qRcmd,7265736574").contains("OK"))
        #expect(actions(client) == nil)
        #expect(client.ask("vStopped").contains("thread:p1.1;"))
        #expect(client.ask("vStopped").contains("thread:p1.3;"))
        #expect(client.ask("vStopped") == "OK")

        _ = client.ask("vCont;c")
        _ = actions(client)
        #expect(client.replies("qRcmd,7265736574").contains { $0.contains("Stop:") }, "it is reported at once")
    }

    @Test("no console packet is sent while the machine moves")
    func console() {
        #expect(!client().session.takesConsoleOutput)
        #expect(Conversation().session.takesConsoleOutput)
    }
}
