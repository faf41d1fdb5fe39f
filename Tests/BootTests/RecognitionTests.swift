import Primitives
import TestSupport
import Testing

@testable import Boot

@Suite struct RecognitionTests {
    @Test("The format words are the command line's")
    func words() {
        #expect(
            ImageFormat.allCases.map(\.rawValue) == [
                "auto", "elf", "multiboot", "multiboot2", "pvh", "linux", "flat", "firmware",
            ])
        #expect(CPUMode.allCases.map(\.rawValue) == ["real", "protected", "long"])
    }

    @Test("Each kind of file is recognised")
    func kinds() throws {
        let formats = try validImages.map { try load($0.file, options: $0.options, into: ram()).format }
        #expect(
            formats == [
                .elf, .elf, .elf, .multiboot, .multiboot, .pvh, .flat, .flat, .linux, .linux, .multiboot2, .multiboot2,
            ])
    }

    @Test("Multiboot comes before PVH, and either can be asked for")
    func preference() throws {
        let file = TestELF.simple(bytes: multibootHeader() + [0xF4]).with(notes: pvhNote(0x10_000C)).file
        for (asked, given) in [(ImageFormat.auto, ImageFormat.multiboot), (.multiboot, .multiboot), (.pvh, .pvh)] {
            #expect(try load(file, options: LoadOptions(format: asked), into: ram()).format == given)
        }
        let elf = try load(file, options: LoadOptions(format: .elf), into: ram())
        #expect(elf.format == .elf && elf.start.mode == .long)
    }

    @Test(
        "Options for a flat image make any file but ELF flat",
        arguments: [
            LoadOptions(loadAddress: PhysicalAddress(0x8000)), LoadOptions(entry: 0x7C00), LoadOptions(mode: .long),
        ])
    func flat(options: LoadOptions) throws {
        #expect(try load(rawMultiboot, options: options, into: ram()).format == .flat)
    }

    @Test(
        "What is no kernel is named",
        arguments: [
            (Array("#!/bin/sh\n".utf8), "a script"),
            (Array("hello, world\n".utf8), "a text file"),
            ([0x1F, 0x8B, 8, 0], "gzip-compressed data"),
            ([UInt8](repeating: 0, count: 0x1FE) + [0x55, 0xAA], "a boot sector"),
            ([UInt8](repeating: 0, count: 0x38) + Array("ARMd".utf8), "an arm64 Linux Image"),
            ([0xDE, 0xAD, 0xBE, 0xEF, 0, 1, 2, 3, 4], "a file that begins with the bytes deadbeef00010203"),
        ] as [([UInt8], String)])
    func notAKernel(file: [UInt8], found: String) throws {
        let error = try loadError(file)
        #expect(error == .notRecognised(found: found))
        #expect("\(error)".contains(found) && "\(error)".contains("--format flat"))
    }

    @Test(
        "A file that is not of the format asked for is refused",
        arguments: [
            (ImageFormat.elf, rawMultiboot, "format elf expects an ELF file, found a file that begins with the bytes"),
            (.pvh, [0x4D, 0x5A], "format pvh expects an ELF file with a Xen PHYS32_ENTRY note, found a PE program"),
            (.pvh, TestELF.simple().file, "found an ELF file without one"),
            (.linux, TestELF.simple().file, "format linux expects a Linux bzImage, found an ELF file"),
            (
                .multiboot2, rawMultiboot,
                "format multiboot2 expects a multiboot2 header in the first 32768 bytes, found a file"
            ),
            (.multiboot, TestELF.simple().file, "a multiboot header in the first 8192 bytes, found an ELF file"),
        ] as [(ImageFormat, [UInt8], String)])
    func wrongFormat(format: ImageFormat, file: [UInt8], text: String) throws {
        #expect(try loadErrorText(file, LoadOptions(format: format)).contains(text))
    }

    @Test(
        "Options that a format cannot honour are refused",
        arguments: [
            (TestELF.simple().file, LoadOptions(loadAddress: PhysicalAddress(0)), "--load-address"),
            (TestELF.simple().file, LoadOptions(entry: 0), "--entry"),
            (TestELF.simple().file, LoadOptions(mode: .real), "--cpu-mode real"),
            (TestELF.simple().file, LoadOptions(commandLine: "x"), "a kernel command line"),
            (TestELF.simple().file, LoadOptions(initrd: [1]), "--initrd"),
            (TestELF.simple().file, LoadOptions(modules: [BootModule([1], text: "m")]), "--module"),
            (TestLinux().file, LoadOptions(modules: [BootModule([1], text: "m")]), "--module"),
            ([0xF4], LoadOptions(format: .flat, initrd: [1]), "--initrd"),
            (rawMultiboot, LoadOptions(format: .multiboot, mode: .long), "--cpu-mode long"),
        ] as [([UInt8], LoadOptions, String)])
    func unusable(file: [UInt8], options: LoadOptions, option: String) throws {
        #expect(try loadErrorText(file, options).hasPrefix(option + " cannot be used with format "))
    }

    @Test("The mode that an image starts in anyway may be given")
    func sameMode() throws {
        #expect(try load(TestELF.simple().file, options: LoadOptions(mode: .long), into: ram()).format == .elf)
    }
}
