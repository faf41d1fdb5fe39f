import Primitives
import Testing

@testable import Boot

@Suite struct MachineMemoryTests {
    @Test(
        "RAM above 3 GiB continues at 4 GiB",
        arguments: [
            (0x10_0000, [0..<0x10_0000]),
            (0x1000_0000, [0..<0x1000_0000]),
            (0xC000_0000, [0..<0xC000_0000]),
            (0xC000_1000, [0..<0xC000_0000, 0x1_0000_0000..<0x1_0000_1000]),
            (0x2_0000_0000, [0..<0xC000_0000, 0x1_0000_0000..<0x2_4000_0000]),
        ] as [(UInt64, [Range<UInt64>])])
    func ranges(size: UInt64, expected: [Range<UInt64>]) throws {
        let memory = try MachineMemory(size: size)
        #expect(memory.ranges.map { $0.lowerBound.rawValue..<$0.upperBound.rawValue } == expected)
        #expect(memory.end.rawValue == expected.last?.upperBound)
        #expect(memory.ranges.reduce(0) { $0 + $1.upperBound.rawValue - $1.lowerBound.rawValue } == size)
    }

    @Test("A size that is no RAM is refused", arguments: [0, 1, 0xF_F000, 0x10_0001, 1 << 41, UInt64.max])
    func sizes(size: UInt64) {
        #expect(throws: BootError.memorySize(size)) { try MachineMemory(size: size) }
    }

    @Test(
        "A range is in memory when one piece of RAM has all of it",
        arguments: [
            (0..<1, true), (0xBFFF_FFFF..<0xC000_0000, true), (0xBFFF_FFFF..<0xC000_0001, false),
            (0xC000_0000..<0xC000_0001, false), (0xFFFF_FFFF..<0x1_0000_0001, false),
            (0x1_0000_0000..<0x1_4000_0000, true), (0x1_0000_0000..<0x1_4000_0001, false),
            (0xBFFF_0000..<0x1_0001_0000, false),
        ] as [(Range<UInt64>, Bool)])
    func contains(range: Range<UInt64>, expected: Bool) throws {
        let range = PhysicalAddress(range.lowerBound)..<PhysicalAddress(range.upperBound)
        #expect(try MachineMemory(size: 4 << 30).contains(range) == expected)
    }

    @Test("The memory map has a PC's low memory and all RAM beyond")
    func map() throws {
        let map = try MachineMemory(size: 4 << 30).map
        #expect(map.map(\.range.lowerBound.rawValue) == [0, 0x9_FC00, 0xF_0000, 0x10_0000, 0x1_0000_0000])
        #expect(
            map.map(\.range.upperBound.rawValue) == [0x9_FC00, 0xA_0000, 0x10_0000, 0xC000_0000, 0x1_4000_0000])
        #expect(map.map(\.kind) == [.usable, .reserved, .reserved, .usable, .usable])
        #expect(try MachineMemory(size: 1 << 20).map.count == 3)
    }

    @Test(
        "A size is given in its largest whole unit",
        arguments: [
            (0, "0 bytes"), (1000, "1000 bytes"), (0x1000, "4 KiB"), (256 << 20, "256 MiB"), (1536 << 20, "1536 MiB"),
            (1 << 60, "1048576 TiB"),
        ] as [(UInt64, String)])
    func text(bytes: UInt64, expected: String) {
        #expect(sizeText(bytes) == expected)
    }
}
