// Guest addresses. A virtual address goes through the guest's page tables, a physical one does not; the type system
// keeps the two apart everywhere.

/// An address as the guest's instructions see it: linear on x86, before stage 1 on arm64. 64 bits wide.
package struct VirtualAddress: Hashable, Comparable, Sendable {
    package var rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package static func + (a: Self, offset: Int) -> Self { Self(a.rawValue &+ UInt64(bitPattern: Int64(offset))) }
}

/// An address on the machine's memory bus, after translation. 64 bits wide; what exists depends on the machine.
package struct PhysicalAddress: Hashable, Comparable, Sendable {
    package var rawValue: UInt64

    package init(_ rawValue: UInt64) { self.rawValue = rawValue }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package static func + (a: Self, offset: Int) -> Self { Self(a.rawValue &+ UInt64(bitPattern: Int64(offset))) }
}

extension PhysicalAddress {
    /// `count` bytes from here on, as many of them as there are addresses.
    package func upTo(_ count: Int) -> Range<PhysicalAddress> {
        let (end, isBeyond) = rawValue.addingReportingOverflow(UInt64(count))
        return self..<PhysicalAddress(isBeyond ? .max : end)
    }
}

extension VirtualAddress: CustomStringConvertible {
    package var description: String { hexadecimal(rawValue) }
}

extension PhysicalAddress: CustomStringConvertible {
    package var description: String { hexadecimal(rawValue) }
}

/// Memory by physical address, as page walks, loaders and the debugger see it.
package protocol PhysicalMemory {
    /// Where there is memory, ascending.
    var ranges: [Range<PhysicalAddress>] { get }
    /// Fills `bytes` from memory; false when any byte of the range is not memory (then `bytes` is unspecified).
    func read(_ address: PhysicalAddress, into bytes: inout [UInt8]) -> Bool
    /// Appends `count` bytes of memory to `bytes`; false, with nothing appended, when any of them is not memory.
    func append(_ count: Int, from address: PhysicalAddress, to bytes: inout [UInt8]) -> Bool
    /// Stores `bytes`; false, with nothing written, when any byte of the range is not memory.
    func write(_ address: PhysicalAddress, _ bytes: ArraySlice<UInt8>) -> Bool
    /// The naturally aligned little-endian 64-bit word at `address`, or nil where there is no memory.
    func word(at address: PhysicalAddress) -> UInt64?
}

extension PhysicalMemory {
    package func append(_ count: Int, from address: PhysicalAddress, to bytes: inout [UInt8]) -> Bool {
        var part = [UInt8](repeating: 0, count: count)
        guard read(address, into: &part) else { return false }
        bytes += part
        return true
    }

    /// Bytes of memory from `address` on without a gap; 0 where there is none.
    package func extent(from address: PhysicalAddress) -> UInt64 {
        ranges.first { $0.contains(address) }.map { $0.upperBound.rawValue - address.rawValue } ?? 0
    }

    /// All of it, in bytes.
    package var size: UInt64 { ranges.reduce(0) { $0 + ($1.upperBound.rawValue - $1.lowerBound.rawValue) } }
}
