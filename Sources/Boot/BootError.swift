// Why an image cannot be started. Each text names what was given, what was expected and where in the file.

import Primitives

/// What is wrong with an image, an option for it, or the room for it.
package enum BootError: Error, Equatable, Sendable {
    /// Memory of so many bytes cannot be had.
    case memorySize(UInt64)
    /// Firmware of so many bytes cannot be had.
    case firmwareSize(UInt64)
    case emptyFile
    /// A compressed file, and why it cannot be unpacked.
    case notUnpacked(String)
    /// `part` needs `count` bytes from `offset`, and the file ends before that.
    case truncated(part: String, offset: UInt64, count: UInt64, fileSize: Int)
    /// With format `auto`: what the file seems to be, which is nothing loadable.
    case notRecognised(found: String)
    /// The file is not of the format that was asked for.
    case notOfFormat(ImageFormat, found: String)
    /// An option that a format cannot honour, and why.
    case unusableOption(String, ImageFormat, String)
    /// A field of the ELF header at a file offset.
    case elfHeader(field: String, offset: UInt64, found: String, expected: String)
    case segment(index: Int, headerOffset: UInt64, SegmentFault)
    case noLoadableSegment(programHeaders: Int)
    /// The entry and what loaded: the lowest start and the highest end.
    case entryOutsideImage(entry: UInt64, loaded: Range<PhysicalAddress>)
    case entryOutOfReach(entry: UInt64, CPUMode)
    /// A multiboot header at a file offset requires features that are missing here.
    case multibootFlags(UInt32, offset: UInt64)
    /// The load addresses in the multiboot header at a file offset are missing or contradict each other.
    case multibootAddresses(offset: UInt64, String)
    /// A field of a bzImage's setup header at a file offset.
    case linuxHeader(String, offset: UInt64, found: String, expected: String)
    /// A command line of so many bytes, more than the kernel takes.
    case commandLineSize(Int, limit: Int)
    /// What a multiboot2 header has at a file offset.
    case multiboot2(offset: UInt64, String)
    case outsideMemory(part: String, start: PhysicalAddress, size: UInt64, memory: MachineMemory)
    case noRoom(String, size: UInt64, memory: UInt64)
    /// For an arm64 machine: what the file seems to be, which is nothing loadable there.
    case notArm64Kernel(found: String)
    /// The file is no arm64 Image, which was asked for.
    case notArm64Image(found: String)
    /// A format that only x86 kernels have, and those that are loadable.
    case notForArm64(ImageFormat, expected: [ImageFormat])
    /// A field of an arm64 Image's header at a file offset, and what it has.
    case arm64Image(String, offset: UInt64, String)
    /// A device tree of so many bytes, which no kernel takes.
    case deviceTreeSize(Int)

    /// What is wrong with one loadable segment of an ELF file.
    package enum SegmentFault: Equatable, Sendable {
        case beyondFile(offset: UInt64, size: UInt64, fileSize: Int)
        case largerInFile(fileSize: UInt64, memorySize: UInt64)
        case outsideMemory(start: PhysicalAddress, size: UInt64, memory: MachineMemory)
        case overlaps(other: Int, at: PhysicalAddress)
        case notCanonical(VirtualAddress, size: UInt64)
        case notCongruent(VirtualAddress, PhysicalAddress)
        /// Its virtual page is already that of another segment's physical page.
        case remaps(page: VirtualAddress, to: PhysicalAddress, other: Int, otherTo: PhysicalAddress)
    }
}

extension BootError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .memorySize(let size):
            let (low, high) = (MachineMemory.sizes.lowerBound, MachineMemory.sizes.upperBound)
            return "memory of \(sizeText(size)): expected \(sizeText(low)) to \(sizeText(high)) in steps of 4 KiB"
        case .firmwareSize(let size):
            return "firmware of \(sizeText(size)): expected up to 16 MiB in steps of 4 KiB, for an x86 machine"
        case .emptyFile:
            return "the file is empty, expected a kernel image"
        case .notUnpacked(let reason):
            return "the compressed file cannot be unpacked: \(reason)"
        case .truncated(let part, let offset, let count, let fileSize):
            return "\(part) at file offset \(hexadecimal(offset)) needs \(count) bytes, but the file ends at "
                + hexadecimal(UInt64(fileSize))
        case .notRecognised(let found):
            return "not a kernel that can be recognised: found \(found), expected an ELF or multiboot file "
                + "(raw images load with --format flat)"
        case .notOfFormat(let format, let found):
            return "format \(format.rawValue) expects \(format.expectation), found \(found)"
        case .unusableOption(let option, let format, let reason):
            return "\(option) cannot be used with format \(format.rawValue): \(reason)"
        case .elfHeader(let field, let offset, let found, let expected):
            return "ELF \(field) at file offset \(hexadecimal(offset)) is \(found), expected \(expected)"
        case .segment(let index, let headerOffset, let fault):
            return "program header \(index) at file offset \(hexadecimal(headerOffset)) \(fault)"
        case .noLoadableSegment(let count):
            return "none of the \(count) program headers loads anything, expected a PT_LOAD segment"
        case .entryOutsideImage(let entry, let loaded):
            return "the entry \(hexadecimal(entry)) lies outside of what is loaded (\(rangeText(loaded)))"
        case .entryOutOfReach(let entry, let mode):
            return "the entry \(hexadecimal(entry)) is out of reach of \(mode.rawValue) mode, expected one below "
                + (mode == .real ? "0x100000 (--cpu-mode protected or long reach further)" : "0x100000000")
        case .multibootFlags(let flags, let offset):
            let names = (0..<16).filter { flags[bit: $0] }.map { "\($0)" }
            return "the multiboot header at file offset \(hexadecimal(offset)) requires features that are "
                + "missing here: flag bits \(names.joined(separator: ", "))"
        case .multibootAddresses(let offset, let text):
            return "the multiboot header at file offset \(hexadecimal(offset)) has \(text)"
        case .multiboot2(let offset, let text):
            return "the multiboot2 header has at file offset \(hexadecimal(offset)) \(text)"
        case .linuxHeader(let field, let offset, let found, let expected):
            return "Linux setup header \(field) at file offset \(hexadecimal(offset)) is \(found), expected \(expected)"
        case .commandLineSize(let size, let limit):
            return "the kernel command line has \(size) bytes, expected at most \(limit), which this kernel takes"
        case .outsideMemory(let part, let start, let size, let memory):
            return "\(part) \(loadText(start, size, memory))"
        case .noRoom(let purpose, let size, let memory):
            return "no room in memory (\(sizeText(memory))) for the \(purpose) of \(sizeText(size)) beside the image"
        case .notArm64Kernel(let found):
            return "not an arm64 kernel that can be recognised: found \(found), expected an arm64 Image or an ELF file "
                + "(raw images load with --format flat)"
        case .notArm64Image(let found):
            return "format linux expects an arm64 Image, found \(found)"
        case .notForArm64(let format, let expected):
            return "format \(format.rawValue) is for x86 machines, expected one of "
                + expected.map(\.rawValue).joined(separator: ", ")
        case .arm64Image(let field, let offset, let text):
            return "the \(field) at file offset \(hexadecimal(offset)) of the arm64 Image says \(text)"
        case .deviceTreeSize(let size):
            return "the device tree has \(size) bytes, expected at most 2 MiB (a shorter command line helps)"
        }
    }
}

extension BootError.SegmentFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .beyondFile(let offset, let size, let fileSize):
            return "has \(sizeText(size)) at file offset \(hexadecimal(offset)), but the file ends at "
                + hexadecimal(UInt64(fileSize))
        case .largerInFile(let fileSize, let memorySize):
            return "has \(sizeText(fileSize)) in the file, expected at most its size in memory, \(sizeText(memorySize))"
        case .outsideMemory(let start, let size, let memory):
            return loadText(start, size, memory)
        case .overlaps(let other, let address):
            return "loads \(address), which program header \(other) loads too"
        case .notCanonical(let address, let size):
            return "has the virtual address \(address) and \(sizeText(size)), expected a range of canonical addresses"
        case .notCongruent(let virtual, let physical):
            return "has the virtual address \(virtual) and the physical address \(physical), "
                + "expected the same offset in a 4 KiB page"
        case .remaps(let page, let target, let other, let otherTarget):
            return "wants the virtual page \(page) at \(target), but program header \(other) has it at \(otherTarget)"
        }
    }
}

extension ImageFormat {
    /// What a file of this format must have.
    fileprivate var expectation: String {
        switch self {
        case .auto, .flat, .firmware: "any file"
        case .elf: "an ELF file"
        case .multiboot: "a multiboot header in the first 8192 bytes"
        case .multiboot2: "a multiboot2 header in the first 32768 bytes"
        case .pvh: "an ELF file with a Xen PHYS32_ENTRY note"
        case .linux: "a Linux bzImage"
        }
    }
}

/// `range` for people: `0x1000..0x2000`, the end exclusive.
func rangeText(_ range: Range<PhysicalAddress>) -> String { "\(range.lowerBound)..\(range.upperBound)" }

/// "loads START..END, outside of memory"; the size where the end has no 64-bit number.
private func loadText(_ start: PhysicalAddress, _ size: UInt64, _ memory: MachineMemory) -> String {
    let (end, overflow) = start.rawValue.addingReportingOverflow(size)
    let what = overflow ? "\(hexadecimal(size)) bytes at \(start)" : "\(start)..\(hexadecimal(end))"
    return "loads \(what), outside of memory (\(memory))"
}
