import Architecture
import Foundation
import Primitives
import RemoteProtocol
import Testing

@testable import Debugger

/// What LLDB asks beyond GDB's protocol.
@Suite("LLDB's packets")
struct LLDBTests {
    private static let address = VirtualAddress(0x1234)

    /// A client that has said what LLDB says first.
    private func client(_ target: SimulatedTarget = SimulatedTarget()) -> Conversation {
        let client = Conversation(target, features: "multiprocess+")
        #expect(client.ask("QThreadSuffixSupported") == "OK")
        #expect(client.ask("QListThreadsInStopReply") == "OK")
        return client
    }

    /// `key:value;` pairs, in a packet without a leading word.
    private func fields(_ text: String) -> [String: String] {
        var fields: [String: String] = [:]
        for field in text.split(separator: ";") {
            let parts = field.split(separator: ":", maxSplits: 1).map(String.init)
            if parts.count == 2 { fields[parts[0]] = parts[1] }
        }
        return fields
    }

    // MARK: - Which client it is

    @Test(
        "the guest is said to be little-endian, without an operating system, and as wide as its registers",
        arguments: [
            (64, "x86_64-unknown-none", "8"), (32, "i386-unknown-none", "4"), (16, "i386-unknown-none", "4"),
        ])
    func triple(bits: Int, triple: String, size: String) {
        let layout = [64: X86.layout64, 32: X86.layout32, 16: X86.layout16][bits]!
        for packet in ["qHostInfo", "qProcessInfo"] {
            let fields = fields(Conversation(SimulatedTarget(layout: layout)).ask(packet))
            #expect(text(hex: fields["triple"] ?? "") == triple, "\(packet)")
            #expect(fields["endian"] == "little" && fields["ptrsize"] == size, "\(packet)")
        }
    }

    @Test("the host's slowness is reported, and that watchpoints report behind the access")
    func host() {
        let fields = fields(client().ask("qHostInfo"))
        #expect(fields["default_packet_timeout"] == "10")
        #expect(fields["watchpoint_exceptions_received"] == "after")
        #expect(fields["vm-page-size"] == "4096")
    }

    // MARK: - Stops

    /// A cause, with LLDB's reason and description for it.
    struct Row: CustomTestStringConvertible, Sendable {
        let cause: StopCause
        var explanation: String?
        var reason: String?
        var description: String?

        var testDescription: String { "\(cause)" }
    }

    private static let rows = [
        Row(cause: .breakpoint(address), reason: "breakpoint"), Row(cause: .stepped, reason: "trace"),
        Row(cause: .interrupted), Row(cause: .watchpoint(.write, address)),
        Row(cause: .held, description: "held for the debugger"),
        Row(cause: .haltedForGood, explanation: "vCPU 0 halted", description: "vCPU 0 halted"),
        Row(cause: .tripleFault, explanation: "triple fault\n  it began", description: "triple fault"),
        Row(cause: .caught, explanation: "wrote 1 to port 2", description: "wrote 1 to port 2"),
    ]

    @Test("a stop has its reason in LLDB's words, the thread's name and every thread's place", arguments: rows)
    func stops(_ row: Row) throws {
        let target = SimulatedTarget(processors: 2)
        target.set("rip", 0x1234, of: 0)
        target.set("rip", 0xffff_ffff_8100_0000, of: 1)
        let client = client(target)
        let reply = try #require(client.stop(StopEvent(row.cause, on: 0, explanation: row.explanation)).last)
        let fields = fields(String(reply.dropFirst(3)))
        #expect(fields["reason"] == row.reason)
        #expect(fields["description"].flatMap { text(hex: $0) } == row.description)
        #expect(fields["name"] == "vCPU 0")
        #expect(fields["threads"] == "p1.1,p1.2")
        #expect(fields["thread-pcs"] == "1234,ffffffff81000000")
        // Asked for by thread it is the same, and the other vCPU only stands there.
        #expect(client.ask("qThreadStopInfo1") == reply)
        let other = client.ask("qThreadStopInfo2")
        #expect(other.hasPrefix("T00thread:p1.2;core:1;") && other.hasSuffix("name:vCPU 1;"), "\(other)")
    }

    @Test("gdb sees none of it")
    func gdb() {
        let client = Conversation(SimulatedTarget(processors: 2))
        let reply = client.stop(StopEvent(.caught, on: 0, explanation: "caught")).last ?? ""
        #expect(fields(String(reply.dropFirst(3))).keys.sorted() == ["06", "07", "10", "core", "thread"])
    }

    @Test("k is answered, for LLDB waits for that; gdb does not")
    func kill() {
        let (lldb, gdb) = (client(), Conversation())
        #expect(lldb.replies("k") == ["X09"] && lldb.demands == [.kill])
        #expect(gdb.replies("k").isEmpty && gdb.demands == [.kill])
    }

    @Test("a thread that does not exist has no stop") func noThread() {
        #expect(client().ask("qThreadStopInfo9").hasPrefix("E"))
    }

    @Test("jThreadsInfo says of all threads at once what their stops say")
    func threads() throws {
        let target = SimulatedTarget(processors: 2)
        target.set("rip", 0x1234, of: 0)
        let client = client(target)
        _ = client.stop(StopEvent(.caught, on: 1, explanation: "a \"quoted\" \\ \u{1} é"))
        let json = try JSONSerialization.jsonObject(with: Data(client.ask("jThreadsInfo").utf8))
        let threads = try #require(json as? [[String: Any]])
        #expect(threads.map { $0["tid"] as? Int } == [1, 2])
        #expect(threads.map { $0["name"] as? String } == ["vCPU 0", "vCPU 1"])
        #expect(threads.map { $0["signal"] as? Int } == [0, 5])
        #expect(threads.map { $0["description"] as? String } == [nil, "a \"quoted\" \\ \u{1} é"])
        let registers = try #require(threads[0]["registers"] as? [String: String])
        #expect(registers["16"] == "3412000000000000")
        _ = client.stop(StopEvent(.watchpoint(.write, Self.address), on: 0))
        #expect(client.ask("jThreadsInfo").contains(#""reason":"watchpoint","description":"4660 0""#))
    }

    // MARK: - Registers kept for later

    @Test("saved registers come back, once, on the thread they are asked for")
    func saving() {
        let target = SimulatedTarget(processors: 2)
        for processor in 0..<2 { target.set("rax", 0x10 + UInt64(processor), of: processor) }
        let client = client(target)
        let (first, second) = (
            client.ask("QSaveRegisterState;thread:0001;"), client.ask("QSaveRegisterState;thread:0002;")
        )
        #expect(first != second)
        for processor in 0..<2 {
            target.set("rax", 0xdead, of: processor)
            target.set("rip", 0xbeef, of: processor)
        }
        #expect(client.ask("QRestoreRegisterState:\(second);thread:0002;") == "OK")
        #expect(target.get("rax", of: 0) == 0xdead)
        #expect(target.get("rax", of: 1) == 0x11 && target.get("rip", of: 1) == 0)
        #expect(client.ask("QRestoreRegisterState:\(second);thread:0002;").hasPrefix("E"))
        #expect(client.ask("QRestoreRegisterState:\(first);thread:0001;") == "OK")
        #expect(target.get("rax", of: 0) == 0x10)
        for packet in ["QRestoreRegisterState:1;thread:9;", "QSaveRegisterState;thread:9;", "QRestoreRegisterState:77"]
        {
            #expect(client.ask(packet).hasPrefix("E"), "\(packet)")
        }
    }

    @Test("a client that only ever saves registers fills no memory")
    func manySaved() {
        let client = client()
        let first = client.ask("QSaveRegisterState")
        for _ in 0..<16 { _ = client.ask("QSaveRegisterState") }
        #expect(client.ask("QRestoreRegisterState:\(first)").hasPrefix("E"))
        #expect(client.ask("QRestoreRegisterState:17") == "OK")
    }
}
