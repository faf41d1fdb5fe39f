import Primitives

/// Ranges of guest-physical addresses, each with what it stands for; finds those that overlap a given one in a time
/// that grows with the logarithm of their number, and with how many there are to find.
///
/// The ranges lie in an array sorted by where they begin. Read as a balanced tree, whose root is the middle of the
/// array, each knows the farthest end in its subtree.
struct RangeIndex<Element: Sendable>: Sendable {
    private let ranges: [(range: Range<PhysicalAddress>, element: Element)]
    /// By place in `ranges`: the farthest upper bound in the subtree whose root is there.
    private let reach: [PhysicalAddress]

    init(_ unsorted: [(range: Range<PhysicalAddress>, element: Element)]) {
        let ranges = unsorted.sorted { $0.range.lowerBound < $1.range.lowerBound }
        var reach = ranges.map(\.range.upperBound)
        func gather(_ part: Range<Int>) -> PhysicalAddress {
            guard !part.isEmpty else { return PhysicalAddress(0) }
            let root = Self.root(part)
            let below = max(gather(part.lowerBound..<root), gather((root + 1)..<part.upperBound))
            reach[root] = max(reach[root], below)
            return reach[root]
        }
        _ = gather(ranges.indices)
        self.ranges = ranges
        self.reach = reach
    }

    var isEmpty: Bool { ranges.isEmpty }

    /// Calls `body` for each range that overlaps `wanted`, ascending by where they begin.
    func forEach(overlapping wanted: Range<PhysicalAddress>, _ body: (Range<PhysicalAddress>, Element) -> Void) {
        visit(ranges.indices, wanted, body)
    }

    private func visit(
        _ part: Range<Int>, _ wanted: Range<PhysicalAddress>, _ body: (Range<PhysicalAddress>, Element) -> Void
    ) {
        guard !part.isEmpty else { return }
        let root = Self.root(part)
        guard reach[root] > wanted.lowerBound else { return }
        visit(part.lowerBound..<root, wanted, body)
        let (range, element) = ranges[root]
        guard range.lowerBound < wanted.upperBound else { return }
        if range.overlaps(wanted) { body(range, element) }
        visit((root + 1)..<part.upperBound, wanted, body)
    }

    private static func root(_ part: Range<Int>) -> Int { part.lowerBound + part.count / 2 }
}
