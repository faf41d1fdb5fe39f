// A set of interrupt vectors, as the local APIC's 256-bit registers hold them.

import Primitives

/// Any of the vectors 0 to 255.
package struct VectorSet: Hashable, Sendable {
    private var words: SIMD4<UInt64>

    package init() { words = .zero }

    package init(_ vectors: some Sequence<UInt8>) {
        self.init()
        for vector in vectors { insert(vector) }
    }

    package var isEmpty: Bool { words == .zero }

    package func contains(_ vector: UInt8) -> Bool { words[Int(vector >> 6)][bit: Int(vector & 63)] }
    package mutating func insert(_ vector: UInt8) { words[Int(vector >> 6)][bit: Int(vector & 63)] = true }
    package mutating func remove(_ vector: UInt8) { words[Int(vector >> 6)][bit: Int(vector & 63)] = false }

    /// The highest vector: the one with the highest priority.
    package var highest: UInt8? {
        if words[3] != 0 { return 255 - UInt8(truncatingIfNeeded: words[3].leadingZeroBitCount) }
        if words[2] != 0 { return 191 - UInt8(truncatingIfNeeded: words[2].leadingZeroBitCount) }
        if words[1] != 0 { return 127 - UInt8(truncatingIfNeeded: words[1].leadingZeroBitCount) }
        if words[0] != 0 { return 63 - UInt8(truncatingIfNeeded: words[0].leadingZeroBitCount) }
        return nil
    }

    /// By rising number.
    package var vectors: [UInt8] { (UInt8.min...UInt8.max).filter(contains) }

    /// Vectors `32 * word` to `32 * word + 31`, as the register page has them.
    package subscript(word index: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: words[index >> 1] >> UInt64(32 * (index & 1)))
    }
}
