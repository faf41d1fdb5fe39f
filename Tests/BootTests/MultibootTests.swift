import Primitives
import TestSupport
import Testing

@testable import Boot

@Suite struct MultibootTests {
    @Test(
        "An ELF file with a multiboot header is entered in protected mode at its physical entry",
        arguments: [false, true])
    func elf(is64: Bool) throws {
        let elf = TestELF(
            is64: is64, entry: 0x8010_000C,
            segments: [.init(virtual: 0x8010_0000, physical: 0x10_0000, bytes: multibootHeader() + [0xF4])])
        let image = try load(elf.file, into: ram())
        expectSound(image, in: try ram())
        #expect(image.format == .multiboot)
        #expect(image.start.mode == .protected)
        #expect(image.start.instructionPointer == 0x10_000C)
        #expect(image.start.rax == 0x2BAD_B002)
        #expect(image.start.cr0 == 0x11 && image.start.efer == 0)
        #expect(image.start.code == .code32)
        #expect(image.summary.hasPrefix("multiboot \(is64 ? "ELF64" : "ELF32"), 1 segment in 0x100000..0x10000d"))
    }

    @Test("The information structure has memory, command line, map, loader name and the module")
    func information() throws {
        let options = LoadOptions(commandLine: "console=ttyS0 a=\"b c\"", initrd: Array(0...255) + [42])
        let image = try load(rawMultiboot, options: options, into: ram(4 << 30))
        expectSound(image, in: try ram(4 << 30))
        let memory = LoadedMemory(image)
        let base = image.start.rbx
        func field(_ offset: UInt64) -> UInt64 { memory.number(base + offset, count: 4) }
        #expect(field(0) == 0x24D)
        #expect(field(4) == 639)
        #expect(field(8) == (0xC000_0000 - 0x10_0000) / 1024)
        #expect(memory.string(field(16)) == "console=ttyS0 a=\"b c\"")
        #expect(memory.string(field(64)) == "stubvisor")
        #expect(field(20) == 1)
        let module = (0..<4).map { memory.number(field(24) + 4 * $0, count: 4) }
        #expect(module[0] % 0x1000 == 0 && module[0] >= 0x10_1034)
        #expect(module[1] - module[0] == 257)
        #expect(memory.bytes(module[0], count: 257) == options.initrd)
        #expect(memory.string(module[2]) == "initrd")
        #expect(field(44) == 5 * 24)
        for (index, entry) in try ram(4 << 30).map.enumerated() {
            let row = field(48) + UInt64(index) * 24
            #expect(memory.number(row, count: 4) == 20)
            #expect(memory.number(row + 4, count: 8) == entry.range.lowerBound.rawValue)
            #expect(memory.number(row + 12, count: 8) == entry.size)
            #expect(memory.number(row + 20, count: 4) == UInt64(entry.kind.rawValue))
        }
    }

    @Test("Without an initrd there is no module")
    func noModule() throws {
        let image = try load(rawMultiboot, into: ram())
        let memory = LoadedMemory(image)
        #expect(memory.number(image.start.rbx, count: 4) == 0x245)
        #expect(memory.number(image.start.rbx + 20, count: 4) == 0)
        #expect(memory.string(memory.number(image.start.rbx + 16, count: 4)) == "")
    }

    @Test("The command line begins with the image's name, and each module has its own words")
    func words() throws {
        let options = LoadOptions(
            commandLine: "a b", initrd: [1],
            modules: [BootModule([2, 3], text: "ext2fs --x"), BootModule([], text: "m")],
            imageName: "path/kernel")
        let image = try load(rawMultiboot, options: options, into: ram())
        expectSound(image, in: try ram())
        let memory = LoadedMemory(image)
        func field(_ offset: UInt64) -> UInt64 { memory.number(image.start.rbx + offset, count: 4) }
        #expect(memory.string(field(16)) == "path/kernel a b")
        #expect(field(20) == 3)
        let rows = (0..<3).map { row in (0..<3).map { memory.number(field(24) + row * 16 + $0 * 4, count: 4) } }
        #expect(rows.map { $0[1] - $0[0] } == [1, 2, 0])
        #expect(rows.map { memory.string($0[2]) } == ["initrd", "ext2fs --x", "m"])
        #expect(memory.bytes(rows[1][0], count: 2) == [2, 3])
    }

    @Test("A kernel that wishes a video mode gets the text screen", arguments: [3, 7] as [UInt32])
    func videoMode(flags: UInt32) throws {
        let bytes = multibootHeader(flags: flags) + [UInt8](repeating: 0, count: 36) + [0xF4]
        let image = try load(TestELF.simple(bytes: bytes).file, into: ram())
        let memory = LoadedMemory(image)
        let base = image.start.rbx
        #expect(memory.number(base, count: 4)[bit: 12] == (flags == 7))
        let fields = memory.bytes(base + 88, count: 22)
        let screen: [UInt8] = [0, 0x80, 0xB, 0, 0, 0, 0, 0, 160, 0, 0, 0, 80, 0, 0, 0, 25, 0, 0, 0, 16, 2]
        #expect(fields == (flags == 7 ? screen : [UInt8](repeating: 0, count: 22)))
    }

    @Test("A kernel finds its section headers, and the tables that no segment loads", arguments: [false, true])
    func sections(is64: Bool) throws {
        let elf = TestELF.simple(is64: is64, bytes: multibootHeader() + [0xF4]).withSections()
        let image = try load(elf.file, into: ram())
        expectSound(image, in: try ram())
        let memory = LoadedMemory(image)
        func field(_ offset: UInt64) -> UInt64 { memory.number(image.start.rbx + offset, count: 4) }
        #expect(field(0)[bit: 5] && field(28) == 2 && field(32) == (is64 ? 64 : 40) && field(40) == 1)
        let strings = field(36) + field(32)
        let address = memory.number(strings + (is64 ? 16 : 12), count: is64 ? 8 : 4)
        #expect(memory.bytes(address, count: TestELF.strings.count) == TestELF.strings)
    }

    @Test("A raw image loads by the header's address fields")
    func raw() throws {
        let image = try load(rawMultiboot, into: ram())
        expectSound(image, in: try ram())
        #expect(image.placements[0].address.rawValue == 0x10_0000)
        #expect(image.placements[0].bytes == rawMultiboot)
        #expect(image.placements[0].length == 0x1034)
        #expect(image.start.instructionPointer == 0x10_0030)
    }

    @Test("The address fields count more than ELF's, and can leave out the ends of the file")
    func part() throws {
        let header = multibootHeader(addresses: [0x40_0000, 0x40_0000, 0x40_0024, 0, 0x40_0020])
        let elf = TestELF.simple(bytes: header + [1, 2, 3, 4, 5, 6])
        let image = try load(elf.file, into: ram())
        #expect(image.placements[0].address.rawValue == 0x40_0000)
        #expect(image.placements[0].bytes == header + [1, 2, 3, 4])
        #expect(image.placements[0].length == 0x24)
    }

    @Test(
        "A header is found at any multiple of 4 wholly in the first 8192 bytes, with a right checksum",
        arguments: [
            (0, true), (4, true), (2, false), (8192 - 12, true), (8192 - 8, false), (9000, false),
        ])
    func search(offset: Int, found: Bool) {
        var file = [UInt8](repeating: 0, count: 10_000)
        file.replaceSubrange(offset..<offset + 12, with: multibootHeader())
        #expect(Multiboot(file)?.offset == (found ? UInt64(offset) : nil))
        file[offset + 8] ^= 1
        #expect(Multiboot(file) == nil)
    }

    @Test(
        "Features that a kernel requires and that are missing are named",
        arguments: [
            (0x0008, "flag bits 3"), (0x0018, "flag bits 3, 4"), (0x8001, "flag bits 15"),
        ] as [(UInt32, String)])
    func flags(flags: UInt32, text: String) throws {
        let error = try loadError(TestELF.simple(bytes: multibootHeader(flags: flags)).file)
        #expect(error == .multibootFlags(flags & ~3, offset: 0x80))
        #expect("\(error)".hasSuffix(text))
        #expect("\(error)".contains("file offset 0x80"))
    }

    @Test("Optional features that are not known are ignored")
    func optionalFlags() throws {
        _ = try load(TestELF.simple(bytes: multibootHeader(flags: 0x8000_0000)).file, into: ram())
    }

    @Test(
        "Address fields that contradict each other are refused",
        arguments: [
            ([0x10_0000, 0x10_0004, 0, 0, 0x10_0004], "load_addr 0x100004, expected at most 0x0 bytes before"),
            ([0x10_0004, 0x10_0000, 0, 0, 0x10_0004], "load_addr 0x100000, expected at most 0x0 bytes before"),
            ([0x10_0000, 0x10_0000, 0x0F_0000, 0, 0x10_0000], "load_end_addr 0xf0000, expected more than"),
            ([0x10_0000, 0x10_0000, 0x10_0021, 0, 0x10_0000], "load_end_addr 0x100021, expected more than"),
            ([0x10_0000, 0x10_0000, 0, 0x10_001F, 0x10_0000], "bss_end_addr 0x10001f, expected at least"),
        ] as [([UInt32], String)])
    func addresses(fields: [UInt32], text: String) throws {
        #expect(try loadErrorText(multibootHeader(addresses: fields)).contains(text))
    }

    @Test("A raw image without address fields, outside of memory or of its own entry is refused")
    func rawErrors() throws {
        #expect(try loadErrorText(multibootHeader()).contains("no load addresses (flag bit 16 is clear)"))
        let high: UInt32 = 0x4000_0000
        #expect(
            try loadErrorText(multibootHeader(addresses: [high, high, 0, 0, high]))
                == "the multiboot header at file offset 0x0 loads 0x40000000..0x40000020, outside of memory (256 MiB)")
        let low: UInt32 = 0x10_0000
        #expect(
            try loadError(multibootHeader(addresses: [low, low, 0, 0, low + 0x20]))
                == .entryOutsideImage(
                    entry: 0x10_0020, loaded: PhysicalAddress(0x10_0000)..<PhysicalAddress(0x10_0020)))
    }

    @Test("An entry above 4 GiB is out of reach")
    func highEntry() throws {
        let elf = TestELF(
            entry: 0x1_0000_0000,
            segments: [.init(virtual: 0x1_0000_0000, physical: 0x1_0000_0000, bytes: multibootHeader())])
        let error = try loadError(elf.file, memory: try ram(8 << 30))
        #expect(error == .entryOutOfReach(entry: 0x1_0000_0000, .protected))
    }
}
