// What kind of file is this? For format `auto`, and for errors that name what was found.

import Primitives

/// Picks the format of a file that is loaded with `auto`; never `auto`. Error: `notRecognised`.
/// - An ELF file is multiboot if it has that header, else PVH if it has that note, else multiboot 2, else plain ELF.
///   Multiboot comes first because its header is put there by hand, for a loader to see; all start the same kernel.
/// - An ELF file that names an interpreter is a program, not a kernel; `--format elf` loads it all the same.
/// - Another file is flat if the options describe a flat image, else multiboot or
///   multiboot 2 if it has that header, else Linux's.
func recognise(_ file: [UInt8], options: LoadOptions) throws(BootError) -> ImageFormat {
    if ELF.isELF(file) {
        if Multiboot(file) != nil { return .multiboot }
        let elf = try ELF(file)
        if elf.pvhEntry != nil { return .pvh }
        if elf.namesInterpreter { throw .notRecognised(found: "a program for an operating system, not a kernel") }
        return Multiboot2(file) != nil ? .multiboot2 : .elf
    }
    if options.describesFlatImage { return .flat }
    if Multiboot(file) != nil { return .multiboot }
    if Multiboot2(file) != nil { return .multiboot2 }
    if LinuxImage.isLinux(file) { return .linux }
    throw .notRecognised(found: describe(file))
}

/// What `file`, which is not empty, seems to be.
func describe(_ file: [UInt8]) -> String {
    for signature in signatures where file.dropFirst(signature.offset).starts(with: signature.bytes) {
        return signature.name
    }
    let start = file.prefix(512)
    if start.allSatisfy({ (0x20..<0x7F).contains($0) || (0x09...0x0D).contains($0) }) { return "a text file" }
    var digits: [UInt8] = []
    digits.appendHex(file.prefix(8))
    return "a file that begins with the bytes \(String(decoding: digits, as: UTF8.self))"
}

/// Files that people take for kernels, the more specific first: a bzImage may begin as a PE program, for EFI.
private let signatures: [(name: String, offset: Int, bytes: [UInt8])] = [
    ("an ELF file", 0, [0x7F, 0x45, 0x4C, 0x46]),
    ("a Linux bzImage", 0x202, Array("HdrS".utf8)),
    ("an arm64 Linux Image", 0x38, Array("ARM".utf8) + [0x64]),
    ("an EFI zboot image, which holds a compressed kernel", 4, Array("zimg".utf8)),
    ("gzip-compressed data", 0, [0x1F, 0x8B]),
    ("xz-compressed data", 0, [0xFD, 0x37, 0x7A, 0x58, 0x5A]),
    ("zstd-compressed data", 0, [0x28, 0xB5, 0x2F, 0xFD]),
    ("bzip2-compressed data", 0, Array("BZh".utf8)),
    ("an ISO 9660 disc image", 0x8001, Array("CD001".utf8)),
    ("a PE program", 0, Array("MZ".utf8)),
    ("a script", 0, Array("#!".utf8)),
    ("a boot sector", 0x1FE, [0x55, 0xAA]),
    ("an initrd (cpio archive)", 0, Array("07070".utf8)),
]
