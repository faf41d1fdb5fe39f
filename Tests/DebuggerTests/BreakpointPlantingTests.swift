import Architecture
import Primitives
import Testing

@testable import Debugger

/// A breakpoint is its address: it is kept while nothing is there, and planted wherever the address leads.
@Suite("Planted breakpoints and the guest's memory")
struct BreakpointPlantingTests {
    private func planted(_ target: SimulatedTarget) -> [PhysicalAddress] { target.armed.planted.all.map(\.physical) }

    private func go(_ client: Conversation) {
        _ = client.replies("vCont;c")
        _ = client.stop(StopEvent(.interrupted, on: 0))
    }

    // MARK: - Unmapped, overwritten, moved

    @Test("a breakpoint on an unmapped page is kept, and planted when the page is there")
    func unmapped() {
        let target = SimulatedTarget()
        target.pages = [:]
        let client = Conversation(target)
        #expect(client.ask("Z0,4010,1") == "OK")
        #expect(planted(target).isEmpty)
        #expect(client.monitor("breakpoints").contains("waiting"))
        go(client)
        #expect(planted(target).isEmpty)
        target.pages = [0x4000: 0x2000]
        go(client)
        #expect(planted(target) == [PhysicalAddress(0x2010)])
        #expect(target.ram.bytes[0x2010] == 0xcc)
        #expect(client.monitor("breakpoints").contains("planted"))
    }

    @Test("a breakpoint that a loader has overwritten is planted again, over the new instruction")
    func overwritten() {
        let target = SimulatedTarget(memory: [UInt8](repeating: 0x90, count: 64))
        let client = Conversation(target)
        #expect(client.ask("Z0,10,1") == "OK")
        target.ram.bytes[0x10] = 0x55
        go(client)
        #expect(target.ram.bytes[0x10] == 0xcc)
        #expect(client.ask("m10,1") == "55")
        #expect(client.ask("z0,10,1") == "OK")
        #expect(target.ram.bytes[0x10] == 0x55)
    }

    @Test("a breakpoint that was overwritten and is removed at once leaves the new instruction alone")
    func overwrittenThenRemoved() {
        let target = SimulatedTarget(memory: [UInt8](repeating: 0x90, count: 64))
        let client = Conversation(target)
        #expect(client.ask("Z0,10,1") == "OK")
        target.ram.bytes[0x10] = 0x55
        #expect(client.ask("z0,10,1") == "OK")
        #expect(target.ram.bytes[0x10] == 0x55)
    }

    @Test("a breakpoint follows its address to another page, and leaves the old one as it was")
    func moved() {
        let target = SimulatedTarget(memory: [UInt8](repeating: 0x90, count: 0x4000))
        target.pages = [0x1000: 0x1000]
        let client = Conversation(target)
        #expect(client.ask("Z0,1010,1") == "OK")
        target.pages = [0x1000: 0x3000]
        go(client)
        #expect(target.ram.bytes[0x1010] == 0x90)
        #expect(target.ram.bytes[0x3010] == 0xcc)
        #expect(planted(target) == [PhysicalAddress(0x3010)])
    }

    @Test("a breakpoint whose page went away is lifted, and the machine knows it")
    func mappingGone() {
        let target = SimulatedTarget(memory: [UInt8](repeating: 0x90, count: 0x4000))
        target.pages = [0x1000: 0x1000]
        let client = Conversation(target)
        #expect(client.ask("Z0,1010,1") == "OK")
        target.pages = [:]
        go(client)
        #expect(target.ram.bytes[0x1010] == 0x90)
        #expect(planted(target).isEmpty)
    }

    // MARK: - Many

    @Test("ten thousand breakpoints reach the machine once, when it resumes, and stay")
    func many() {
        let target = SimulatedTarget(memory: [UInt8](repeating: 0x90, count: 0x8000))
        let client = Conversation(target)
        let before = target.arrangements.count
        let addresses = (0..<10_000).map { 0x100 + $0 * 3 }
        for address in addresses { client.session.feed(frame("Z0,\(String(address, radix: 16)),1")[...]) }
        while client.session.next() != nil {}
        #expect(client.sent().map(\.text) == [String](repeating: "OK", count: addresses.count))
        #expect(target.arrangements.count == before)
        // The guest overwrites one of them.
        target.ram.bytes[addresses[77]] = 0x55
        go(client)
        #expect(target.arrangements.count == before + 1)
        #expect(Set(planted(target).map { Int($0.rawValue) }) == Set(addresses))
        #expect(addresses.allSatisfy { target.ram.bytes[$0] == 0xcc })
        go(client)
        #expect(target.arrangements.count == before + 1, "nothing changed")
        client.session.close()
        #expect(target.ram.bytes[addresses[77]] == 0x55)
        #expect(target.ram.bytes.filter { $0 == 0xcc }.isEmpty)
    }

    @Test("a list of many breakpoints is sent in packets that a client can take")
    func longList() {
        let client = Conversation(SimulatedTarget(memory: [UInt8](repeating: 0x90, count: 0x8000)))
        for address in 0..<3000 { #expect(client.ask("Z0,\(String(address, radix: 16)),1") == "OK") }
        let replies = client.replies("qRcmd," + hex("breakpoints"))
        #expect(replies.count > 2 && replies.allSatisfy { $0.utf8.count <= 0x2_0000 })
        let list = replies.dropLast().map { text(hex: $0.dropFirst()) ?? "" }.joined()
        #expect(list.split(separator: "\n").count == 3000)
    }

    // MARK: - One place under two addresses

    private func aliased() -> SimulatedTarget {
        let target = SimulatedTarget(memory: [UInt8](repeating: 0x90, count: 0x4000))
        target.pages = [0x1000: 0x3000, 0xffff_8000_0000_1000: 0x3000]
        return target
    }

    @Test("two addresses of one place are two breakpoints on one instruction", arguments: [true, false])
    func twoAddresses(firstGoesFirst: Bool) {
        let client = Conversation(aliased())
        let names = ["1010", "ffff800000001010"]
        for name in names { #expect(client.ask("Z0,\(name),1") == "OK") }
        #expect(planted(client.target) == [PhysicalAddress(0x3010), PhysicalAddress(0x3010)])
        for name in names { #expect(client.ask("m\(name),1") == "90") }
        let order = firstGoesFirst ? names : names.reversed()
        #expect(client.ask("z0,\(order[0]),1") == "OK")
        #expect(client.target.ram.bytes[0x3010] == 0xcc)
        #expect(client.ask("m1010,1") == "90")
        #expect(client.ask("z0,\(order[1]),1") == "OK")
        #expect(client.target.ram.bytes[0x3010] == 0x90)
    }

    @Test("a write through either address is read through both, and stays")
    func writeThroughAlias() {
        let client = Conversation(aliased())
        for name in ["1010", "ffff800000001010"] { #expect(client.ask("Z0,\(name),1") == "OK") }
        #expect(client.ask("M1010,1:77") == "OK")
        for name in ["1010", "ffff800000001010"] { #expect(client.ask("m\(name),1") == "77") }
        for name in ["1010", "ffff800000001010"] { #expect(client.ask("z0,\(name),1") == "OK") }
        #expect(client.target.ram.bytes[0x3010] == 0x77)
    }

    @Test("a place that was overwritten under two breakpoints is planted again")
    func overwrittenAlias() {
        let client = Conversation(aliased())
        let names = ["1010", "ffff800000001010"]
        for name in names { #expect(client.ask("Z0,\(name),1") == "OK") }
        client.target.ram.bytes[0x3010] = 0x55
        go(client)
        #expect(client.target.ram.bytes[0x3010] == 0xcc)
        for name in names { #expect(client.ask("m\(name),1") == "55") }
        for name in names { #expect(client.ask("z0,\(name),1") == "OK") }
        #expect(client.target.ram.bytes[0x3010] == 0x55)
    }
}
