import Primitives
import TestSupport
import Testing

@testable import Boot

@Suite struct FlatTests {
    @Test("A flat image starts as a boot sector does by default")
    func bootSector() throws {
        let image = try load([0xEB, 0xFE], options: LoadOptions(format: .flat), into: ram())
        expectSound(image, in: try ram())
        #expect(image.placements[0] == Placement(address: PhysicalAddress(0x7C00), bytes: [0xEB, 0xFE], length: 2))
        let start = image.start
        #expect(start.mode == .real)
        #expect(start.code == SegmentRegister(selector: 0, base: 0, limit: 0xFFFF, attributes: 0x9B))
        #expect(start.data == SegmentRegister(selector: 0, base: 0, limit: 0xFFFF, attributes: 0x93))
        #expect(start.stack == start.data)
        #expect(start.instructionPointer == 0x7C00)
        #expect(start.rsp == 0x1FF0)
        #expect(start.cr0 == 0x10 && start.cr3 == 0 && start.efer == 0 && start.idt.limit == 0x3FF)
        #expect(image.summary == "flat image in 0x7c00..0x7c02, starts at 0x7c00 in real mode")
    }

    @Test(
        "CS is zero for an entry below 64 KiB, else a sixteenth of it",
        arguments: [
            (0x500, 0x0, 0x500), (0xFFFF, 0x0, 0xFFFF), (0x1_0000, 0x1000, 0x0), (0x1_2345, 0x1234, 0x5),
            (0xF_FFFF, 0xFFFF, 0xF),
        ] as [(UInt64, UInt16, UInt64)])
    func realEntry(entry: UInt64, selector: UInt16, ip: UInt64) throws {
        let options = LoadOptions(format: .flat, loadAddress: PhysicalAddress(entry))
        let start = try load([0xF4], options: options, into: ram()).start
        #expect(start.code.selector == selector)
        #expect(start.code.base == UInt64(selector) << 4)
        #expect(start.instructionPointer == ip)
    }

    @Test("A real-mode stack above 64 KiB has its own segment")
    func highStack() throws {
        let options = LoadOptions(format: .flat, loadAddress: PhysicalAddress(0))
        let image = try load([UInt8](repeating: 0x90, count: 0x1_8000), options: options, into: ram())
        expectSound(image, in: try ram())
        #expect(image.start.stack.selector == 0x1000)
        #expect(image.start.stack.base + image.start.rsp == 0x1_8FF0)
    }

    @Test("Protected and long mode load at 1 MiB", arguments: [CPUMode.protected, .long])
    func otherModes(mode: CPUMode) throws {
        let options = LoadOptions(format: .flat, entry: 0x10_0001, mode: mode)
        let image = try load([0x90, 0xF4], options: options, into: ram())
        expectSound(image, in: try ram())
        #expect(image.placements[0].address.rawValue == 0x10_0000)
        #expect(image.start.mode == mode)
        #expect(image.start.instructionPointer == 0x10_0001)
        #expect(image.start.rsp == 0x4FF0)
        if mode == .long { #expect(LoadedMemory(image).translate(0x10_0001) == 0x10_0001) }
    }

    @Test(
        "What a mode cannot reach is refused",
        arguments: [
            (CPUMode.real, 0x10_0000), (.protected, 0x1_0000_0000),
        ] as [(CPUMode, UInt64)])
    func reach(mode: CPUMode, address: UInt64) throws {
        let options = LoadOptions(format: .flat, loadAddress: PhysicalAddress(address), mode: mode)
        #expect(
            try loadError([0xF4], options, memory: try ram(8 << 30)) == .entryOutOfReach(entry: address, mode))
    }

    @Test("An image or an entry that lies elsewhere is refused")
    func outside() throws {
        let away = LoadOptions(format: .flat, loadAddress: PhysicalAddress(.max))
        #expect(
            try loadErrorText([1, 2], away)
                == "the image loads 0x2 bytes at 0xffffffffffffffff, outside of memory (256 MiB)")
        let edge = LoadOptions(format: .flat, loadAddress: PhysicalAddress(0xFFF_FFFF), mode: .protected)
        #expect(
            try loadErrorText([1, 2], edge) == "the image loads 0xfffffff..0x10000001, outside of memory (256 MiB)")
        let entry = LoadOptions(format: .flat, entry: 0x7C02)
        #expect(
            try loadErrorText([1, 2], entry) == "the entry 0x7c02 lies outside of what is loaded (0x7c00..0x7c02)")
    }
}
