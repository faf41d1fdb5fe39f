// Reads one packet's fields from left to right. GDB manual, "Remote Serial Protocol", Overview: numbers are
// hexadecimal, big-endian, of either case and any number of leading zeroes.

import Primitives

/// A position in a packet's data.
struct PacketReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    var isAtEnd: Bool { position == bytes.endIndex }

    /// The byte that comes next, as a character to compare literals with.
    var peek: Unicode.Scalar? { isAtEnd ? nil : Unicode.Scalar(bytes[position]) }

    /// Takes the next byte as a character.
    mutating func character() -> Unicode.Scalar? {
        guard let next = peek else { return nil }
        position += 1
        return next
    }

    /// Takes `character` if it comes next.
    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard peek == character else { return false }
        position += 1
        return true
    }

    /// Takes `name` if it comes next.
    mutating func skip(_ name: [UInt8]) -> Bool {
        guard bytes.endIndex - position >= name.count else { return false }
        for index in 0..<name.count where bytes[position + index] != name[index] { return false }
        position += name.count
        return true
    }

    mutating func expect(_ separator: Unicode.Scalar) throws(Malformed) {
        guard skip(separator) else { throw .noSeparator }
    }

    func expectEnd() throws(Malformed) {
        guard isAtEnd else { throw .trailingBytes }
    }

    mutating func number() throws(Malformed) -> UInt64 {
        let start = position
        var value: UInt64 = 0
        while position < bytes.endIndex, let digit = hexDigit(bytes[position]) {
            guard value >> 60 == 0 else { throw .numberTooLarge }
            value = value << 4 | UInt64(digit)
            position += 1
        }
        guard position > start else { throw .noNumber }
        return value
    }

    /// A length or offset in bytes; those above `Int.max` become `Int.max`.
    mutating func count() throws(Malformed) -> Int { Int(clamping: try number()) }

    /// A register, signal, process or other number that must fit `T`.
    mutating func number<T: FixedWidthInteger>(as type: T.Type) throws(Malformed) -> T {
        guard let value = T(exactly: try number()) else { throw .numberTooLarge }
        return value
    }

    mutating func address() throws(Malformed) -> VirtualAddress { VirtualAddress(try number()) }

    /// `0` or `1`.
    mutating func flag() throws(Malformed) -> Bool {
        switch try number() {
        case 0: false
        case 1: true
        default: throw .numberTooLarge
        }
    }

    /// The bytes up to `separator`, which is taken but not returned, or else up to the end.
    mutating func field(until separator: Unicode.Scalar) -> ArraySlice<UInt8> {
        let field = field(before: separator)
        _ = skip(separator)
        return field
    }

    /// The bytes up to `separator`, which is left, or else up to the end.
    mutating func field(before separator: Unicode.Scalar) -> ArraySlice<UInt8> {
        let start = position
        while let next = peek, next != separator { position += 1 }
        return bytes[start..<position]
    }

    /// Everything that is left.
    mutating func rest() -> ArraySlice<UInt8> {
        defer { position = bytes.endIndex }
        return bytes[position...]
    }
}

/// The bytes that pairs of hexadecimal digits stand for.
func decoded(_ hexadecimal: ArraySlice<UInt8>) throws(Malformed) -> ArraySlice<UInt8> {
    guard let bytes = bytes(fromHex: hexadecimal) else { throw .badHexadecimal }
    return bytes[...]
}
