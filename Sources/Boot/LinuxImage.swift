// Linux for x86 as its build makes it: a bzImage. Linux's Documentation/arch/x86/boot.rst, protocol 2.06 (Linux 2.6.22)
// and later, sections "32-bit Boot Protocol" and "64-bit Boot Protocol"; the zero page is in LinuxZeroPage.swift.
// The kernel unpacks itself. Leaves out: zImage, the real-mode setup code, the EFI entries.

import Primitives

/// The setup header of a bzImage, checked, with what it says about loading.
struct LinuxImage {
    /// The least protocol that is served, and those that brought more fields.
    private enum Version {
        static let least: UInt16 = 0x0206
        static let preferredAddress: UInt16 = 0x020A
        static let extendedFlags: UInt16 = 0x020C
    }

    /// File offsets of fields, which are offsets in the zero page too.
    enum Field {
        static let setupSectors: UInt64 = 0x1F1
        static let size: UInt64 = 0x1F4
        static let bootFlag: UInt64 = 0x1FE
        static let headerSize: UInt64 = 0x201
        static let magic: UInt64 = 0x202
        static let version: UInt64 = 0x206
        static let loaderType: UInt64 = 0x210
        static let loadFlags: UInt64 = 0x211
        static let codeStart: UInt64 = 0x214
        static let ramdisk: UInt64 = 0x218
        static let ramdiskSize: UInt64 = 0x21C
        static let commandLine: UInt64 = 0x228
        static let ramdiskLimit: UInt64 = 0x22C
        static let isRelocatable: UInt64 = 0x234
        static let extendedFlags: UInt64 = 0x236
        static let commandLineSize: UInt64 = 0x238
        static let preferredAddress: UInt64 = 0x258
        static let memorySize: UInt64 = 0x260
        /// The zero page has no room for a longer header.
        static let end: UInt64 = 0x290
    }

    private static let magic = Array("HdrS".utf8)
    /// In `Field.extendedFlags`: there is a 64-bit entry, 0x200 behind the 32-bit one.
    private static let has64BitEntry = 0
    private static let offsetOf64BitEntry: UInt64 = 0x200
    /// The kernel's own segments, which its entry expects in the GDT.
    private static let codeSelector: UInt16 = 0x10

    let file: [UInt8]
    let version: UInt16
    /// The header's bytes, for the zero page.
    let header: Range<Int>
    /// The part of the file that runs.
    let kernel: Range<Int>
    private let loadAddress: PhysicalAddress
    /// Bytes of memory that the kernel takes from the load address on until it has its own allocator.
    private let memorySize: UInt64
    let is64Bit: Bool
    /// The last byte that an initrd may have.
    let ramdiskLimit: UInt64
    /// Characters of the command line.
    let commandLineLimit: Int

    static func isLinux(_ file: [UInt8]) -> Bool { file.dropFirst(Int(Field.magic)).starts(with: magic) }

    /// Checks the header. Errors: `truncated`, `linuxHeader`.
    init(_ file: [UInt8]) throws(BootError) {
        self.file = file
        let flag = try file.linux(UInt16.self, Field.bootFlag)
        guard flag == 0xAA55 else {
            throw .linuxHeader("boot_flag", offset: Field.bootFlag, found: hexadecimal(flag), expected: "0xaa55")
        }
        let version = try file.linux(UInt16.self, Field.version)
        guard version >= Version.least else {
            throw .linuxHeader(
                "version", offset: Field.version, found: "\(version >> 8).\(version & 0xFF)",
                expected: "2.6 or later (Linux 2.6.22)")
        }
        self.version = version
        guard try file.linux(UInt8.self, Field.loadFlags)[bit: 0] else {
            throw .linuxHeader(
                "loadflags", offset: Field.loadFlags, found: "without LOADED_HIGH (a zImage)", expected: "a bzImage")
        }
        let end = Field.magic + UInt64(try file.linux(UInt8.self, Field.headerSize))
        let least = version >= Version.preferredAddress ? Field.memorySize + 4 : Field.commandLineSize + 4
        guard (least...Field.end).contains(end) else {
            throw .linuxHeader(
                "header end", offset: Field.headerSize, found: hexadecimal(end),
                expected: "\(hexadecimal(least)) to \(hexadecimal(Field.end))")
        }
        header = Int(Field.setupSectors)..<Int(end)
        kernel = try Self.kernel(in: file)
        let flags = version >= Version.extendedFlags ? try file.linux(UInt16.self, Field.extendedFlags) : 0
        is64Bit = flags[bit: Self.has64BitEntry]
        (loadAddress, memorySize) = try Self.destination(file, version, size: UInt64(kernel.count))
        ramdiskLimit = UInt64(try file.linux(UInt32.self, Field.ramdiskLimit))
        let size = try file.linux(UInt32.self, Field.commandLineSize)
        commandLineLimit = size == 0 ? 255 : Int(size)
    }

    /// The file behind the setup code. Its size counts 16-byte units, the last of which may be cut off.
    private static func kernel(in file: [UInt8]) throws(BootError) -> Range<Int> {
        let sectors = try file.linux(UInt8.self, Field.setupSectors)
        let start = (UInt64(sectors == 0 ? 4 : sectors) + 1) * 512
        let size = UInt64(try file.linux(UInt32.self, Field.size)) * 16
        guard size > 0x400 else {
            throw .linuxHeader("syssize", offset: Field.size, found: "\(size / 16)", expected: "more than 64")
        }
        guard start + size < UInt64(file.count) + 16 else {
            throw .truncated(part: "the compressed kernel", offset: start, count: size, fileSize: file.count)
        }
        return Int(start)..<Int(min(start + size, UInt64(file.count)))
    }

    /// Where the kernel wants to be, and how much memory it takes there.
    private static func destination(
        _ file: [UInt8], _ version: UInt16, size: UInt64
    ) throws(BootError) -> (PhysicalAddress, size: UInt64) {
        guard version >= Version.preferredAddress else {
            // Kernels of that time say nothing; they unpack to about four times their size.
            return (PhysicalAddress(UInt64(try file.linux(UInt32.self, Field.codeStart))), size * 4)
        }
        let wanted = UInt64(try file.linux(UInt32.self, Field.memorySize))
        guard wanted >= size else {
            throw .linuxHeader(
                "init_size", offset: Field.memorySize, found: hexadecimal(wanted),
                expected: "at least the size of the compressed kernel, \(hexadecimal(size))")
        }
        return (PhysicalAddress(try file.linux(UInt64.self, Field.preferredAddress)), wanted)
    }

    /// Loads the kernel and starts it by its 64-bit entry, else by its 32-bit one, with RSI at the zero page.
    func load(options: LoadOptions, into memory: MachineMemory) throws(BootError) -> BootImage {
        let start = loadAddress
        guard start.rawValue >= MachineMemory.highMemoryStart, memory.contains(start, size: memorySize) else {
            throw .outsideMemory(part: "the Linux kernel", start: start, size: memorySize, memory: memory)
        }
        guard options.linuxCommandLine.utf8.count <= commandLineLimit else {
            throw .commandLineSize(options.linuxCommandLine.utf8.count, limit: commandLineLimit)
        }
        var layout = Layout(memory: memory)
        layout.placeImage(file[kernel], at: start, length: UInt64(kernel.count), taking: memorySize)
        let rootPointer = layout.placePlatform(options.machine, for: .long)
        let page = try LinuxZeroPage(
            self, loadAddress: start, ramdiskLimit: ramdiskLimit, rootPointer: rootPointer
        ).place(options, in: &layout)
        let entry = start.rawValue + (is64Bit ? Self.offsetOf64BitEntry : 0)
        var state: StartState
        if is64Bit {
            state = try .long(
                entry: entry, tables: PageTables(identityFor: memory), layout: &layout, selector: Self.codeSelector)
        } else {
            guard entry <= UInt64(UInt32.max) else { throw .entryOutOfReach(entry: entry, .protected) }
            state = try .protected(entry: entry, layout: &layout, selector: Self.codeSelector)
        }
        state.rsi = page.rawValue
        let range = start..<PhysicalAddress(start.rawValue + memorySize)
        return BootImage(
            format: .linux, placements: layout.placements, start: state,
            summary: "Linux bzImage, protocol \(version >> 8).\(version & 0xFF), takes \(rangeText(range)), "
                + "starts at \(hexadecimal(entry)) in \(state.mode.rawValue) mode")
    }
}

extension [UInt8] {
    /// A field of the Linux setup header. Error: `truncated`.
    fileprivate func linux<T: FixedWidthInteger>(_ type: T.Type, _ offset: UInt64) throws(BootError) -> T {
        try field(type, at: offset, of: "Linux setup header")
    }
}
