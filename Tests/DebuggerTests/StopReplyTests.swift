import Architecture
import Primitives
import RemoteProtocol
import Testing

@testable import Debugger

/// The table "From VM exit to stop reply", as a client sees it.
@Suite("Stop replies")
struct StopReplyTests {
    private static let address = VirtualAddress(0x1234)

    /// A stop with the signal and the reason that a client with all features gets.
    struct Row: CustomTestStringConvertible, Sendable {
        let cause: StopCause
        let start: String

        var testDescription: String { "\(cause)" }
    }

    private static let rows = [
        Row(cause: .held, start: "T05"), Row(cause: .breakpoint(address), start: "T05swbreak:;"),
        Row(cause: .watchpoint(.write, address), start: "T05watch:1234;"),
        Row(cause: .watchpoint(.read, address), start: "T05rwatch:1234;"),
        Row(cause: .watchpoint(.readWrite, address), start: "T05awatch:1234;"), Row(cause: .stepped, start: "T05"),
        Row(cause: .interrupted, start: "T02"), Row(cause: .tripleFault, start: "T0b"),
        Row(cause: .emulationFailure, start: "T04"), Row(cause: .hostFailure, start: "T06"),
        Row(cause: .haltedForGood, start: "T05"), Row(cause: .memoryFault, start: "T07"),
        Row(cause: .panicked, start: "T06"), Row(cause: .biosCall, start: "T07"),
        Row(cause: .reset, start: "T06"),
    ]

    @Test("each cause has its signal and reason, then thread, core and the expedited registers", arguments: rows)
    func causes(_ row: Row) {
        let target = SimulatedTarget(processors: 2)
        target.set("rbp", 0x1122, of: 1)
        target.set("rsp", 0x3344, of: 1)
        target.set("rip", 0xffff_ffff_8100_0000, of: 1)
        let client = Conversation(target)
        let expected =
            row.start + "thread:p1.2;core:1;06:2211000000000000;07:4433000000000000;10:00000081ffffffff;"
        #expect(client.stop(StopEvent(row.cause, on: 1)) == [expected])
        // Asked again, it is the same.
        #expect(client.ask("?") == expected)
    }

    @Test(
        "an end is W with the exit status, and with the process where there are processes",
        arguments: [
            (.poweredOff, "00"), (.exited(status: 33), "21"), (.exited(status: 255), "ff"),
            (.died("triple fault"), "46"),
            (.killed, "00"),
        ] as [(Ending, String)])
    func endings(ending: Ending, status: String) {
        let event = StopEvent(.ended(ending), on: 0)
        #expect(Conversation().stop(event) == ["W\(status);process:1"])
        #expect(Conversation(features: "swbreak+").stop(event) == ["W\(status)"])
    }

    @Test("2,000 steps over a dead HLT explain it once; another stop between explains it again")
    func repeatedExplanation() {
        let client = Conversation()
        let dead = StopEvent(.haltedForGood, on: 0, explanation: "vCPU 0 halted for good")
        #expect(client.stop(dead).count == 2)
        for _ in 0..<2000 { #expect(client.stop(dead).count == 1) }
        #expect(client.stop(StopEvent(.stepped, on: 0)).count == 1)
        #expect(client.stop(dead).count == 2)
    }

    @Test("what happens twice in a row is explained twice")
    func repeatedEvent() {
        let client = Conversation()
        let caught = StopEvent(.caught, on: 0, explanation: "vCPU 0 read 0x0 from port 0x60 (8 bits)")
        for _ in 0..<2 { #expect(client.stop(caught).count == 2) }
    }

    @Test("a client that does not know swbreak and hwbreak gets a plain trap")
    func plainClient() {
        let client = Conversation(features: "")
        let reply = client.stop(StopEvent(.breakpoint(Self.address), on: 0))
        #expect(reply.count == 1 && reply[0].hasPrefix("T05thread:1;core:0;"))
        #expect(client.ask("Z1,1234,1") == "OK")
        #expect(client.stop(StopEvent(.breakpoint(Self.address), on: 0)) == reply)
    }

    @Test("a breakpoint that was asked for as hardware is reported as hardware")
    func hardware() {
        let client = Conversation()
        #expect(client.ask("Z1,1234,1") == "OK")
        #expect(client.stop(StopEvent(.breakpoint(Self.address), on: 0))[0].hasPrefix("T05hwbreak:;"))
        #expect(client.stop(StopEvent(.breakpoint(VirtualAddress(0x1235)), on: 0))[0].hasPrefix("T05swbreak:;"))
    }

    @Test("the explanation comes on the console before the stop")
    func explanation() {
        let client = Conversation()
        let replies = client.stop(StopEvent(.tripleFault, on: 0, explanation: "triple fault: #PF in the IDT"))
        #expect(replies.count == 2)
        #expect(text(hex: replies[0].dropFirst()) == "triple fault: #PF in the IDT\n")
        #expect(replies[0].hasPrefix("O") && replies[1].hasPrefix("T0b"))
        #expect(client.monitor("why").contains("triple fault: #PF in the IDT"))
    }

    @Test("the vCPU that stopped is the selected one")
    func selection() {
        let target = SimulatedTarget(processors: 3)
        for processor in 0..<3 { target.set("rax", UInt64(processor), of: processor) }
        let client = Conversation(target)
        #expect(client.ask("qC") == "QCp1.1")
        _ = client.stop(StopEvent(.stepped, on: 2))
        #expect(client.ask("qC") == "QCp1.3")
        #expect(client.ask("p0") == "0200000000000000")
    }

    @Test("a client that comes to a stopped machine finds the stop that was")
    func reconnect() {
        let target = SimulatedTarget(processors: 2)
        let first = Conversation(target)
        _ = first.stop(StopEvent(.watchpoint(.write, Self.address), on: 1, explanation: "it was written"))
        let second = Conversation(target, stop: first.session.stop)
        #expect(second.ask("?").hasPrefix("T05watch:1234;thread:p1.2;"))
        #expect(second.monitor("why").contains("it was written"))
    }
}
