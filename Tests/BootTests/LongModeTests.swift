import Primitives
import TestSupport
import Testing

@testable import Boot

@Suite struct LongModeTests {
    @Test(
        "The first 4 GiB are mapped to themselves",
        arguments: [
            0, 0xFFF, 0x1F_FFFF, 0x20_0000, 0x1000_0000, 0xC000_0000, 0xFEE0_0020, 0xFFFF_FFFF,
        ] as [UInt64])
    func identity(address: UInt64) throws {
        let memory = LoadedMemory(try load(TestELF.simple().file, into: ram()))
        #expect(memory.translate(address) == address)
        #expect(memory.translate(0x1_0000_0000) == nil)
    }

    @Test("All RAM is mapped to itself, beyond 512 GiB too", arguments: [5 << 30, 600 << 30, 1 << 40] as [UInt64])
    func identityOfMuchMemory(size: UInt64) throws {
        let ram = try MachineMemory(size: size)
        let image = try load(TestELF.simple().file, into: ram)
        expectSound(image, in: ram)
        let memory = LoadedMemory(image)
        let last = ram.end.rawValue - 1
        for address in [0x1_0000_0000, last / 2, last] { #expect(memory.translate(address) == address) }
        #expect(memory.translate(last + 1) == nil)
    }

    @Test(
        "Each segment is mapped at its virtual address",
        arguments: [
            (0xFFFF_FFFF_8020_0000, 0x20_0000), (0xFFFF_FFFF_8020_0010, 0x20_0010), (0xFFFF_FFFF_8060_0FFF, 0x60_0FFF),
            (0xFFFF_FFFF_8060_1000, 0x60_1000), (0xFFFF_FFFF_8060_3344, 0x60_3344), (0xFFFF_FFFF_8060_4000, nil),
            (0xFFFF_FFFF_801F_FFFF, nil), (0x20_0000, 0x20_0000), (0x0000_7FFF_FFFF_F000, nil),
        ] as [(UInt64, UInt64?)])
    func segments(address: UInt64, expected: UInt64?) throws {
        let memory = LoadedMemory(try load(TestELF.higherHalf.file, into: ram()))
        #expect(memory.translate(address) == expected)
    }

    @Test(
        "Every page of a segment is mapped, whatever the alignment of its two addresses",
        arguments: [
            (0xFFFF_8000_0000_0000, 0x20_0000), (0xFFFF_8000_0010_3000, 0x20_0000), (0xFFFF_FFFF_FFA0_0000, 0x123_4000),
            (0x4000_0000_0000, 0x32_1000), (0xFFFF_FFFF_8010_0123, 0x50_0123),
        ] as [(UInt64, UInt64)])
    func everyPage(virtual: UInt64, physical: UInt64) throws {
        let size: UInt64 = 0x60_0000 - virtual % 0x1000
        let elf = TestELF(
            entry: virtual, segments: [.init(virtual: virtual, physical: physical, memorySize: size)])
        let memory = LoadedMemory(try load(elf.file, into: ram()))
        for offset in stride(from: 0, to: size, by: 0x1000) {
            try #require(memory.translate(virtual + offset) == physical + offset)
        }
        #expect(memory.translate(virtual + (size - 1)) == physical + size - 1)
        #expect(memory.translate(physical) == physical)
    }

    @Test("A virtual address below 4 GiB replaces the identity map, and no boot structure hides behind it")
    func overIdentity() throws {
        let ram = try ram()
        let elf = TestELF(
            entry: 0x1000,
            segments: [.init(virtual: 0x1000, physical: 0x80_0000, memorySize: 0x5_0000)])
        let image = try load(elf.file, into: ram)
        expectSound(image, in: ram)
        let memory = LoadedMemory(image)
        #expect(memory.translate(0x1000) == 0x80_0000)
        #expect(memory.translate(0x5_0FFF) == 0x84_FFFF)
        #expect(memory.translate(0xFFF) == 0xFFF)
        #expect(memory.translate(0x5_1000) == 0x5_1000)
        #expect(memory.translate(0x80_0000) == 0x80_0000)
        #expect(memory.translate(image.start.rsp) == image.start.rsp)
        let gdt = image.start.gdt.base.rawValue
        #expect(memory.translate(gdt) == gdt)
    }

    @Test("Segments that share a page at one distance are fine, at two distances an error")
    func sharedPage() throws {
        func elf(_ second: UInt64) -> TestELF {
            TestELF(
                entry: 0x8000_0000_00,
                segments: [
                    .init(virtual: 0x8000_0000_00, physical: 0x20_0000, memorySize: 0x1800),
                    .init(virtual: 0x8000_0018_00, physical: second, memorySize: 0x100),
                ])
        }
        let memory = LoadedMemory(try load(elf(0x20_1800).file, into: ram()))
        #expect(memory.translate(0x8000_0018_04) == 0x20_1804)
        #expect(
            try loadError(elf(0x30_1800).file)
                == .segment(
                    index: 1, headerOffset: 0x78,
                    .remaps(
                        page: VirtualAddress(0x8000_0010_00), to: PhysicalAddress(0x30_1000), other: 0,
                        otherTo: PhysicalAddress(0x20_1000))))
    }

    @Test("A segment linked where another one is loaded and linked is an error")
    func identityConflict() throws {
        let elf = TestELF(
            entry: 0x20_0000,
            segments: [
                .init(virtual: 0x20_0000, physical: 0x20_0000, memorySize: 0x1000),
                .init(virtual: 0x20_0000, physical: 0x30_0000, memorySize: 0x1000),
            ])
        guard case .segment(index: 1, _, .remaps) = try loadError(elf.file) else {
            Issue.record("expected a remapped page")
            return
        }
    }
}
