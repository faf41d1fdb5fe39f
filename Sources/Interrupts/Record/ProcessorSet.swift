import Primitives

/// Some of a machine's processors, by number: 0 to 63.
package struct ProcessorSet: Hashable, Sendable {
    package static let limit = 64
    package var rawValue: UInt64

    package init(rawValue: UInt64 = 0) { self.rawValue = rawValue }
    package init(_ processor: Int) { rawValue = 1 << UInt64(processor) }
    /// All of the first `count`.
    package static func first(_ count: Int) -> Self { Self(rawValue: .mask(count)) }

    package var isEmpty: Bool { rawValue == 0 }
    package var count: Int { rawValue.nonzeroBitCount }
    package func contains(_ processor: Int) -> Bool { rawValue[bit: processor] }
    package mutating func insert(_ processor: Int) { rawValue |= 1 << UInt64(processor) }
    package mutating func remove(_ processor: Int) { rawValue &= ~(1 << UInt64(processor)) }
}

extension ProcessorSet: Sequence {
    /// By rising number.
    package struct Iterator: IteratorProtocol {
        fileprivate var rest: UInt64

        package mutating func next() -> Int? {
            guard rest != 0 else { return nil }
            defer { rest &= rest &- 1 }
            return rest.trailingZeroBitCount
        }
    }

    package func makeIterator() -> Iterator { Iterator(rest: rawValue) }
}

extension ProcessorSet: CustomStringConvertible {
    /// "0 2 3", or "none".
    package var description: String { isEmpty ? "none" : map { "\($0)" }.joined(separator: " ") }
}
