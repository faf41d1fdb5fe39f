// How both versions of multiboot place a kernel, by the addresses in its header, else as an ELF file, and start it.

import Primitives

/// A kernel in place.
struct MultibootKernel {
    let entry: UInt64
    let summary: String
    /// Of an ELF file that was placed as one.
    var sections: ELF.SectionTable?

    /// Places an ELF file's segments; `entry` is the header's own, if it has one.
    init(elf file: [UInt8], entry given: UInt64?, in layout: inout Layout) throws(BootError) {
        let elf = try ELF(file)
        let segments = try elf.segments(in: layout.memory)
        entry = try elf.physicalEntry(given ?? elf.entry, in: segments)
        elf.place(segments, in: &layout)
        sections = try elf.placeSections(in: &layout)
        summary = "\(elf.kind), \(ELF.summary(of: segments))"
    }

    /// Places the file as one piece, by the address fields of the header at `header`.
    init(raw file: [UInt8], by fields: MultibootAddresses, header: UInt64, in layout: inout Layout) throws(BootError) {
        let start = PhysicalAddress(fields.loadAddress)
        let (data, length) = try fields.extent(file, header: header)
        guard layout.memory.contains(start, size: length) else {
            throw .outsideMemory(
                part: "the multiboot header at file offset \(hexadecimal(header))", start: start, size: length,
                memory: layout.memory)
        }
        let range = start..<PhysicalAddress(start.rawValue + length)
        guard range.contains(PhysicalAddress(fields.entry)) else {
            throw .entryOutsideImage(entry: fields.entry, loaded: range)
        }
        layout.placeImage(file[data], at: start, length: length)
        entry = fields.entry
        summary = "raw image in \(rangeText(range))"
    }

    /// The image, which starts in protected mode without a stack: `magic` is in EAX, and in EBX the boot information that
    /// `inform` places. It is given where the ACPI root pointer is.
    func image(
        _ format: ImageFormat, magic: UInt64, for machine: PCMachine?, in layout: inout Layout,
        informing inform: (inout Layout, PhysicalAddress?) throws(BootError) -> PhysicalAddress
    ) throws(BootError) -> BootImage {
        guard entry <= UInt64(UInt32.max) else { throw .entryOutOfReach(entry: entry, .protected) }
        let rootPointer = layout.placePlatform(machine, for: .protected)
        let information = try inform(&layout, rootPointer)
        var start = try StartState.protected(entry: entry, layout: &layout)
        start.rax = magic
        start.rbx = information.rawValue
        return BootImage(
            format: format, placements: layout.placements, start: start,
            summary: "\(format.rawValue) \(summary), starts at \(hexadecimal(entry)) in protected mode")
    }
}

/// The address fields of a header: physical addresses, 32 bits each.
struct MultibootAddresses {
    let headerAddress: UInt64
    let loadAddress: UInt64
    /// End of the bytes from the file; zero: the file's end.
    let loadEnd: UInt64
    /// End of the zeroes after them; zero: none.
    let bssEnd: UInt64
    let entry: UInt64

    /// The part of `file` to load, and the bytes of memory it takes with its zeroes.
    fileprivate func extent(_ file: [UInt8], header: UInt64) throws(BootError) -> (file: Range<Int>, length: UInt64) {
        let text = (header: hexadecimal(headerAddress), load: hexadecimal(loadAddress))
        guard loadAddress <= headerAddress, headerAddress - loadAddress <= header else {
            throw .multibootAddresses(
                offset: header,
                "load_addr \(text.load), expected at most \(hexadecimal(header)) bytes before header_addr "
                    + text.header)
        }
        let start = header - (headerAddress - loadAddress)
        let rest = UInt64(file.count) - start
        guard loadEnd == 0 || loadEnd > loadAddress && loadEnd - loadAddress <= rest else {
            throw .multibootAddresses(
                offset: header,
                "load_end_addr \(hexadecimal(loadEnd)), expected more than load_addr \(text.load) "
                    + "by at most the \(rest) bytes of the file")
        }
        let size = loadEnd == 0 ? rest : loadEnd - loadAddress
        guard bssEnd == 0 || bssEnd >= loadAddress + size else {
            throw .multibootAddresses(
                offset: header,
                "bss_end_addr \(hexadecimal(bssEnd)), expected at least the end of the loaded bytes, "
                    + hexadecimal(loadAddress + size))
        }
        return (Int(start)..<Int(start + size), bssEnd == 0 ? size : bssEnd - loadAddress)
    }
}
