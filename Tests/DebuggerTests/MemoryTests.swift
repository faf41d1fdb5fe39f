import Architecture
import Primitives
import TestSupport
import Testing

@testable import Debugger

@Suite("Memory over the wire")
struct MemoryTests {
    private static let size = 0x8000

    private func randomMemory(_ seed: UInt64) -> [UInt8] {
        var random = Seeded(seed)
        return random.bytes(Self.size)
    }

    /// Three virtual pages in a row on physical ones that are not, and nothing around them.
    private func mapped(_ memory: [UInt8]) -> SimulatedTarget {
        let target = SimulatedTarget(memory: memory)
        target.pages = [0xffff_8000_0000_1000: 0x5000, 0xffff_8000_0000_2000: 0x2000, 0xffff_8000_0000_3000: 0x7000]
        return target
    }

    @Test("m reads any length at any place", arguments: 1...4 as ClosedRange<UInt64>)
    func reading(seed: UInt64) {
        let memory = randomMemory(seed)
        let client = Conversation(SimulatedTarget(memory: memory))
        var random = Seeded(seed)
        for _ in 0..<100 {
            let start = Int.random(in: 0..<Self.size, using: &random)
            let count = Int.random(in: 1...min(5000, Self.size - start), using: &random)
            let reply = client.ask("m\(String(start, radix: 16)),\(String(count, radix: 16))")
            #expect(reply == hex(memory[start..<start + count]), "\(count) bytes at \(start)")
        }
    }

    @Test("a read goes through the page tables, page by page")
    func pages() {
        let memory = randomMemory(5)
        let client = Conversation(mapped(memory))
        let expected = memory[0x5ff0..<0x6000] + memory[0x2000..<0x3000] + memory[0x7000..<0x7010]
        #expect(client.ask("mffff800000001ff0,1020") == hex(expected))
    }

    @Test("a read that leaves memory gives what there is, and one that starts outside an error")
    func ends() {
        let memory = randomMemory(6)
        let client = Conversation(mapped(memory))
        #expect(client.ask("mffff800000003ff0,100") == hex(memory[0x7ff0..<0x8000]))
        #expect(client.ask("mffff800000004000,1") == "E0e")
        #expect(client.ask("mffffffffffffffff,10") == "E0e")
        client.target.pages = [0x1000: 0x10_0000]
        #expect(client.ask("m1000,1") == "E0e")
    }

    @Test("an error says which address, and why")
    func reasons() {
        let client = Conversation(features: "error-message+")
        client.target.pages = [:]
        #expect(client.ask("m1234,4").hasPrefix("E.0x1234 is not mapped"))
        #expect(client.ask("M1234,1:00").hasPrefix("E.0x1234 is not mapped"))
        client.target.pages = [0x1000: 0x10_0000]
        #expect(client.ask("m1234,4").contains("0x100234"))
    }

    @Test("x reads the same bytes as they are", arguments: 1...4 as ClosedRange<UInt64>)
    func binary(seed: UInt64) {
        let memory = randomMemory(seed)
        let client = Conversation(SimulatedTarget(memory: memory))
        let reply = client.exchange(frame("x100,4000"))
        #expect(reply == [.packet([UInt8(ascii: "b")] + memory[0x100..<0x4100])])
    }

    @Test("LLDB's probe makes x give the bytes alone")
    func bareBinary() {
        let memory = randomMemory(7)
        let client = Conversation(SimulatedTarget(memory: memory))
        #expect(client.ask("x0,0") == "OK")
        #expect(client.exchange(frame("x10,8")) == [.packet(Array(memory[0x10..<0x18]))])
    }

    @Test("an empty x read elsewhere is answered as gdb wants it, and changes nothing")
    func emptyBinary() {
        let memory = randomMemory(7)
        let client = Conversation(SimulatedTarget(memory: memory))
        #expect(client.ask("x10,0") == "b")
        #expect(client.exchange(frame("x10,8")) == [.packet([UInt8(ascii: "b")] + memory[0x10..<0x18])])
    }

    @Test("no reply is longer than the packet size that was announced")
    func limit() throws {
        let target = SimulatedTarget(memory: [UInt8](repeating: UInt8(ascii: "*"), count: 0x10_0000))
        let client = Conversation(target, features: nil)
        let features = client.exchange(frame("qSupported")).last?.text ?? ""
        let size = try #require(features.split(separator: ";").first { $0.hasPrefix("PacketSize=") })
        let limit = try #require(Int(size.dropFirst(11), radix: 16))
        #expect(limit >= 0x2_0000)
        for packet in ["m0,ffffff", "x0,ffffff", "m0,7fffffffffffffff"] {
            let reply = client.exchange(frame(packet)).last?.text ?? ""
            #expect(reply.utf8.count > limit / 2 && reply.utf8.count <= limit, "\(packet)")
        }
    }

    @Test("M and X store, page by page", arguments: ["M", "X"])
    func writing(letter: String) {
        var memory = randomMemory(8)
        let client = Conversation(mapped(memory))
        let data = (0..<0x1020).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let head = Array("\(letter)ffff800000001ff0,1020:".utf8)
        #expect(client.replies(head + (letter == "M" ? Array(hex(data).utf8) : data)) == ["OK"])
        memory.replaceSubrange(0x5ff0..<0x6000, with: data[..<0x10])
        memory.replaceSubrange(0x2000..<0x3000, with: data[0x10..<0x1010])
        memory.replaceSubrange(0x7000..<0x7010, with: data[0x1010...])
        #expect(client.target.ram.bytes == memory)
    }

    @Test("a write that leaves memory writes nothing")
    func partialWrite() {
        let memory = randomMemory(9)
        let client = Conversation(mapped(memory))
        #expect(client.ask("Mffff800000003ffe,4:01020304") == "E16")
        client.target.pages?[0xffff_8000_0000_4000] = 0x10_0000
        #expect(client.ask("Mffff800000003ffe,4:01020304") == "E16")
        #expect(client.target.ram.bytes == memory)
    }

    @Test("a client finds out that X works by writing nothing")
    func emptyWrite() { #expect(Conversation().ask("X1000,0:") == "OK") }

    @Test("physical mode bypasses the page tables until it is left")
    func physical() {
        let memory = randomMemory(10)
        let client = Conversation(mapped(memory))
        #expect(client.ask("qqemu.PhyMemMode") == "0")
        #expect(client.ask("Qqemu.PhyMemMode:1") == "OK")
        #expect(client.ask("qqemu.PhyMemMode") == "1")
        #expect(client.ask("m5000,4") == hex(memory[0x5000..<0x5004]))
        #expect(client.ask("M5000,1:42") == "OK")
        #expect(client.target.ram.bytes[0x5000] == 0x42)
        #expect(client.ask("m8000,1") == "E0e")
        #expect(client.ask("Qqemu.PhyMemMode:0") == "OK")
        #expect(client.ask("m5000,4") == "E0e")
    }

    // MARK: - Search and checksum

    @Test("a pattern is found at its first place, or not at all", arguments: 1...12 as ClosedRange<UInt64>)
    func search(seed: UInt64) {
        var random = Seeded(seed)
        // Few values, so that there are many near misses.
        let memory = (0..<0x3_0000).map { _ in UInt8.random(in: 0...2, using: &random) }
        let client = Conversation(SimulatedTarget(memory: memory))
        let start = Int.random(in: 0..<0x1000, using: &random)
        let count = Int.random(in: 0...memory.count - start, using: &random)
        let pattern = (0..<Int.random(in: 1...14, using: &random)).map { _ in UInt8.random(in: 0...2, using: &random) }
        var expected: Int?
        var place = start
        while expected == nil, place + pattern.count <= start + count {
            if memory[place..<place + pattern.count].elementsEqual(pattern) { expected = place }
            place += 1
        }
        let head = "qSearch:memory:\(String(start, radix: 16));\(String(count, radix: 16));"
        let reply = client.replies(Array(head.utf8) + pattern)
        #expect(reply == [expected.map { "1," + String($0, radix: 16) } ?? "0"])
    }

    @Test(
        "a pattern that lies across the search's own pieces is found", arguments: [0xfffe, 0xffff, 0x1_0000, 0x1_fffd])
    func searchAcross(place: Int) {
        var memory = [UInt8](repeating: 0, count: 0x3_0000)
        memory.replaceSubrange(place..<place + 4, with: [1, 2, 3, 4])
        let client = Conversation(SimulatedTarget(memory: memory))
        #expect(
            client.replies(Array("qSearch:memory:0;30000;".utf8) + [1, 2, 3, 4]) == ["1,\(String(place, radix: 16))"])
        // Its last byte is outside.
        let length = String(place + 3, radix: 16)
        #expect(client.replies(Array("qSearch:memory:0;\(length);".utf8) + [1, 2, 3, 4]) == ["0"])
    }

    /// Bit by bit, as the manual describes it: polynomial 0x04c11db7 from the most significant bit on.
    private func slowCRC(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var register: UInt32 = 0xffff_ffff
        for byte in bytes {
            for bit in (0..<8).reversed() {
                let isSet = (register >> 31) ^ UInt32(byte >> UInt8(bit) & 1) == 1
                register = register << 1
                if isSet { register ^= 0x04c1_1db7 }
            }
        }
        return register
    }

    @Test("qCRC is the manual's checksum", arguments: 1...8 as ClosedRange<UInt64>)
    func checksum(seed: UInt64) {
        var random = Seeded(seed)
        let memory = randomMemory(seed)
        let client = Conversation(SimulatedTarget(memory: memory))
        let start = Int.random(in: 0..<0x1000, using: &random)
        let count = Int.random(in: 0...0x6000, using: &random)
        let expected = "C" + String(slowCRC(memory[start..<start + count]), radix: 16)
        #expect(client.ask("qCRC:\(String(start, radix: 16)),\(String(count, radix: 16))") == expected)
    }

    @Test("the checksum of the nine digits is the published one")
    func knownChecksum() {
        let client = Conversation(SimulatedTarget(memory: Array("123456789".utf8) + [0, 0, 0, 0, 0, 0, 0]))
        #expect(client.ask("qCRC:0,9") == "C376e6e7")
        #expect(client.ask("qCRC:0,1000") == "E0e")
    }

    @Test("a checksum of more than there is, or of what ends outside, is refused before any of it is made")
    func endlessChecksum() {
        let client = Conversation(SimulatedTarget(memory: randomMemory(12)), features: "error-message+")
        #expect(client.ask("qCRC:0,7fffffffffffffff").contains("32768 bytes of memory"))
        client.target.pages = [0: 0, 0x1000: 0x1000]
        let before = client.target.translations
        #expect(client.ask("qCRC:0,2001").hasPrefix("E.0x2000 is not mapped"))
        #expect(client.target.translations == before + 1)
        #expect(client.ask("qCRC:0,2000").hasPrefix("C"))
    }

    @Test("a search through one page that is mapped everywhere ends")
    func endlessSearch() {
        let client = Conversation(SimulatedTarget(memory: [UInt8](repeating: 0, count: Self.size)))
        client.target.isEverywhere = true
        let head = Array("qSearch:memory:0;7fffffffffffffff;".utf8)
        #expect(client.replies(head + [1]).first?.hasPrefix("E") == true)
        client.target.ram.bytes[0x123] = 1
        #expect(client.replies(head + [1]) == ["1,123"])
    }

    @Test("what lies on one large page is walked to once")
    func largePages() {
        let memory = randomMemory(13)
        let client = Conversation(SimulatedTarget(memory: memory))
        client.target.pageSize = 0x4000
        let before = client.target.translations
        #expect(client.ask("m10,5000") == hex(memory[0x10..<0x5010]))
        #expect(client.target.translations == before + 2)
        // The page goes on where memory does not.
        client.target.pageSize = 1 << 30
        #expect(client.ask("m7ff0,100") == hex(memory[0x7ff0...]))
    }

    @Test("a device's registers are read through it, and never written")
    func device() {
        let client = Conversation(features: "error-message+")
        client.target.device = (0xfee0_0000, (0..<0x40).map { UInt8($0) })
        #expect(client.ask("mfee00020,4") == "20212223")
        // Memory, device and nothing in one read.
        #expect(client.ask("mfee00038,20") == hex((0x38..<0x40).map { UInt8($0) }))
        #expect(client.ask("mfee00040,4").contains("0xfee00040"))
        #expect(client.ask("Mfee00020,1:00").contains("guest's to write"))
        #expect(client.target.device?.bytes[0x20] == 0x20)
    }

    @Test("the memory map leaves no address out, so that gdb refuses none")
    func memoryMap() {
        let client = Conversation()
        #expect(client.ask("qSupported").contains(";qXfer:memory-map:read+"))
        let text = client.ask("qXfer:memory-map:read::0,1000")
        let fields = text.split(separator: "\"").filter { $0.hasPrefix("0x") }.compactMap {
            UInt64($0.dropFirst(2), radix: 16)
        }
        #expect(text.hasPrefix("l<?xml") && fields.count == 4)
        #expect(fields[0] == 0 && fields[2] == fields[1] && fields[2] &+ fields[3] == 0)
    }

    @Test("LLDB gets the pages of one kind from an address on, and what may be done there")
    func region() {
        let client = Conversation(mapped(randomMemory(11)))
        #expect(client.ask("qMemoryRegionInfo:ffff800000002abc") == "start:ffff800000002000;size:2000;permissions:rwx;")
        let hole = client.ask("qMemoryRegionInfo:9abc")
        #expect(hole.hasPrefix("start:9000;size:"))
        #expect(!hole.contains("permissions"))
    }

    @Test("a region of addresses that are not canonical reaches to the upper half")
    func hole() {
        let target = SimulatedTarget()
        target.canonicalBits = 48
        let client = Conversation(target)
        #expect(client.ask("qMemoryRegionInfo:800000000000") == "start:800000000000;size:ffff000000000000;")
        #expect(client.ask("qMemoryRegionInfo:123456789abcdef0") == "start:800000000000;size:ffff000000000000;")
    }
}
