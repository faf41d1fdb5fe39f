// The section headers of an ELF file as boot loaders hand them on, with the symbol and string tables that no segment
// loads: gABI chapter 4, "Section Header".

import Primitives

extension ELF {
    /// A file's section headers, their addresses filled in.
    struct SectionTable {
        let count: UInt32
        let entrySize: UInt32
        /// Which section has the names.
        let nameIndex: UInt32
        let bytes: [UInt8]
    }

    private enum SectionType {
        static let symbols: UInt32 = 2
        static let strings: UInt32 = 3
    }

    /// The section headers; nil without any. Places the symbol and string tables, where the headers then point.
    /// Error: `truncated`.
    func placeSections(in layout: inout Layout) throws(BootError) -> SectionTable? {
        let part = "section header table"
        // Offsets: of the table's place in the ELF header and of its sizes; of the address, offset and size in a header.
        let (place, sizes): (UInt64, UInt64) = is64 ? (0x28, 0x3A) : (0x20, 0x2E)
        let (address, offset, size, width) = is64 ? (16, 24, 32, 8) : (12, 16, 20, 4)
        let start =
            is64
            ? try file.field(UInt64.self, at: place, of: part)
            : UInt64(try file.field(UInt32.self, at: place, of: part))
        let entrySize = Int(try file.field(UInt16.self, at: sizes, of: part))
        let count = Int(try file.field(UInt16.self, at: sizes + 2, of: part))
        let nameIndex = try file.field(UInt16.self, at: sizes + 4, of: part)
        guard count > 0, start > 0 else { return nil }
        let expected = is64 ? 64 : 40
        guard entrySize == expected else {
            throw .elfHeader(
                field: "section header size", offset: sizes, found: "\(entrySize)", expected: "\(expected)")
        }
        let total = UInt64(count * entrySize)
        guard start <= UInt64(file.count), total <= UInt64(file.count) - start else {
            throw .truncated(part: part, offset: start, count: total, fileSize: file.count)
        }
        var bytes = Array(file[Int(start)..<Int(start + total)])
        for index in 0..<count {
            let header = index * entrySize
            let type: UInt32 = bytes.number(at: header + 4, count: 4)
            let known: UInt64 = bytes.number(at: header + address, count: width)
            guard [SectionType.symbols, SectionType.strings].contains(type), known == 0 else { continue }
            let from: UInt64 = bytes.number(at: header + offset, count: width)
            let length: UInt64 = bytes.number(at: header + size, count: width)
            guard from <= UInt64(file.count), length <= UInt64(file.count) - from else {
                throw .truncated(part: "section \(index)", offset: from, count: length, fileSize: file.count)
            }
            let contents = Array(file[Int(from)..<Int(from + length)])
            let target = try layout.allocateAndPlace(contents, in: .high, for: "section \(index)")
            bytes.store(target.rawValue, at: header + address, count: width)
        }
        return SectionTable(
            count: UInt32(count), entrySize: UInt32(entrySize), nameIndex: UInt32(nameIndex), bytes: bytes)
    }
}
