/// What people call an interrupt by: the number of its input (a GSI on a PC, an INTID on a GIC), or, where it has no
/// input of its own, its x86 vector.
package struct InterruptNumber: Hashable, Comparable, Sendable {
    package let rawValue: UInt16

    private static let lines = 1024
    /// One more than the highest raw value.
    static let limit = lines + 256

    /// Input `number`: 0 to 1023.
    package static func line(_ number: Int) -> Self { Self(rawValue: UInt16(number % lines)) }
    /// An interrupt that only has a vector: from another processor, a local timer, a message.
    package static func vector(_ vector: UInt8) -> Self { Self(rawValue: UInt16(lines) + UInt16(vector)) }

    package var line: Int? { Int(rawValue) < Self.lines ? Int(rawValue) : nil }
    package var vector: UInt8? { line == nil ? UInt8(truncatingIfNeeded: Int(rawValue) - Self.lines) : nil }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension InterruptNumber: CustomStringConvertible {
    /// "9", or "v236" for vector 236.
    package var description: String { line.map { "\($0)" } ?? "v\(rawValue - UInt16(Self.lines))" }
}
