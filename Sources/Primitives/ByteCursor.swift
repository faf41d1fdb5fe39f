/// Reads little-endian numbers from bytes, never past their end. For file formats and kernel structures.
package struct ByteCursor: Sendable {
    /// A read past the end of the bytes.
    package struct OutOfBounds: Error, Equatable {
        /// Where the read began, in bytes from the start.
        package let offset: Int
        /// How many bytes it wanted.
        package let count: Int
    }

    package let bytes: [UInt8]
    /// Where the next read begins, in bytes from the start.
    package var offset: Int

    package init(_ bytes: [UInt8], at offset: Int = 0) {
        self.bytes = bytes
        self.offset = offset
    }

    /// Takes the next number and moves past it.
    package mutating func next<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(OutOfBounds) -> T {
        let value = try bytes.load(T.self, at: offset)
        offset += T.bitWidth / 8
        return value
    }

    /// Takes the next `count` bytes and moves past them.
    package mutating func next(count: Int) throws(OutOfBounds) -> ArraySlice<UInt8> {
        guard count >= 0, offset >= 0, offset <= bytes.count, count <= bytes.count - offset else {
            throw OutOfBounds(offset: offset, count: count)
        }
        defer { offset += count }
        return bytes[offset..<offset + count]
    }
}

extension Array where Element == UInt8 {
    /// The little-endian number at `offset` bytes from the start.
    package func load<T: FixedWidthInteger>(_ type: T.Type, at offset: Int) throws(ByteCursor.OutOfBounds) -> T {
        let size = T.bitWidth / 8
        guard offset >= 0, count >= size, offset <= count - size else {
            throw ByteCursor.OutOfBounds(offset: offset, count: size)
        }
        return number(at: offset, count: size)
    }

    /// The little-endian number in the `count` bytes from `offset`, which must lie inside; higher bits are zero.
    @inlinable package func number<T: FixedWidthInteger>(at offset: Int, count: Int) -> T {
        // In UInt64 and not in T: a debug build takes many times as long for generic arithmetic.
        var value: UInt64 = 0
        var next = offset + count
        while next > offset {
            next -= 1
            value = value << 8 | UInt64(self[next])
        }
        return T(truncatingIfNeeded: value)
    }

    /// Stores `value` little-endian into the `count` bytes from `offset`, which must lie inside.
    @inlinable package mutating func store(_ value: some FixedWidthInteger, at offset: Int, count: Int) {
        var rest = UInt64(truncatingIfNeeded: value)
        var next = offset
        while next < offset + count {
            self[next] = UInt8(truncatingIfNeeded: rest)
            rest >>= 8
            next += 1
        }
    }

    /// Appends `value` little-endian, in its full width.
    @inlinable package mutating func append(littleEndian value: some FixedWidthInteger) {
        var rest = value
        for _ in 0..<value.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }
}
