// Small images made in memory.

import Boot
import Primitives

/// An ELF file under construction: header, program headers, then each segment's bytes.
package struct TestELF {
    package struct Segment {
        package var type: UInt32
        package var virtual: UInt64
        package var physical: UInt64
        package var bytes: [UInt8]
        package var memorySize: UInt64?
        /// Instead of the size of `bytes`.
        package var fileSize: UInt64?
        /// Instead of where `bytes` lie.
        package var offset: UInt64?
        package var alignment: UInt64

        package init(
            type: UInt32 = 1, virtual: UInt64, physical: UInt64, bytes: [UInt8] = [0x90, 0x90, 0xF4],
            memorySize: UInt64? = nil, fileSize: UInt64? = nil, offset: UInt64? = nil, alignment: UInt64 = 4
        ) {
            self.type = type
            self.virtual = virtual
            self.physical = physical
            self.bytes = bytes
            self.memorySize = memorySize
            self.fileSize = fileSize
            self.offset = offset
            self.alignment = alignment
        }
    }

    package var is64: Bool
    package var type: UInt16
    package var machine: UInt16?
    package var entry: UInt64
    package var segments: [Segment]
    /// Section headers behind everything: a null one, and a string table.
    package var hasSections = false

    package init(
        is64: Bool = true, type: UInt16 = 2, machine: UInt16? = nil, entry: UInt64, segments: [Segment]
    ) {
        self.is64 = is64
        self.type = type
        self.machine = machine
        self.entry = entry
        self.segments = segments
    }

    /// Where the bytes of segment `index` lie.
    package func offset(of index: Int) -> Int {
        let headers = is64 ? 64 + 56 * segments.count : 52 + 32 * segments.count
        return segments[..<index].reduce(headers.roundedUp(to: 16)) { ($0 + $1.bytes.count).roundedUp(to: 16) }
    }

    /// What the string table of `hasSections` holds.
    package static let strings = Array("\0.shstrtab\0".utf8)

    private var sectionOffset: Int {
        guard let last = segments.indices.last else { return 0 }
        return (offset(of: last) + segments[last].bytes.count + Self.strings.count).roundedUp(to: 16)
    }

    package func withSections() -> Self {
        var copy = self
        copy.hasSections = true
        return copy
    }

    package var file: [UInt8] {
        let word = is64 ? 8 : 4
        var header: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, is64 ? 2 : 1, 1, 1] + [UInt8](repeating: 0, count: 9)
        func append(_ value: UInt64, _ count: Int) {
            for i in 0..<count { header.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * i))) }
        }
        append(UInt64(type), 2)
        append(UInt64(machine ?? (is64 ? 62 : 3)), 2)
        append(1, 4)
        append(entry, word)
        append(is64 ? 64 : 52, word)
        append(hasSections ? UInt64(sectionOffset) : 0, word)
        append(0, 4)
        let sections = hasSections ? [is64 ? 64 : 40, 2, 1] : [0, 0, 0]
        for half in [is64 ? 64 : 52, is64 ? 56 : 32, segments.count] + sections { append(UInt64(half), 2) }
        for (index, segment) in segments.enumerated() {
            let size = UInt64(segment.bytes.count)
            let words = [
                segment.offset ?? UInt64(offset(of: index)), segment.virtual, segment.physical,
                segment.fileSize ?? size, segment.memorySize ?? size,
            ]
            append(UInt64(segment.type), 4)
            if is64 { append(7, 4) }
            for value in words { append(value, word) }
            if !is64 { append(7, 4) }
            append(segment.alignment, word)
        }
        for (index, segment) in segments.enumerated() {
            header += [UInt8](repeating: 0, count: offset(of: index) - header.count) + segment.bytes
        }
        guard hasSections else { return header }
        let text = header.count
        header += Self.strings
        header += [UInt8](repeating: 0, count: sectionOffset - header.count + (is64 ? 64 : 40))
        append(1, 4)
        append(3, 4)
        for value in [0, 0, UInt64(text), UInt64(Self.strings.count)] { append(value, word) }
        header += [UInt8](repeating: 0, count: is64 ? 24 : 16)
        return header
    }
}

extension TestELF {
    /// One segment at 1 MiB, loaded where it is linked; the entry is its first byte.
    package static func simple(is64: Bool = true, bytes: [UInt8] = [0x90, 0xF4]) -> Self {
        Self(is64: is64, entry: 0x10_0000, segments: [Segment(virtual: 0x10_0000, physical: 0x10_0000, bytes: bytes)])
    }

    /// The usual 64-bit kernel: linked at the top 2 GiB, loaded at 2 MiB.
    package static let higherHalf = Self(
        entry: 0xFFFF_FFFF_8020_0010,
        segments: [
            Segment(
                virtual: 0xFFFF_FFFF_8020_0000, physical: 0x20_0000, bytes: Array(1...200), memorySize: 0x40_1000),
            Segment(virtual: 0xFFFF_FFFF_8060_1000, physical: 0x60_1000, bytes: [1, 2, 3], memorySize: 0x2345),
        ])

    /// With a PT_NOTE segment that has `notes`.
    package func with(notes: [UInt8], alignment: UInt64 = 4) -> Self {
        var copy = self
        copy.segments.append(Segment(type: 4, virtual: 0, physical: 0, bytes: notes, alignment: alignment))
        return copy
    }
}

/// One ELF note.
package func note(_ name: String, type: UInt32, _ descriptor: [UInt8], alignment: Int = 4) -> [UInt8] {
    let text = Array(name.utf8) + [0]
    var bytes: [UInt8] = []
    bytes.append(littleEndian: UInt32(text.count))
    bytes.append(littleEndian: UInt32(descriptor.count))
    bytes.append(littleEndian: type)
    for part in [text, descriptor] {
        bytes += part
        bytes += [UInt8](repeating: 0, count: bytes.count.roundedUp(to: alignment) - bytes.count)
    }
    return bytes
}

/// XEN_ELFNOTE_PHYS32_ENTRY.
package func pvhNote(_ entry: UInt32) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: entry)
    return note("Xen", type: 18, bytes)
}

/// A multiboot header with the address fields `addresses` when there are any.
package func multibootHeader(flags: UInt32 = 3, addresses: [UInt32] = []) -> [UInt8] {
    let flags = addresses.isEmpty ? flags : flags | 1 << 16
    let magic: UInt32 = 0x1BAD_B002
    var bytes: [UInt8] = []
    for word in [magic, flags, 0 &- magic &- flags] + addresses { bytes.append(littleEndian: word) }
    return bytes
}

/// A raw multiboot image: 16 bytes, the header, 4 instructions at 0x10_0030; 0x34 bytes and 0x1000 of zeroes.
package let rawMultiboot: [UInt8] =
    [UInt8](repeating: 0xAA, count: 16)
    + multibootHeader(addresses: [0x10_0010, 0x10_0000, 0, 0x10_1034, 0x10_0030]) + [0xF4, 0xF4, 0xF4, 0xF4]

/// A multiboot2 header with `tags`, their fields 32 bits each.
package func multiboot2Header(_ tags: [(type: UInt16, fields: [UInt32])], flags: UInt16 = 0) -> [UInt8] {
    var body: [UInt8] = []
    let end: [(type: UInt16, fields: [UInt32])] = [(0, [])]
    for tag in tags + end {
        body.append(littleEndian: tag.type)
        body.append(littleEndian: tag.type == 0 ? 0 : flags)
        body.append(littleEndian: UInt32(8 + tag.fields.count * 4))
        for field in tag.fields { body.append(littleEndian: field) }
        body += [UInt8](repeating: 0, count: body.count.roundedUp(to: 8) - body.count)
    }
    let words: [UInt32] = [0xE852_50D6, 0, UInt32(16 + body.count)]
    var bytes: [UInt8] = []
    for word in words + [0 &- words.reduce(0, &+)] { bytes.append(littleEndian: word) }
    return bytes + body
}

/// A raw multiboot2 image: the header, an instruction at 0x10_0040; 0x44 bytes and 0x1000 of zeroes.
package let rawMultiboot2: [UInt8] = {
    let header = multiboot2Header([(2, [0x10_0000, 0x10_0000, 0, 0x10_1044]), (3, [0x10_0040])])
    return header + [UInt8](repeating: 0x90, count: 0x40 - header.count) + [0xF4, 0xF4, 0xF4, 0xF4]
}()

/// A valid image of each kind, with the options it needs.
package let validImages: [(file: [UInt8], options: LoadOptions)] = [
    (TestELF.simple().file, LoadOptions()),
    (TestELF.simple(is64: false).file, LoadOptions()),
    (TestELF.higherHalf.file, LoadOptions()),
    (TestELF.simple(bytes: multibootHeader() + [0xF4]).file, LoadOptions(commandLine: "a b", initrd: [1, 2, 3])),
    (rawMultiboot, LoadOptions(initrd: [7])),
    (TestELF.simple().with(notes: note("GNU", type: 3, [1]) + pvhNote(0x10_0001)).file, LoadOptions(initrd: [9])),
    ([0xEB, 0xFE], LoadOptions(format: .flat)),
    ([0xEB, 0xFE], LoadOptions(format: .flat, mode: .long)),
    (TestLinux().file, LoadOptions(commandLine: "console=ttyS0", initrd: [1, 2, 3])),
    (TestLinux(version: 0x0206, flags64: 0).file, LoadOptions(initrd: [4])),
    (
        TestELF.simple(bytes: multiboot2Header([(1, [4, 6]), (5, [0, 0, 0])]) + [0xF4]).withSections().file,
        LoadOptions(
            commandLine: "a b", initrd: [1, 2, 3], modules: [BootModule([4], text: "m x")], machine: PCMachine())
    ),
    (rawMultiboot2, LoadOptions()),
]
