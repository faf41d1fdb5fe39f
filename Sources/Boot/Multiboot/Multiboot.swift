// Multiboot kernels: Multiboot Specification version 0.6.96, sections 3.1 (header) and 3.2 (machine state).
// Beyond the specification, a 64-bit ELF file is loaded too and entered in 32-bit mode, as its boot code expects.
// A kernel that wishes a video mode gets the text screen. Leaves out: graphics.

import Primitives

/// The multiboot header of an image file.
struct Multiboot {
    static let headerMagic: UInt32 = 0x1BAD_B002
    /// What EAX holds at the kernel's entry.
    static let bootloaderMagic: UInt64 = 0x2BAD_B002
    /// The header lies wholly in the file's first so many bytes.
    static let searchLimit = 8192

    private enum Flag {
        /// Bits 0 to 15 are requirements; these are met: modules on page borders, memory information, a video mode, which
        /// is the text screen whatever was wished for.
        static let met: UInt32 = 0x0007
        static let videoMode = 2
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
        let kernel = try place(file, in: &layout)
        return try kernel.image(.multiboot, magic: Self.bootloaderMagic, for: options.machine, in: &layout) {
            layout, _ throws(BootError) in
            try MultibootInformation(
                options: options, memory: memory, sections: kernel.sections, wantsScreen: flags[bit: Flag.videoMode]
            ).place(in: &layout)
        }
    }

    private func place(_ file: [UInt8], in layout: inout Layout) throws(BootError) -> MultibootKernel {
        guard flags[bit: Flag.addresses] else {
            guard ELF.isELF(file) else {
                throw .multibootAddresses(
                    offset: offset,
                    "no load addresses (flag bit 16 is clear), expected them in a file that is not ELF")
            }
            return try MultibootKernel(elf: file, entry: nil, in: &layout)
        }
        func field(_ number: UInt64) throws(BootError) -> UInt64 {
            UInt64(try file.field(UInt32.self, at: offset + 12 + number * 4, of: "multiboot header"))
        }
        // Section 3.1.3.
        let fields = try MultibootAddresses(
            headerAddress: field(0), loadAddress: field(1), loadEnd: field(2), bssEnd: field(3), entry: field(4))
        return try MultibootKernel(raw: file, by: fields, header: offset, in: &layout)
    }
}
