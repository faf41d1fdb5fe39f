// What loading an image gives: bytes for memory, and the processor state to start with.

import Primitives

/// Bytes that belong into guest memory before the start, and again after a reset.
package struct Placement: Equatable, Sendable {
    package let address: PhysicalAddress
    package let bytes: [UInt8]
    /// Bytes of memory this covers: `bytes`, then zeroes. Never less than `bytes.count`.
    package let length: UInt64

    /// The memory this covers; inside RAM in every `BootImage`.
    package var range: Range<PhysicalAddress> { address..<PhysicalAddress(address.rawValue + length) }
}

/// An image ready to start. No two placements overlap, so their order is of no matter.
package struct BootImage: Equatable, Sendable {
    /// How the file was read; never `auto`.
    package let format: ImageFormat
    package let placements: [Placement]
    package let start: StartState
    /// One line for people: kind, addresses, entry.
    package let summary: String
    /// What firmware finds beside what is in memory.
    package internal(set) var firmwareItems = FirmwareItems()
}
