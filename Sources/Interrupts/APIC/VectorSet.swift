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
        for i in (0..<4).reversed() where words[i] != 0 {
            return UInt8(64 * i + 63 - words[i].leadingZeroBitCount)
        }
        return nil
    }

    /// By rising number.
    package var vectors: [UInt8] { (UInt8.min...UInt8.max).filter(contains) }

    /// Vectors `32 * word` to `32 * word + 31`, as the register page has them.
    package subscript(word index: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: words[index >> 1] >> UInt64(32 * (index & 1)))
    }
}
