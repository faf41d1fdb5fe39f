// Hexadecimal both ways: bytes for the wire (lower case, two digits a byte), text for people (`0x...`).

/// The ASCII digits `0`-`9`, `a`-`f`.
@usableFromInline package let digits = Array("0123456789abcdef".utf8)

extension Array where Element == UInt8 {
    /// Appends `bytes` as two lower-case hexadecimal digits each.
    @inlinable package mutating func appendHex(_ bytes: some Collection<UInt8>) {
        var end = count
        append(contentsOf: repeatElement(0, count: bytes.count * 2))
        // Arithmetic instead of a table makes it vector code, ten times faster than appending digit by digit.
        for byte in bytes {
            let (high, low) = (byte >> 4, byte & 15)
            self[end] = high &+ 0x30 &+ (high > 9 ? 0x27 : 0)
            self[end + 1] = low &+ 0x30 &+ (low > 9 ? 0x27 : 0)
            end += 2
        }
    }

    /// Appends `value` big-endian without leading zeroes: the form of numbers in the remote protocol.
    @inlinable package mutating func appendHexNumber(_ value: some UnsignedInteger & FixedWidthInteger) {
        var shift = (value.bitWidth - value.leadingZeroBitCount - 1) & ~3
        if value == 0 { shift = 0 }
        while shift >= 0 {
            append(digits[Int(truncatingIfNeeded: value >> shift) & 15])
            shift -= 4
        }
    }
}

/// The value of one hexadecimal ASCII digit of either case, or nil.
@inlinable package func hexDigit(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
}

/// The bytes that pairs of hexadecimal digits stand for; nil when a digit is odd or missing.
@inlinable package func bytes(fromHex text: some Collection<UInt8>) -> [UInt8]? {
    guard text.count % 2 == 0 else { return nil }
    var result: [UInt8] = []
    result.reserveCapacity(text.count / 2)
    var iterator = text.makeIterator()
    while let high = iterator.next() {
        guard let low = iterator.next(), let h = hexDigit(high), let l = hexDigit(low) else { return nil }
        result.append(h << 4 | l)
    }
    return result
}

/// `value` for people: `0x` and at least `digits` lower-case digits.
@inlinable package func hexadecimal(_ value: some UnsignedInteger & FixedWidthInteger, digits: Int = 1) -> String {
    let text = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: Swift.max(0, digits - text.count)) + text
}
