import Primitives
import TestSupport
import Testing

@testable import Boot

@Suite struct ELFTests {
    @Test("Segments lie at their physical addresses, with zeroes up to their size in memory")
    func segments() throws {
        let image = try load(TestELF.higherHalf.file, into: ram())
        expectSound(image, in: try ram())
        #expect(image.placements[0].address.rawValue == 0x20_0000)
        #expect(image.placements[0].bytes == Array(1...200))
        #expect(image.placements[0].length == 0x40_1000)
        #expect(image.placements[1].address.rawValue == 0x60_1000)
        #expect(image.placements[1].length == 0x2345)
        #expect(
            image.summary == "ELF64, 2 segments in 0x200000..0x603345, starts at 0xffffffff80200010 in long mode")
    }

    @Test("A 32-bit file starts in protected mode with flat segments, without paging")
    func protectedMode() throws {
        let image = try load(TestELF.simple(is64: false).file, into: ram())
        expectSound(image, in: try ram())
        let start = image.start
        #expect(image.format == .elf)
        #expect(start.mode == .protected)
        #expect(start.instructionPointer == 0x10_0000)
        #expect(start.cr0 == 0x11 && start.cr3 == 0 && start.cr4 == 0 && start.efer == 0 && start.flags == 2)
        #expect(start.code == .code32 && start.data == .data && start.stack == .data)
        #expect(start.code.isDefault32 && !start.code.isLong && start.code.hasPageGranularity)
        #expect(start.idt.limit == 0)
        #expect(start.rsp == 0x1000 + 0x4000 - 16)
        let memory = LoadedMemory(image)
        #expect(start.gdt.limit == 23)
        #expect(memory.number(start.gdt.base.rawValue, count: 8) == 0)
        #expect(memory.number(start.gdt.base.rawValue + 8, count: 8) == 0x00CF_9B00_0000_FFFF)
        #expect(memory.number(start.gdt.base.rawValue + 16, count: 8) == 0x00CF_9300_0000_FFFF)
    }

    @Test("A 64-bit file starts in long mode with its stack in mapped memory")
    func longMode() throws {
        let image = try load(TestELF.simple().file, into: ram())
        expectSound(image, in: try ram())
        let start = image.start
        #expect(start.mode == .long)
        #expect(start.instructionPointer == 0x10_0000)
        #expect(start.cr0 == 0x8000_0033 && start.cr4 == 0x620 && start.efer == 0x500)
        #expect(start.code == .code64 && start.code.isLong && !start.code.isDefault32)
        #expect(start.code.type == 0xB && start.data.type == 3 && start.task.type == 0xB && !start.task.isCodeOrData)
        #expect(start.code.isPresent && start.code.privilegeLevel == 0 && !start.code.isAvailable)
        let memory = LoadedMemory(image)
        #expect(memory.number(start.gdt.base.rawValue + 8, count: 8) == 0x00AF_9B00_0000_FFFF)
        #expect(start.rsp % 16 == 0)
        #expect(memory.translate(start.rsp) == start.rsp)
        #expect(image.placements.contains { $0.range.contains(PhysicalAddress(start.rsp)) && $0.length == 0x4000 })
    }

    @Test("A 32-bit file's virtual entry becomes physical")
    func virtualEntry() throws {
        let elf = TestELF(
            is64: false, entry: 0xC010_0001, segments: [.init(virtual: 0xC010_0000, physical: 0x10_0000)])
        #expect(try load(elf.file, into: ram()).start.instructionPointer == 0x10_0001)
    }

    @Test("A physical entry is used as it is where segments are linked elsewhere", arguments: [false, true])
    func physicalEntry(is64: Bool) throws {
        let elf = TestELF(
            is64: is64, entry: 0x10_0001, segments: [.init(virtual: 0x8010_0000, physical: 0x10_0000)])
        #expect(try load(elf.file, into: ram()).start.instructionPointer == 0x10_0001)
    }

    @Test("A position-independent file, empty segments and other program headers load")
    func others() throws {
        var elf = TestELF.simple()
        elf.type = 3
        elf.segments.append(.init(virtual: 0x10_0000, physical: 0x10_0000, bytes: []))
        elf.segments.append(.init(type: 0x6474_E551, virtual: 0, physical: 0, bytes: [], offset: .max))
        let image = try load(elf.file, into: ram())
        #expect(image.placements.filter { $0.address.rawValue == 0x10_0000 }.count == 1)
    }

    @Test("A segment may lie above 4 GiB")
    func high() throws {
        let memory = try ram(8 << 30)
        let elf = TestELF(
            entry: 0x1_8000_0000, segments: [.init(virtual: 0x1_8000_0000, physical: 0x1_8000_0000)])
        let image = try load(elf.file, into: memory)
        expectSound(image, in: memory)
        #expect(LoadedMemory(image).translate(0x1_8000_0001) == 0x1_8000_0001)
    }
}
