import Architecture
import Primitives
import RemoteProtocol
import Testing

@testable import Debugger

@Suite("Breakpoints and watchpoints")
struct BreakpointTests {
    private func go(_ client: Conversation) {
        _ = client.replies("vCont;c")
        _ = client.stop(StopEvent(.interrupted, on: 0))
    }

    // MARK: - Planting

    @Test("Z0 plants the instruction and z0 brings the old one back")
    func plant() {
        let client = Conversation(SimulatedTarget(memory: Array(0...255)))
        #expect(client.ask("Z0,10,1") == "OK")
        #expect(client.target.ram.bytes[0x10] == 0xcc)
        #expect(
            client.target.armed.planted.all == [
                Arrangement.Planted(address: VirtualAddress(0x10), physical: PhysicalAddress(0x10), original: [0x10])
            ])
        #expect(client.ask("z0,10,1") == "OK")
        #expect(client.target.ram.bytes == Array(0...255))
        #expect(client.target.armed == Arrangement())
    }

    @Test("inserting twice is inserting once, and removing what is not there is fine")
    func idempotent() {
        let client = Conversation()
        #expect(client.ask("Z0,10,1") == "OK")
        #expect(client.ask("Z0,10,1") == "OK")
        #expect(client.target.armed.planted.count == 1)
        #expect(client.ask("z0,10,1") == "OK")
        #expect(client.target.armed == Arrangement())
        #expect(client.ask("z0,10,1") == "OK")
        #expect(client.ask("z1,10,1") == "OK")
    }

    @Test("no read shows what is planted: by m, by x, by search, by checksum")
    func masked() {
        let memory = (0..<256).map { UInt8(truncatingIfNeeded: $0 * 3) }
        let (plain, client) = (
            Conversation(SimulatedTarget(memory: memory)), Conversation(SimulatedTarget(memory: memory))
        )
        for address in [0x20, 0x21, 0x30, 0xff] { #expect(client.ask("Z0,\(String(address, radix: 16)),1") == "OK") }
        #expect(client.target.ram.bytes != memory)
        for packet in ["m0,100", "m20,1", "m21,10", "x0,100", "qCRC:0,100", "qSearch:memory:0;100;\u{3c}"] {
            #expect(client.ask(packet) == plain.ask(packet), "\(packet)")
        }
        #expect(client.ask("Qqemu.PhyMemMode:1") == "OK")
        #expect(client.ask("m0,100") == hex(memory))
    }

    @Test("a write around a breakpoint keeps it, and is there when it goes")
    func diverted() {
        let client = Conversation(SimulatedTarget(memory: [UInt8](repeating: 0x90, count: 64)))
        #expect(client.ask("Z0,10,1") == "OK")
        #expect(client.ask("Me,5:0102030405") == "OK")
        #expect(Array(client.target.ram.bytes[0xe..<0x13]) == [1, 2, 0xcc, 4, 5])
        #expect(client.ask("me,5") == "0102030405")
        #expect(client.target.armed.planted.all.first?.original == [3])
        #expect(client.ask("z0,10,1") == "OK")
        #expect(Array(client.target.ram.bytes[0xe..<0x13]) == [1, 2, 3, 4, 5])
    }

    @Test("where planting is no means, Z0 takes a debug register and touches no memory")
    func debugRegister() {
        let target = SimulatedTarget(memory: Array(0...255), breakpoint: nil)
        let client = Conversation(target)
        #expect(client.ask("Z0,10,1") == "OK")
        #expect(target.ram.bytes == Array(0...255))
        #expect(target.armed.execution == [VirtualAddress(0x10)])
        go(client)
        #expect(target.armed.execution == [VirtualAddress(0x10)])
        #expect(client.ask("z0,10,1") == "OK")
        #expect(target.armed == Arrangement())
    }

    // MARK: - Conditions

    @Test("a condition goes to the machine with its breakpoint, and leaves with it")
    func condition() {
        let client = Conversation()
        let address = VirtualAddress(0x10)
        // const8 1, end.
        #expect(client.ask("Z0,10,1;X3,220127") == "OK")
        #expect(client.target.armed.programs[address]?.count == 1)
        #expect(client.target.armed.planted.count == 1)
        // Inserted again without one, it stops always.
        #expect(client.ask("Z0,10,1") == "OK")
        #expect(client.target.armed.programs.isEmpty)
        #expect(client.ask("Z1,10,1;X3,220027") == "OK")
        #expect(client.ask("z1,10,1") == "OK")
        #expect(client.ask("z0,10,1") == "OK")
        #expect(client.target.armed == Arrangement())
    }

    @Test(
        "a condition that cannot be read is refused, and no breakpoint set",
        arguments: ["X3,22", "Y", "X,27", "X1,zz", "X3,2201", "cmds:0,X9,27", "X1,ff"])
    func badCondition(tail: String) {
        let client = Conversation()
        #expect(client.ask("Z0,10,1;" + tail) == "E16")
        #expect(client.target.armed == Arrangement())
        #expect(client.target.ram.bytes[0x10] == 0)
    }

    // MARK: - Debug registers

    @Test("Z1 to Z4 are armed as what they are, and disarmed")
    func kinds() {
        let client = Conversation()
        for packet in ["Z1,10,1", "Z2,20,4", "Z3,30,8", "Z4,40,1"] { #expect(client.ask(packet) == "OK") }
        let armed = client.target.armed
        #expect(armed.execution == [VirtualAddress(0x10)])
        #expect(
            armed.watchpoints == [
                Arrangement.Watchpoint(address: VirtualAddress(0x20), count: 4, access: .write),
                Arrangement.Watchpoint(address: VirtualAddress(0x30), count: 8, access: .read),
                Arrangement.Watchpoint(address: VirtualAddress(0x40), count: 1, access: .readWrite),
            ])
        #expect(armed.planted.isEmpty)
        // One of another length is another one.
        #expect(client.ask("z2,20,8") == "OK")
        #expect(client.target.armed.watchpoints.count == 3)
        for packet in ["z1,10,1", "z2,20,4", "z3,30,8", "z4,40,1"] { #expect(client.ask(packet) == "OK") }
        #expect(client.target.armed == Arrangement())
    }

    @Test(
        "what the host cannot arm is refused with the reason, and nothing of it stays",
        arguments: ["Z1", "Z2", "Z3", "Z4"])
    func refused(packet: String) {
        let client = Conversation(features: "error-message+")
        #expect(client.ask("\(packet),10,1") == "OK")
        let before = client.target.armed
        client.target.objection = {
            $0.execution.count + $0.watchpoints.count > 1 ? "all 1 debug registers are in use" : nil
        }
        #expect(client.ask("\(packet),20,1") == "E.all 1 debug registers are in use")
        #expect(client.target.armed == before)
        #expect(!client.monitor("breakpoints").contains("0x20"))
        // The first one can still go, and then there is room.
        #expect(client.ask("z\(packet.dropFirst()),10,1") == "OK")
        #expect(client.ask("\(packet),20,1") == "OK")
    }

    @Test("Z5 and above are unknown, a watchpoint of absurd length is refused")
    func oddRequests() {
        let client = Conversation()
        #expect(client.ask("Z5,10,1") == "")
        #expect(client.ask("z9,10,1") == "")
        #expect(client.ask("Z2,10,7fffffffffffffff") == "E16")
        #expect(client.ask("Z0,10") == "E01")
        #expect(client.target.armed == Arrangement())
    }

    @Test("a client that goes takes everything with it")
    func close() {
        let target = SimulatedTarget(memory: [UInt8](repeating: 0x90, count: 0x4000))
        target.pages = [0x1000: 0x3000, 0xffff_8000_0000_1000: 0x3000]
        let before = target.ram.bytes
        let client = Conversation(target)
        for packet in ["Z0,1010,1", "Z0,ffff800000001010,1", "Z0,9999,1", "Z1,10,1", "Z2,20,4"] {
            #expect(client.ask(packet) == "OK")
        }
        client.session.close()
        #expect(target.ram.bytes == before)
        #expect(target.armed == Arrangement())
    }
}
