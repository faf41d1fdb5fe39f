import TestSupport
import Testing

@testable import Primitives

@Suite("Bit fields")
struct BitFieldTests {
    /// The field bit by bit.
    private func slowField(_ value: UInt64, _ range: ClosedRange<Int>) -> UInt64 {
        var result: UInt64 = 0
        var weight: UInt64 = 1
        for index in range {
            if value / power(index) % 2 == 1 { result += weight }
            weight &*= 2
        }
        return result
    }

    private func power(_ exponent: Int) -> UInt64 { (0..<exponent).reduce(1) { value, _ in value * 2 } }

    private func anyRange(below width: Int, _ random: inout Seeded) -> ClosedRange<Int> {
        let low = Int.random(in: 0..<width, using: &random)
        return low...Int.random(in: low..<width, using: &random)
    }

    @Test("a field is its bits, counted from the lowest", arguments: 1...8 as ClosedRange<UInt64>)
    func reading(seed: UInt64) {
        var random = Seeded(seed)
        for _ in 0..<500 {
            let value = random.next()
            let range = anyRange(below: 64, &random)
            #expect(value[bits: range] == slowField(value, range), "\(value), bits \(range)")
        }
    }

    @Test("a new value changes its field only, and loses what does not fit", arguments: 1...8 as ClosedRange<UInt64>)
    func writing(seed: UInt64) {
        var random = Seeded(seed)
        for _ in 0..<500 {
            let (old, new) = (random.next(), random.magnitude())
            let range = anyRange(below: 64, &random)
            var value = old
            value[bits: range] = new
            #expect(slowField(value, range) == slowField(new, 0...range.count - 1))
            for index in 0..<64 where !range.contains(index) { #expect(value[bit: index] == old[bit: index]) }
        }
    }

    @Test("a whole number is a field of itself, in every width")
    func wholeNumbers() {
        var byte: UInt8 = 0x5a
        #expect(byte[bits: 0...7] == 0x5a)
        byte[bits: 0...7] = 0xa5
        #expect(byte == 0xa5)
        var word: UInt32 = 0
        word[bits: 0...31] = 0xdead_beef
        #expect(word == 0xdead_beef)
        var long: UInt64 = 0
        long[bits: 0...63] = .max
        #expect(long == .max)
    }

    @Test("each bit can be set and cleared alone", arguments: 0..<64)
    func singleBits(index: Int) {
        var value: UInt64 = 0
        value[bit: index] = true
        #expect(value == 1 << UInt64(index))
        #expect(value[bit: index])
        value = .max
        value[bit: index] = false
        #expect(value == ~(1 << UInt64(index)))
        #expect(!value[bit: index])
    }

    @Test("a mask has that many of the lowest bits", arguments: 0...70)
    func masks(count: Int) {
        #expect(UInt64.mask(count).nonzeroBitCount == min(count, 64))
        #expect(UInt64.mask(count).leadingZeroBitCount == max(0, 64 - count))
        #expect(UInt8.mask(count).nonzeroBitCount == min(count, 8))
        #expect(UInt8.mask(count).leadingZeroBitCount == max(0, 8 - count))
    }

    @Test("rounding up gives the next multiple, and leaves a multiple alone", arguments: [1, 2, 8, 0x1000, 0x20_0000])
    func rounding(size: UInt64) {
        var random = Seeded(size)
        for value in [0, 1, size - 1, size, size + 1] + (0..<100).map({ _ in random.magnitude() >> 8 }) {
            let rounded = value.roundedUp(to: size)
            #expect(rounded % size == 0)
            #expect(rounded >= value && rounded - value < size)
        }
    }
}
