// Times of very different length in few counters: each power of two is cut into eight, so that what is read back is
// at most an eighth too high. Nothing is forgotten and the memory never grows.

/// How often something took how long, in nanoseconds.
package struct LatencyHistogram: Equatable, Sendable {
    /// Steps within a power of two.
    private static let steps = 8
    /// Powers of two: the last step ends near 2^40 ns, 18 minutes; what is longer counts there.
    private static let magnitudes = 38

    private var counters = [UInt32](repeating: 0, count: steps * magnitudes)
    package private(set) var count: UInt64 = 0
    package private(set) var longest: UInt64 = 0

    package mutating func add(_ nanoseconds: UInt64) {
        let i = Self.index(nanoseconds)
        counters[i] &+= counters[i] == .max ? 0 : 1
        count += 1
        longest = Swift.max(longest, nanoseconds)
    }

    /// The length that this share of all, in percent, does not exceed: the upper end of its step. Nil without any.
    package func percentile(_ percent: Int) -> UInt64? {
        guard count > 0 else { return nil }
        let wanted = Swift.max(1, (count * UInt64(percent) + 99) / 100)
        var seen: UInt64 = 0
        for (i, counter) in counters.enumerated() {
            seen += UInt64(counter)
            if seen >= wanted { return Swift.min(Self.upperEnd(i), longest) }
        }
        return longest
    }

    private static func index(_ value: UInt64) -> Int {
        if value < UInt64(steps) { return Int(value) }
        let magnitude = 63 - value.leadingZeroBitCount
        let step = Int(value >> UInt64(magnitude - 3)) & (steps - 1)
        return Swift.min((magnitude - 2) * steps + step, steps * magnitudes - 1)
    }

    private static func upperEnd(_ index: Int) -> UInt64 {
        if index < steps { return UInt64(index) }
        if index == steps * magnitudes - 1 { return .max }
        let shift = UInt64(index / steps - 1)
        return (UInt64(steps + index % steps + 1) << shift) - 1
    }
}
