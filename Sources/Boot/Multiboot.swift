// Multiboot kernels: Multiboot Specification version 0.6.96, sections 3.1 (header) and 3.2 (machine state).
// Beyond the specification, a 64-bit ELF file is loaded too and entered in 32-bit mode, as its boot code expects.
// Leaves out: video modes (a kernel that requires one is refused).

import Primitives

/// The multiboot header of an image file.
struct Multiboot {
    static let headerMagic: UInt32 = 0x1BAD_B002
    /// What EAX holds at the kernel's entry.
    static let bootloaderMagic: UInt64 = 0x2BAD_B002
    /// The header lies wholly in the file's first so many bytes.
    static let searchLimit = 8192

    private enum Flag {
        /// Bits 0 to 15 are requirements; these are met: modules on page borders, memory information.
        static let met: UInt32 = 0x0003
        static let required: UInt32 = 0xFFFF
        /// The header has load addresses, which count more than an ELF file's.
        static let addresses = 16
    }

    /// Where the header lies in the file; a multiple of 4.
    let offset: UInt64
    let flags: UInt32

    /// Finds the first header with a right checksum; nil without one.
    init?(_ file: [UInt8]) {
        for offset in stride(from: 0, to: min(file.count, Self.searchLimit) - 11, by: 4) {
            guard file.number(at: offset, count: 4) as UInt32 == Self.headerMagic else { continue }
            let flags: UInt32 = file.number(at: offset + 4, count: 4)
            let checksum: UInt32 = file.number(at: offset + 8, count: 4)
            if Self.headerMagic &+ flags &+ checksum == 0 {
                self.offset = UInt64(offset)
                self.flags = flags
                return
            }
        }
        return nil
    }

    /// Loads the kernel, hands it the information structure in EBX and starts it in protected mode without a stack.
    func load(_ file: [UInt8], options: LoadOptions, into memory: MachineMemory) throws(BootError) -> BootImage {
        let unmet = flags & Flag.required & ~Flag.met
        guard unmet == 0 else { throw .multibootFlags(unmet, offset: offset) }
        var layout = Layout(memory: memory)
        let (entry, summary) =
            try flags[bit: Flag.addresses]
            ? placeByHeader(file, in: &layout) : placeByELF(file, in: &layout)
        guard entry <= UInt64(UInt32.max) else { throw .entryOutOfReach(entry: entry, .protected) }
        let information = try MultibootInformation(options: options, memory: memory).place(in: &layout)
        var start = try StartState.protected(entry: entry, layout: &layout)
        start.rax = Self.bootloaderMagic
        start.rbx = information.rawValue
        return BootImage(
            format: .multiboot, placements: layout.placements, start: start,
            summary: "multiboot \(summary), starts at \(hexadecimal(entry)) in protected mode")
    }

    private func placeByELF(
        _ file: [UInt8], in layout: inout Layout
    ) throws(BootError) -> (entry: UInt64, summary: String) {
        guard ELF.isELF(file) else {
            throw .multibootAddresses(
                offset: offset, "no load addresses (flag bit 16 is clear), expected them in a file that is not ELF")
        }
        let elf = try ELF(file)
        let segments = try elf.segments(in: layout.memory)
        let entry = try elf.physicalEntry(elf.entry, in: segments)
        elf.place(segments, in: &layout)
        return (entry, "\(elf.kind), \(ELF.summary(of: segments))")
    }

    /// Places the file as one piece, by the header's address fields.
    private func placeByHeader(
        _ file: [UInt8], in layout: inout Layout
    ) throws(BootError) -> (entry: UInt64, summary: String) {
        let fields = try AddressFields(file, header: offset)
        let start = PhysicalAddress(fields.loadAddress)
        let (data, length) = try fields.extent(file, header: offset)
        guard layout.memory.contains(start, size: length) else {
            throw .outsideMemory(
                part: "the multiboot header at file offset \(hexadecimal(offset))", start: start, size: length,
                memory: layout.memory)
        }
        let range = start..<PhysicalAddress(start.rawValue + length)
        guard range.contains(PhysicalAddress(fields.entry)) else {
            throw .entryOutsideImage(entry: fields.entry, loaded: range)
        }
        layout.placeImage(file[data], at: start, length: length)
        return (fields.entry, "raw image in \(rangeText(range))")
    }

    /// The header's address fields, section 3.1.3; physical addresses, 32 bits each.
    private struct AddressFields {
        let headerAddress: UInt64
        let loadAddress: UInt64
        /// End of the bytes from the file; zero: the file's end.
        let loadEnd: UInt64
        /// End of the zeroes after them; zero: none.
        let bssEnd: UInt64
        let entry: UInt64

        init(_ file: [UInt8], header: UInt64) throws(BootError) {
            func field(_ offset: UInt64) throws(BootError) -> UInt64 {
                UInt64(try file.field(UInt32.self, at: header + offset, of: "multiboot header"))
            }
            headerAddress = try field(12)
            loadAddress = try field(16)
            loadEnd = try field(20)
            bssEnd = try field(24)
            entry = try field(28)
        }

        /// The part of `file` to load, and the bytes of memory it takes with its zeroes.
        func extent(_ file: [UInt8], header: UInt64) throws(BootError) -> (file: Range<Int>, length: UInt64) {
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
}
