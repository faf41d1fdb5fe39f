import Foundation

/// Addresses by name from a 64-bit ELF file's symbol table. System V ABI, chapter 4, "Symbol Table".
struct Symbols {
    private var addresses: [String: UInt64] = [:]

    init(guest: String) throws {
        let file = [UInt8](try Data(contentsOf: URL(fileURLWithPath: try Guest.symbols(guest))))
        func number(_ offset: Int, _ count: Int) -> Int {
            file[offset..<offset + count].reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        let (table, size, count) = (number(0x28, 8), number(0x3a, 2), number(0x3c, 2))
        let sections = (0..<count).map { table + $0 * size }
        for section in sections where number(section + 4, 4) == 2 {
            let (start, length) = (number(section + 0x18, 8), number(section + 0x20, 8))
            let strings = number(sections[number(section + 0x28, 4)] + 0x18, 8)
            for symbol in stride(from: start, to: start + length, by: 24) {
                let name = file[(strings + number(symbol, 4))...].prefix { $0 != 0 }
                addresses[String(decoding: name, as: UTF8.self)] = UInt64(number(symbol + 8, 8))
            }
        }
    }

    subscript(_ name: String) -> UInt64 {
        get throws {
            guard let address = addresses[name] else { throw LiveError("there is no symbol \(name)") }
            return address
        }
    }
}
