// Multiboot 2 kernels: Multiboot2 Specification version 2.0, sections 3.1 (header) and 3.3 (machine state); what the kernel
// finds is in Multiboot2Information.swift. Leaves out: EFI, relocation (the kernel's own addresses are used), graphics.

import Primitives

/// The multiboot 2 header of an image file.
struct Multiboot2 {
    static let headerMagic: UInt32 = 0xE852_50D6
    /// What EAX holds at the kernel's entry.
    static let bootloaderMagic: UInt64 = 0x36D7_6289
    /// The header lies wholly in the file's first so many bytes.
    static let searchLimit = 32768
    /// 32-bit protected mode of i386.
    private static let i386: UInt32 = 0

    private enum Tag {
        static let end: UInt16 = 0
        static let informationRequest: UInt16 = 1
        static let address: UInt16 = 2
        static let entry: UInt16 = 3
        static let console: UInt16 = 4
        static let framebuffer: UInt16 = 5
        static let moduleAlignment: UInt16 = 6
        /// EFI boot services and entries, which matter to EFI loaders only; relocation.
        static let ignored: ClosedRange<UInt16> = 7...10
        /// A tag's flag: it may be ignored.
        static let optional = 0
    }

    /// Where the header lies in the file; a multiple of 8.
    let offset: UInt64
    private let architecture: UInt32
    private let length: UInt64

    /// Finds the first header with a right checksum; nil without one.
    init?(_ file: [UInt8]) {
        for offset in stride(from: 0, to: min(file.count, Self.searchLimit) - 15, by: 8) {
            guard file.number(at: offset, count: 4) as UInt32 == Self.headerMagic else { continue }
            let words: [UInt32] = [0, 4, 8, 12].map { file.number(at: offset + $0, count: 4) }
            guard words.reduce(0, &+) == 0 else { continue }
            (self.offset, architecture, length) = (UInt64(offset), words[1], UInt64(words[2]))
            return
        }
        return nil
    }

    /// Loads the kernel, hands it the boot information in EBX and starts it in protected mode without a stack.
    func load(_ file: [UInt8], options: LoadOptions, into memory: MachineMemory) throws(BootError) -> BootImage {
        guard architecture == Self.i386 else {
            throw .multiboot2(offset: offset + 4, "architecture \(architecture), expected 0 (i386)")
        }
        let wishes = try Wishes(tags(file), file)
        var layout = Layout(memory: memory)
        let kernel = try place(file, wishes, in: &layout)
        return try kernel.image(.multiboot2, magic: Self.bootloaderMagic, for: options.machine, in: &layout) {
            layout, rootPointer throws(BootError) in
            try Multiboot2Information(
                options: options, memory: memory, sections: kernel.sections, rootPointer: rootPointer,
                wantsScreen: wishes.screen
            ).place(in: &layout)
        }
    }

    private func place(
        _ file: [UInt8], _ wishes: Wishes, in layout: inout Layout
    ) throws(BootError) -> MultibootKernel {
        if let address = wishes.addresses {
            guard let entry = wishes.entry else {
                throw .multiboot2(offset: offset, "load addresses, but no entry address")
            }
            let headerAddress = address[0]
            var loadAddress = address[1]
            // The whole file, from its start on.
            if loadAddress == UInt64(UInt32.max) {
                guard headerAddress >= offset else {
                    throw .multiboot2(offset: offset, "header_addr \(hexadecimal(headerAddress)) below its file offset")
                }
                loadAddress = headerAddress - offset
            }
            let fields = MultibootAddresses(
                headerAddress: headerAddress, loadAddress: loadAddress, loadEnd: address[2], bssEnd: address[3],
                entry: entry)
            return try MultibootKernel(raw: file, by: fields, header: offset, in: &layout)
        }
        guard ELF.isELF(file) else {
            throw .multiboot2(offset: offset, "no load addresses, expected them in a file that is not ELF")
        }
        return try MultibootKernel(elf: file, entry: wishes.entry, in: &layout)
    }

    // MARK: Tags

    private struct HeaderTag {
        let type: UInt16
        let isOptional: Bool
        /// Where its fields lie in the file.
        let fields: Range<UInt64>
    }

    /// The header's tags, up to the one that ends them.
    private func tags(_ file: [UInt8]) throws(BootError) -> [HeaderTag] {
        let part = "multiboot2 header"
        guard length >= 16, offset + length <= UInt64(file.count) else {
            throw .truncated(part: part, offset: offset, count: length, fileSize: file.count)
        }
        var tags: [HeaderTag] = []
        var next = offset + 16
        while next + 8 <= offset + length {
            let type = try file.field(UInt16.self, at: next, of: part)
            let flags = try file.field(UInt16.self, at: next + 2, of: part)
            let size = UInt64(try file.field(UInt32.self, at: next + 4, of: part))
            guard size >= 8, size <= offset + length - next else {
                throw .multiboot2(offset: next, "a tag of \(size) bytes, expected 8 or more that lie in the header")
            }
            if type == Tag.end { return tags }
            tags.append(HeaderTag(type: type, isOptional: flags[bit: Tag.optional], fields: next + 8..<next + size))
            next = (next + size).roundedUp(to: 8)
        }
        throw .multiboot2(offset: offset, "no end tag")
    }

    /// What the tags ask for.
    private struct Wishes {
        var addresses: [UInt64]?
        var entry: UInt64?
        var screen = false

        init(_ tags: [HeaderTag], _ file: [UInt8]) throws(BootError) {
            for tag in tags {
                let words: [UInt64] = stride(from: tag.fields.lowerBound, to: tag.fields.upperBound - 3, by: 4).map {
                    file.number(at: Int($0), count: 4)
                }
                let start = tag.fields.lowerBound - 8
                func need(_ count: Int) throws(BootError) {
                    guard words.count >= count else {
                        throw .multiboot2(offset: start, "a tag of type \(tag.type) without its \(count) fields")
                    }
                }
                switch tag.type {
                case Tag.informationRequest:
                    let unknown = words.filter { !Multiboot2Information.types.contains(UInt32($0)) }
                    guard unknown.isEmpty || tag.isOptional else {
                        throw .multiboot2(
                            offset: start,
                            "a request for boot information of type \(unknown[0]), which is missing here")
                    }
                case Tag.address:
                    try need(4)
                    addresses = words
                case Tag.entry:
                    try need(1)
                    entry = words[0]
                case Tag.framebuffer:
                    try need(3)
                    screen = true
                    // Depth 0 is text, or no preference.
                    guard words[2] == 0 || tag.isOptional else {
                        throw .multiboot2(
                            offset: start,
                            "a request for a framebuffer of \(words[0]) by \(words[1]), \(words[2]) bits deep; there is a "
                                + "text screen only")
                    }
                case Tag.console, Tag.moduleAlignment, Tag.ignored: break
                default:
                    guard tag.isOptional else {
                        throw .multiboot2(offset: start, "a tag of type \(tag.type), which is missing here")
                    }
                }
            }
        }
    }
}
