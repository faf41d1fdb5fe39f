import Primitives
import TestSupport
import Testing

@testable import Boot

@Suite struct LinuxTests {
    @Test("A bzImage with a 64-bit entry starts there in long mode")
    func longMode() throws {
        let image = try load(TestLinux().file, into: ram())
        expectSound(image, in: try ram())
        #expect(image.format == .linux && image.start.mode == .long)
        #expect(image.start.instructionPointer == TestLinux.loadAddress + 0x200)
        #expect(image.start.code.selector == 0x10 && image.start.data.selector == 0x18)
        #expect(image.start.stack.selector == 0x18)
        let memory = LoadedMemory(image)
        #expect(memory.byte(TestLinux.loadAddress + 0x200) == 0xF4)
        #expect(memory.translate(TestLinux.loadAddress) == TestLinux.loadAddress)
        #expect(memory.translate(image.start.rsi) == image.start.rsi)
        #expect(
            image.summary
                == "Linux bzImage, protocol 2.15, takes 0x1000000..0x1200000, starts at 0x1000200 in long mode")
    }

    @Test("A bzImage without one starts at its first byte in protected mode", arguments: [0x0206, 0x020F] as [UInt16])
    func protectedMode(version: UInt16) throws {
        let image = try load(TestLinux(version: version, flags64: 0).file, into: ram())
        expectSound(image, in: try ram())
        let address: UInt64 = version < 0x20A ? 0x10_0000 : TestLinux.loadAddress
        #expect(image.start.mode == .protected && image.start.instructionPointer == address)
        #expect(image.start.code.selector == 0x10 && image.start.data.selector == 0x18)
        #expect(image.start.rbx == 0 && image.start.rdi == 0 && image.start.cr0 == 0x11)
        // What the kernel loads its segments from.
        let memory = LoadedMemory(image)
        let gdt = image.start.gdt
        #expect(gdt.limit == 0x1F)
        #expect(memory.number(gdt.base.rawValue + 0x10, count: 8) == 0x00CF_9B00_0000_FFFF)
        #expect(memory.number(gdt.base.rawValue + 0x18, count: 8) == 0x00CF_9300_0000_FFFF)
    }

    @Test("The zero page has the setup header, command line, initrd and memory map")
    func zeroPage() throws {
        let options = LoadOptions(commandLine: "console=ttyS0 panic=-1", initrd: [1, 2, 3])
        let file = TestLinux(fields: [(0x1FA, 0xFFFF, 2)]).file
        let image = try load(file, options: options, into: ram())
        expectSound(image, in: try ram())
        let memory = LoadedMemory(image)
        let page = image.start.rsi
        #expect(page % 0x1000 == 0)
        #expect(memory.number(page + 0x1EF, count: 1) == 0)
        #expect(memory.bytes(page + 0x1F1, count: 0x1F) == Array(file[0x1F1..<0x210]))
        #expect(memory.number(page + 0x210, count: 1) == 0xFF)
        #expect(memory.number(page + 0x214, count: 4) == TestLinux.loadAddress)
        #expect(memory.string(memory.number(page + 0x228, count: 4)) == "console=ttyS0 panic=-1")
        let initrd = memory.number(page + 0x218, count: 4)
        #expect(memory.number(page + 0x21C, count: 4) == 3)
        #expect(memory.bytes(initrd, count: 3) == [1, 2, 3])
        #expect(initrd % 0x1000 == 0 && initrd >= TestLinux.loadAddress + TestLinux.memorySize)
        // Behind the header there is nothing of the file.
        #expect(memory.bytes(page + 0x26C, count: 0x24).allSatisfy { $0 == 0 })
        let map = try ram().map
        #expect(memory.number(page + 0x1E8, count: 1) == UInt64(map.count))
        for (index, entry) in map.enumerated() {
            let row = page + 0x2D0 + UInt64(index) * 20
            #expect(memory.number(row, count: 8) == entry.range.lowerBound.rawValue)
            #expect(memory.number(row + 8, count: 8) == entry.size)
            #expect(memory.number(row + 16, count: 4) == UInt64(entry.kind.rawValue))
        }
    }

    @Test("No boot structure lies where the kernel unpacks itself")
    func room() throws {
        let image = try load(
            TestLinux(fields: [(0x260, 0xE00_0000, 4)]).file,
            options: LoadOptions(initrd: [UInt8](repeating: 1, count: 0x5000)), into: ram())
        let taken = TestLinux.loadAddress..<TestLinux.loadAddress + 0xE00_0000
        for placement in image.placements.dropFirst() { #expect(!taken.contains(placement.address.rawValue)) }
    }

    @Test(
        "A lying or damaged setup header is refused with the field, its place and what was expected",
        arguments: [
            ([(0x1FE, 0xAA54, 2)], "boot_flag at file offset 0x1fe is 0xaa54, expected 0xaa55"),
            ([(0x206, 0x0202, 2)], "version at file offset 0x206 is 2.2, expected 2.6 or later (Linux 2.6.22)"),
            ([(0x211, 0, 1)], "loadflags at file offset 0x211 is without LOADED_HIGH (a zImage), expected a bzImage"),
            ([(0x201, 0x20, 1)], "header end at file offset 0x201 is 0x222, expected 0x264 to 0x290"),
            ([(0x201, 0xFF, 1)], "header end at file offset 0x201 is 0x301, expected 0x264 to 0x290"),
            ([(0x1F4, 0x40, 4)], "syssize at file offset 0x1f4 is 64, expected more than 64"),
            ([(0x1F4, 0x101, 4)], "the compressed kernel at file offset 0x400 needs 4112 bytes"),
            ([(0x1F1, 200, 1)], "the compressed kernel at file offset 0x19200 needs 4096 bytes"),
            ([(0x1F4, 0xFFFF_FFFF, 4)], "needs 68719476720 bytes, but the file ends at 0x1400"),
            ([(0x260, 0xFFF, 4)], "init_size at file offset 0x260 is 0xfff, expected at least the size"),
            (
                [(0x258, 0xFFFF_FFFF_FFFF_F000, 8)],
                "the Linux kernel loads 0x200000 bytes at 0xfffffffffffff000, outside"
            ),
            ([(0x258, 0x1000, 8)], "the Linux kernel loads 0x1000..0x201000, outside of memory (256 MiB)"),
            ([(0x260, 0xF000_0000, 4)], "the Linux kernel loads 0x1000000..0xf1000000, outside of memory (256 MiB)"),
        ] as [([(offset: Int, value: UInt64, count: Int)], String)])
    func damaged(fields: [(offset: Int, value: UInt64, count: Int)], text: String) throws {
        let error = try loadErrorText(TestLinux(fields: fields).file)
        #expect(error.contains(text), "\(error)")
    }

    @Test("A command line or initrd beyond what the kernel takes is refused")
    func limits() throws {
        let long = LoadOptions(commandLine: String(repeating: "x", count: 2048))
        #expect(
            try loadErrorText(TestLinux().file, long)
                == "the kernel command line has 2048 bytes, expected at most 2047, which this kernel takes")
        let low = TestLinux(fields: [(0x22C, 0x11F_FFFF, 4)]).file
        #expect(
            try loadErrorText(low, LoadOptions(initrd: [1])).hasPrefix("no room in memory (256 MiB) for the initrd"))
    }
}

@Suite struct LinuxVersionTests {
    private func image(_ text: String, at offset: UInt64 = 0x100) -> [UInt8] {
        var file = TestLinux(fields: [(0x20E, offset, 2)]).file
        file.replaceSubrange(0x300..<0x300 + text.utf8.count, with: Array(text.utf8))
        return file
    }

    @Test("The version of a bzImage is the first word of its text")
    func version() {
        #expect(linuxVersion(of: image("6.1.0-18-cloud-amd64 (debian) #1 SMP\0")) == "6.1.0-18-cloud-amd64")
    }

    @Test("A text that is none, or no file's name, is no version")
    func none() {
        #expect(linuxVersion(of: image("../../etc/x y")) == nil)
        #expect(linuxVersion(of: image("\0")) == nil)
        #expect(linuxVersion(of: image("6.1 ", at: 0)) == nil)
        #expect(linuxVersion(of: image("6.1 ", at: 0xFFFF)) == nil)
        #expect(linuxVersion(of: [0x7F, 0x45]) == nil)
    }
}
