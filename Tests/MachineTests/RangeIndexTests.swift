import Primitives
import TestSupport
import Testing

@testable import Machine

/// What the index finds is what a look at every range finds.
@Suite("The index of ranges")
struct RangeIndexTests {
    private static func range(_ start: UInt64, _ count: UInt64) -> Range<PhysicalAddress> {
        PhysicalAddress(start)..<PhysicalAddress(start + count)
    }

    @Test("finds exactly what overlaps, each once, in order", arguments: 1...30 as ClosedRange<UInt64>)
    func asNaive(seed: UInt64) {
        var random = Seeded(seed)
        // From none to many, far apart or on top of each other, 1 byte to 1 MiB.
        let count = Int(seed) * Int(seed) - 1
        let space: UInt64 = random.chance(50) ? 0x1000 : 0x100_0000
        let ranges = (0..<count).map { number in
            let size = UInt64(1) << UInt64.random(in: 0...20, using: &random)
            let start = UInt64.random(in: 0..<space, using: &random)
            return (range: Self.range(start, UInt64.random(in: 1...size, using: &random)), element: number)
        }
        let index = RangeIndex(ranges)
        #expect(index.isEmpty == ranges.isEmpty)
        for _ in 0..<300 {
            let start = UInt64.random(in: 0..<space + 0x1000, using: &random)
            let wanted = Self.range(start, UInt64.random(in: 1...16, using: &random))
            var found: [(Range<PhysicalAddress>, Int)] = []
            index.forEach(overlapping: wanted) { found.append(($0, $1)) }
            let naive = ranges.filter {
                $0.range.lowerBound < wanted.upperBound && wanted.lowerBound < $0.range.upperBound
            }
            #expect(found.map(\.1).sorted() == naive.map(\.element))
            #expect(found.allSatisfy { ranges[$0.1].range == $0.0 })
            #expect(zip(found, found.dropFirst()).allSatisfy { $0.0.lowerBound <= $1.0.lowerBound })
        }
    }

    @Test("ranges that touch do not overlap")
    func neighbours() {
        let index = RangeIndex([(Self.range(0x10, 8), "left"), (Self.range(0x18, 8), "right")])
        func found(_ start: UInt64, _ count: UInt64) -> [String] {
            var names: [String] = []
            index.forEach(overlapping: Self.range(start, count)) { names.append($1) }
            return names
        }
        #expect(found(0xf, 1) == [] && found(0x20, 8) == [])
        #expect(found(0x17, 1) == ["left"] && found(0x18, 1) == ["right"])
        #expect(found(0x14, 8) == ["left", "right"])
    }
}
