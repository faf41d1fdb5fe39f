import Primitives
import TestSupport
import Testing

@testable import Boot

@Suite struct Arm64LoadTests {
    private static let machine = Arm64Machine(processorCount: 2, interruptController: .gicv2)

    private func ram(_ size: UInt64 = 256 << 20) throws -> MachineMemory { try MachineMemory(size: size, board: .arm) }

    /// An Image: its header, and code up to `count` bytes.
    private func image(
        offset: UInt64 = 0, size: UInt64 = 0x10_0000, flags: UInt64 = 0xa, count: Int = 0x1000
    ) -> [UInt8] {
        var bytes: [UInt8] = [0x4d, 0x5a, 0, 0x91, 0, 0, 0, 0x14]
        for word in [offset, size, flags, 0, 0, 0] { bytes.append(littleEndian: word) }
        bytes += Array("ARMd".utf8) + [0, 0, 0, 0]
        return bytes + [UInt8](repeating: 0x1f, count: count - bytes.count)
    }

    private func boot(
        _ file: [UInt8], _ options: LoadOptions = LoadOptions(), _ size: UInt64 = 256 << 20
    ) throws -> Arm64BootImage {
        let memory = try ram(size)
        let image = try loadArm64(file, options: options, into: memory, of: Self.machine)
        // What holds for every image.
        let ordered = image.placements.sorted { $0.address < $1.address }
        #expect(ordered.allSatisfy { memory.contains($0.range) && UInt64($0.bytes.count) <= $0.length })
        for (previous, next) in zip(ordered, ordered.dropFirst()) {
            #expect(previous.range.upperBound <= next.address, "\(image.summary)")
        }
        #expect(ordered.contains { $0.range.contains(image.start.programCounter) })
        #expect(image.start.deviceTree.rawValue % 8 == 0 && image.start.stack.rawValue % 16 == 0)
        #expect(image.start.state == 0x3c5)
        return image
    }

    private func tree(_ image: Arm64BootImage) throws -> ReadNode {
        let placement = try #require(image.placements.first { $0.address == image.start.deviceTree })
        return try DeviceTreeReader(placement.bytes).root
    }

    private func errorText(_ file: [UInt8], _ options: LoadOptions = LoadOptions()) throws -> String {
        do {
            let image = try loadArm64(file, options: options, into: ram(), of: Self.machine)
            return "loaded: \(image.summary)"
        } catch { return "\(error)" }
    }

    // MARK: - Image

    @Test(
        "An Image goes its offset beyond the first 2 MiB boundary of RAM, with all the memory it asks for",
        arguments: [
            (0, 0x10_0000, 0x4000_0000, 0x10_0000), (0x8_0000, 0x20_0000, 0x4008_0000, 0x20_0000),
            // Before Linux 3.17 a size of zero made the offset what it always was; a file may be longer than it says.
            (0x1234, 0, 0x4008_0000, 0x1000), (0, 0x800, 0x4000_0000, 0x1000),
        ] as [(UInt64, UInt64, UInt64, UInt64)])
    func imagePlace(offset: UInt64, size: UInt64, address: UInt64, length: UInt64) throws {
        let file = image(offset: offset, size: size)
        let booted = try boot(file)
        #expect(booted.format == .linux)
        #expect(booted.placements[0] == Placement(address: PhysicalAddress(address), bytes: file, length: length))
        #expect(booted.start.programCounter.rawValue == address)
        #expect(booted.start.stack.rawValue == 0)
        #expect(booted.start.deviceTree.rawValue >= address + length)
        #expect(booted.summary.hasPrefix("arm64 Image with 4 KiB pages in \(hexadecimal(address)).."))
    }

    @Test("The initrd and the device tree, which says where it is, lie behind the kernel")
    func initrd() throws {
        let initrd = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let booted = try boot(image(), LoadOptions(commandLine: "rdinit=/bin/sh", initrd: initrd))
        let chosen = try #require(tree(booted)["chosen"])
        #expect(chosen.texts("bootargs") == ["rdinit=/bin/sh"])
        let start = try #require(chosen.cells("linux,initrd-start")?.last)
        let end = try #require(chosen.cells("linux,initrd-end")?.last)
        #expect(end - start == 5000 && start % 0x1000 == 0 && start >= 0x4010_0000)
        #expect(booted.placements.first { $0.address.rawValue == UInt64(start) }?.bytes == initrd)
    }

    @Test("An Image that fills memory leaves no room, and says for what")
    func noRoom() throws {
        let file = image(size: (64 << 20) - 0x1000)
        #expect(throws: BootError.noRoom("initrd", size: 0x2000, memory: 64 << 20)) {
            try loadArm64(
                file, options: LoadOptions(initrd: [UInt8](repeating: 1, count: 0x2000)), into: ram(64 << 20),
                of: Self.machine)
        }
    }

    @Test(
        "What is wrong with an Image is named with its place",
        arguments: [
            (0, 0x10_0000, 1, "the flags at file offset 0x18 of the arm64 Image says a big-endian kernel"),
            (0x20_0000, 0x10_0000, 0, "the text offset at file offset 0x8 of the arm64 Image says 0x200000"),
            (0, 1 << 40, 0, "the kernel loads 0x40000000..0x10040000000, outside of memory (256 MiB from 0x40000000)"),
            (0, .max, 0, "outside of memory (256 MiB from 0x40000000)"),
        ] as [(UInt64, UInt64, UInt64, String)])
    func badImage(offset: UInt64, size: UInt64, flags: UInt64, text: String) throws {
        let said = try errorText(image(offset: offset, size: size, flags: flags))
        #expect(said.contains(text), "\(said)")
    }

    // MARK: - ELF and flat

    private static let kernelFile = TestELF(
        machine: 183, entry: 0xffff_8000_0008_0010,
        segments: [
            TestELF.Segment(
                virtual: 0xffff_8000_0008_0000, physical: 0x4008_0000, bytes: Array(1...200), memorySize: 0x3000)
        ])

    @Test("An ELF file loads by physical address and starts with a stack, translation off")
    func elf() throws {
        let booted = try boot(Self.kernelFile.file, LoadOptions(commandLine: "x"))
        #expect(booted.format == .elf)
        #expect(booted.start.programCounter.rawValue == 0x4008_0010)
        let stack = booted.start.stack
        #expect(booted.placements.contains { $0.range.contains(stack + -1) && $0.range.contains(stack) })
        #expect(try tree(booted)["chosen"]?.texts("bootargs") == ["x"])
        #expect(booted.summary.hasPrefix("ELF64, 1 segment in 0x40080000..0x40083000, starts at 0x40080010 in EL1"))
    }

    @Test(
        "A flat image goes where the option says, else half a MiB into RAM",
        arguments: [(nil, nil, 0x4008_0000, 0x4008_0000), (0x4100_0000, 0x4100_0002, 0x4100_0000, 0x4100_0002)]
            as [(UInt64?, UInt64?, UInt64, UInt64)])
    func flat(load: UInt64?, entry: UInt64?, address: UInt64, start: UInt64) throws {
        let options = LoadOptions(format: .flat, loadAddress: load.map { PhysicalAddress($0) }, entry: entry)
        let booted = try boot([1, 2, 3, 4], options)
        #expect(booted.placements[0].address.rawValue == address && booted.format == .flat)
        #expect(booted.start.programCounter.rawValue == start)
    }

    // MARK: - Refusals

    @Test(
        "What is for another machine, or for none, is refused in words",
        arguments: [
            (TestELF.simple().file, LoadOptions(), "ELF machine at file offset 0x12 is x86-64, expected AArch64"),
            (TestELF.simple(is64: false).file, LoadOptions(), "ELF class at file offset 0x4 is 1 (32-bit), expected 2"),
            ([UInt8](repeating: 0, count: 0x202) + Array("HdrS".utf8), LoadOptions(), "found a Linux bzImage"),
            ([0x1f, 0x8b, 8, 0], LoadOptions(), "found gzip-compressed data, expected an arm64 Image or an ELF file"),
            ([0x4d, 0x5a, 0, 0] + Array("zimg".utf8), LoadOptions(), "found an EFI zboot image"),
            ([1, 2], LoadOptions(format: .linux), "format linux expects an arm64 Image, found"),
            ([1, 2], LoadOptions(format: .pvh), "format pvh is for x86 machines, expected one of elf, linux, flat"),
            ([1, 2], LoadOptions(mode: .long), "--cpu-mode long cannot be used with format flat: an arm64 guest"),
            (kernelFile.file, LoadOptions(entry: 1), "--entry cannot be used with format elf"),
            (
                [1, 2], LoadOptions(loadAddress: PhysicalAddress(0x8_0000)),
                "outside of memory (256 MiB from 0x40000000)"
            ),
            ([1, 2], LoadOptions(format: .flat, entry: 0x4008_0002), "the entry 0x40080002 lies outside"),
            ([], LoadOptions(), "the file is empty"),
        ] as [([UInt8], LoadOptions, String)])
    func refused(file: [UInt8], options: LoadOptions, text: String) throws {
        let said = try errorText(file, options)
        #expect(said.contains(text), "\(said)")
    }

    @Test("An x86 machine names an arm64 file's machine, too")
    func otherWay() throws {
        #expect(try loadErrorText(Self.kernelFile.file).contains("is AArch64, expected x86-64 in a 64-bit file"))
        #expect(try loadErrorText(image()).contains("found an arm64 Linux Image"))
    }

    @Test("Every prefix of an image, and an image with any byte spoiled, gives a sound image or an error")
    func robust() throws {
        var random = Seeded(6)
        for file in [image(count: 0x80), Self.kernelFile.file] {
            for count in 0...file.count { try expectImageOrError(Array(file.prefix(count))) }
            for _ in 0..<400 {
                var spoiled = file
                spoiled[Int.random(in: 0..<file.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                try expectImageOrError(spoiled)
            }
        }
    }

    private func expectImageOrError(_ file: [UInt8]) throws {
        do { _ = try boot(file, LoadOptions(), 64 << 20) } catch let error as BootError {
            let text = "\(error)"
            if text.isEmpty || text.contains("\n") || text.hasSuffix(".") { Issue.record("error text: \(text)") }
        }
    }
}
