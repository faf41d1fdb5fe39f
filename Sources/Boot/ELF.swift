// ELF files: System V ABI (gABI) chapters 4 "Object Files" and 5 "Program Loading"; little-endian executables, of 32 and
// 64 bits for x86, of 64 bits for arm64. Leaves out: sections, symbols, relocation, more than 65,534 program headers (PN_XNUM).

import Architecture
import Primitives

/// An ELF file's header and program headers.
struct ELF {
    /// One program header, in the terms of both widths.
    struct ProgramHeader {
        let index: Int
        /// Where the header itself lies in the file.
        let headerOffset: UInt64
        let type: UInt32
        let offset: UInt64
        let virtualAddress: UInt64
        let physicalAddress: UInt64
        let fileSize: UInt64
        let memorySize: UInt64
        let alignment: UInt64

        static let load: UInt32 = 1
        static let interpreter: UInt32 = 3
        static let note: UInt32 = 4
    }

    let file: [UInt8]
    let is64: Bool
    /// `e_entry`: virtual or physical, as the linker script had it.
    let entry: UInt64
    let programHeaders: [ProgramHeader]

    /// Whether it asks for a dynamic linker, as programs of an operating system do.
    var namesInterpreter: Bool { programHeaders.contains { $0.type == ProgramHeader.interpreter } }

    /// "ELF64" or "ELF32".
    var kind: String { is64 ? "ELF64" : "ELF32" }

    /// Whether `file` begins with the ELF magic number.
    static func isELF(_ file: [UInt8]) -> Bool { file.starts(with: [0x7F, 0x45, 0x4C, 0x46]) }

    /// Reads the headers of a file for `architecture`. Errors: `truncated`, `elfHeader`.
    init(_ file: [UInt8], for architecture: Architecture = .x86_64) throws(BootError) {
        let part = "ELF header"
        try Self.checkSize(file, atLeast: 52)
        is64 = try Self.checkIdentification(file, architecture)
        if is64 { try Self.checkSize(file, atLeast: 64) }
        self.file = file
        entry = try file.word(at: 0x18, wide: is64, of: part)

        let tableOffset = try file.word(at: is64 ? 0x20 : 0x1C, wide: is64, of: part)
        let sizes: UInt64 = is64 ? 0x36 : 0x2A
        let entrySize = UInt64(try file.field(UInt16.self, at: sizes, of: part))
        let count = UInt64(try file.field(UInt16.self, at: sizes + 2, of: part))
        let expectedSize: UInt64 = is64 ? 56 : 32
        guard entrySize == expectedSize || count == 0 else {
            throw .elfHeader(
                field: "program header size", offset: sizes, found: "\(entrySize)", expected: "\(expectedSize)")
        }
        let (end, overflow) = tableOffset.addingReportingOverflow(expectedSize * count)
        guard !overflow, end <= UInt64(file.count) || count == 0 else {
            throw .truncated(
                part: "program header table", offset: tableOffset, count: expectedSize * count, fileSize: file.count)
        }
        var headers: [ProgramHeader] = []
        for index in 0..<Int(count) {
            headers.append(
                try file.programHeader(index, at: tableOffset + UInt64(index) * expectedSize, wide: is64))
        }
        programHeaders = headers
    }

    private static func checkSize(_ file: [UInt8], atLeast size: Int) throws(BootError) {
        guard file.count >= size else {
            throw .truncated(part: "ELF header", offset: 0, count: UInt64(size), fileSize: file.count)
        }
    }

    /// Checks class, byte order, type and machine; true for 64 bits.
    private static func checkIdentification(
        _ file: [UInt8], _ architecture: Architecture
    ) throws(BootError) -> Bool {
        let part = "ELF header"
        let width = try file.field(UInt8.self, at: 4, of: part)
        guard width == 1 || width == 2 else {
            throw .elfHeader(field: "class", offset: 4, found: "\(width)", expected: "1 (32-bit) or 2 (64-bit)")
        }
        let order = try file.field(UInt8.self, at: 5, of: part)
        guard order == 1 else {
            let found = order == 2 ? "2 (big-endian)" : "\(order)"
            throw .elfHeader(field: "byte order", offset: 5, found: found, expected: "1 (little-endian)")
        }
        let machine = try file.field(UInt16.self, at: 18, of: part)
        let expected: UInt16 = architecture == .arm64 ? 183 : width == 2 ? 62 : 3
        guard architecture == .x86_64 || width == 2 else {
            throw .elfHeader(field: "class", offset: 4, found: "1 (32-bit)", expected: "2 (64-bit) for arm64")
        }
        guard machine == expected else {
            throw .elfHeader(
                field: "machine", offset: 18, found: machineName(machine),
                expected: "\(machineName(expected)) in a \(width == 2 ? "64" : "32")-bit file")
        }
        let type = try file.field(UInt16.self, at: 16, of: part)
        guard type == 2 || type == 3 else {
            let name = [0: "0 (none)", 1: "1 (relocatable object)", 4: "4 (core dump)"][type] ?? "\(type)"
            throw .elfHeader(
                field: "type", offset: 16, found: name, expected: "2 (executable) or 3 (position-independent)")
        }
        return width == 2
    }

    private static func machineName(_ machine: UInt16) -> String {
        machineNames[machine] ?? "machine \(machine)"
    }

    private static let machineNames: [UInt16: String] = [
        2: "SPARC", 3: "386", 8: "MIPS", 20: "PowerPC", 21: "PowerPC64", 22: "S/390", 40: "ARM", 43: "SPARC V9",
        50: "IA-64", 62: "x86-64", 183: "AArch64", 243: "RISC-V", 247: "BPF", 258: "LoongArch",
    ]
}

extension [UInt8] {
    /// The number at `offset` of a file, where a structure called `part` has it. Error: `truncated`.
    func field<T: FixedWidthInteger>(_ type: T.Type, at offset: UInt64, of part: String) throws(BootError) -> T {
        let size = UInt64(T.bitWidth / 8)
        guard UInt64(count) >= size, offset <= UInt64(count) - size else {
            throw .truncated(part: part, offset: offset, count: size, fileSize: count)
        }
        return number(at: Int(offset), count: Int(size))
    }

    /// A file offset or address: 64 bits when `wide`, else 32.
    fileprivate func word(at offset: UInt64, wide: Bool, of part: String) throws(BootError) -> UInt64 {
        try wide ? field(UInt64.self, at: offset, of: part) : UInt64(field(UInt32.self, at: offset, of: part))
    }

    fileprivate func programHeader(_ index: Int, at start: UInt64, wide: Bool) throws(BootError) -> ELF.ProgramHeader {
        let part = "program header \(index)"
        // The 64-bit form keeps the flags second, so that what follows is aligned.
        let (first, size): (UInt64, UInt64) = wide ? (8, 8) : (4, 4)
        func word(_ slot: UInt64) throws(BootError) -> UInt64 {
            try self.word(at: start + first + slot * size, wide: wide, of: part)
        }
        return try ELF.ProgramHeader(
            index: index, headerOffset: start, type: field(UInt32.self, at: start, of: part),
            offset: word(0), virtualAddress: word(1), physicalAddress: word(2), fileSize: word(3),
            memorySize: word(4), alignment: word(wide ? 5 : 6))
    }
}
