import Foundation

/// Addresses by name from an ELF file's symbol table. System V ABI, chapter 4, "Symbol Table".
struct Symbols {
    private var addresses: [String: UInt64] = [:]

    init(guest: String) throws {
        let file = [UInt8](try Data(contentsOf: URL(fileURLWithPath: try Guest.symbols(guest))))
        func number(_ offset: Int, _ count: Int) -> Int {
            file[offset..<offset + count].reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        let is64 = file[4] == 2
        let word = is64 ? 8 : 4
        let header = is64 ? (0x28, 0x3a) : (0x20, 0x2e)
        let (table, size, count) = (number(header.0, word), number(header.1, 2), number(header.1 + 2, 2))
        let sections = (0..<count).map { table + $0 * size }
        // Of a section header: sh_offset, sh_size, sh_link. Of a symbol: its size, st_value.
        let (place, link) = is64 ? (0x18, 0x28) : (0x10, 0x18)
        let (entry, value) = is64 ? (24, 8) : (16, 4)
        for section in sections where number(section + 4, 4) == 2 {
            let (start, length) = (number(section + place, word), number(section + place + word, word))
            let strings = number(sections[number(section + link, 4)] + place, word)
            for symbol in stride(from: start, to: start + length, by: entry) {
                let name = file[(strings + number(symbol, 4))...].prefix { $0 != 0 }
                addresses[String(decoding: name, as: UTF8.self)] = UInt64(
                    truncatingIfNeeded: number(symbol + value, word))
            }
        }
    }

    /// The symbol at or before `address`, the nearest one.
    func name(before address: UInt64) -> String? {
        addresses.filter { $0.value <= address }.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
    }

    subscript(_ name: String) -> UInt64 {
        get throws {
            guard let address = addresses[name] else { throw LiveError("there is no symbol \(name)") }
            return address
        }
    }
}
