import Primitives
import RemoteProtocol
import Testing

@testable import Debugger

@Suite("Resuming")
struct ResumeTests {
    private typealias Action = ResumePlan.Action

    struct Case: CustomTestStringConvertible, Sendable {
        let packet: String
        let plan: [ResumePlan.Action]

        init(_ packet: String, _ plan: ResumePlan.Action...) {
            self.packet = packet
            self.plan = plan
        }

        var testDescription: String { packet }
    }

    private static let range = ResumePlan.Action.stepRange(VirtualAddress(0x1000)..<VirtualAddress(0x1010))

    private static let cases = [
        Case("vCont;c", .run, .run, .run), Case("vCont;s", .step, .step, .step),
        Case("vCont;s:p1.2", .stay, .step, .stay), Case("vCont;s:p1.2;c", .run, .step, .run),
        Case("vCont;s:2;c:-1", .run, .step, .run), Case("vCont;c:p1.-1", .run, .run, .run),
        Case("vCont;s:p1.3;c:p1.-1", .run, .run, .step), Case("vCont;t:p1.1;c", .stay, .run, .run),
        Case("vCont;r1000,1010:p1.1;c", range, .run, .run), Case("vCont;C05:p1.1", .run, .stay, .stay),
        Case("vCont;S05:p1.1;c", .step, .run, .run), Case("vCont;c:p1.1;c:p1.3", .run, .stay, .run),
        // The first action that names a thread counts.
        Case("vCont;c;s:p1.1", .run, .run, .run), Case("vCont;c:0", .run, .run, .run),
        // The older packets: the selected vCPU steps alone, but all go on.
        Case("c", .run, .run, .run), Case("s", .step, .stay, .stay), Case("C05", .run, .run, .run),
        Case("S05", .step, .stay, .stay),
    ]

    @Test("each vCPU does the first action that names it, and one that none names stays", arguments: cases)
    func plans(_ row: Case) {
        let client = Conversation(SimulatedTarget(processors: 3))
        #expect(client.replies(row.packet).isEmpty, "a resume has no reply until the stop")
        #expect(client.demands == [.resume(ResumePlan(actions: row.plan))])
    }

    @Test(
        "a resume that moves nobody is refused", arguments: ["vCont;c:p1.9", "vCont;c:p2.-1", "vCont;t", "vCont;t:1"])
    func nobody(packet: String) {
        let client = Conversation()
        #expect(client.ask(packet) == "E16")
        #expect(client.demands.isEmpty)
    }

    @Test(
        "an unreadable resume is refused", arguments: ["vCont;", "vCont;q", "vCont;c:zz", "vCont;r10", "vCont;r20,10"])
    func unreadable(packet: String) {
        let client = Conversation()
        #expect(client.ask(packet) == "E01")
        #expect(client.demands.isEmpty)
    }

    @Test("Hc chooses who c and s mean")
    func selected() {
        let client = Conversation(SimulatedTarget(processors: 3))
        #expect(client.ask("Hcp1.2") == "OK")
        _ = client.replies("s")
        #expect(client.demands.last == .resume(ResumePlan(actions: [.stay, .step, .stay])))
        #expect(client.ask("Hc-1") == "OK")
        _ = client.replies("c")
        #expect(client.demands.last == .resume(.run(3)))
        #expect(client.ask("Hc9") == "E03")
    }

    @Test("an address moves the program counter first", arguments: ["c", "s", "C05;", "S05;"])
    func fromAddress(packet: String) {
        let client = Conversation()
        client.target.set("rip", 0x10)
        #expect(client.replies("\(packet)ffffffff81000000").isEmpty)
        #expect(client.target.get("rip") == 0xffff_ffff_8100_0000)
        #expect(client.demands.count == 1)
    }

    @Test("an address that the processor refuses keeps the machine where it is")
    func refusedAddress() {
        let client = Conversation()
        client.target.registerObjection = "no"
        #expect(client.ask("c1000") == "E16")
        #expect(client.demands.isEmpty)
    }

    @Test("vCont? names what vCont can do")
    func offered() { #expect(Conversation().ask("vCont?") == "vCont;c;C;s;S;t;r") }

    // MARK: - While the machine runs

    @Test("Ctrl-C asks for a stop, and the reply is the stop")
    func interrupt() {
        let client = Conversation()
        #expect(client.replies("vCont;c").isEmpty)
        client.session.feed([0x03])
        #expect(client.session.interrupts())
        #expect(client.stop(StopEvent(.interrupted, on: 0))[0].hasPrefix("T02thread:p1.1;"))
    }

    @Test(
        "Ctrl-C while the machine is stopped has no reply, and answers the next resume",
        arguments: ["vCont;c", "c", "s", "vCont;r1000,1010"])
    func lateInterrupt(resume: String) {
        let client = Conversation()
        #expect(client.exchange([0x03]).isEmpty)
        #expect(client.ask("qC") == "QCp1.1")
        #expect(client.ask(resume).hasPrefix("T02thread:p1.1;"))
        #expect(client.demands.isEmpty, "nothing moved")
        // Once.
        #expect(client.replies(resume).isEmpty)
        #expect(client.demands.count == 1)
    }

    @Test("Ctrl-C that crosses a stop is not lost, by 0x03 and by vCtrlC", arguments: [[0x03], Array(frame("vCtrlC"))])
    func crossing(interrupt: [UInt8]) {
        let client = Conversation()
        #expect(client.replies("vCont;c").isEmpty)
        client.session.feed(interrupt[...])
        #expect(client.session.interrupts())
        // A breakpoint was hit before the vCPUs were called.
        #expect(client.stop(StopEvent(.breakpoint(VirtualAddress(0x1000)), on: 0)).last!.hasPrefix("T05"))
        #expect(client.ask("vCont;c").hasPrefix("T02"))
        #expect(client.replies("vCont;c").isEmpty)
    }

    @Test("a remembered Ctrl-C is reported on the vCPU that was to step")
    func crossingStep() {
        let client = Conversation(SimulatedTarget(processors: 8))
        #expect(client.exchange([0x03]).isEmpty)
        #expect(client.ask("vCont;s:p1.5;c").hasPrefix("T02thread:p1.5;"))
        #expect(client.ask("qC") == "QCp1.5")
        #expect(client.exchange([0x03]).isEmpty)
        #expect(client.ask("vCont;c:p1.3").hasPrefix("T02thread:p1.3;"))
    }

    @Test("Ctrl-C twice before the stop is one")
    func twice() {
        let client = Conversation()
        #expect(client.replies("vCont;c").isEmpty)
        client.session.feed([0x03, 0x03])
        #expect(client.session.interrupts())
        #expect(client.stop(StopEvent(.interrupted, on: 0))[0].hasPrefix("T02"))
        #expect(client.replies("vCont;c").isEmpty)
    }

    @Test("packets that come while the machine runs are answered after the stop, in their order")
    func early() {
        let client = Conversation()
        #expect(client.replies("vCont;c").isEmpty)
        client.session.feed((frame("qAttached") + frame("qC"))[...])
        #expect(!client.session.interrupts())
        #expect(client.sent().isEmpty)
        client.session.feed([0x03])
        #expect(client.session.interrupts())
        let stop = client.stop(StopEvent(.interrupted, on: 0))
        #expect(stop.count == 1 && stop[0].hasPrefix("T02"))
        #expect(client.exchange([]).map(\.text) == ["1", "QCp1.1"])
    }
}
