/// Random numbers that are the same in every run of one seed (xorshift64*). A test takes its seeds as arguments, so
/// that a failure names the one to repeat.
package struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    package init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

    package mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_f491_4f6c_dd1d
    }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 32) }
    }

    /// True with the given chance in percent.
    package mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

    /// A number of any magnitude: small ones are as likely as large ones.
    package mutating func magnitude() -> UInt64 {
        let bits = UInt64.random(in: 0...64, using: &self)
        return bits == 0 ? 0 : next() >> (64 - bits)
    }

    /// An address whose bits 63 to 47 are alike.
    package mutating func canonical() -> UInt64 { UInt64(bitPattern: Int64(bitPattern: next()) >> 17) }
}
