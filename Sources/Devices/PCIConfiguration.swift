// PCI configuration mechanism 1 (PCI Local Bus Specification 3.0, section 3.2.2.3.2) over a bus without devices: the
// address register keeps what is written, the data reads as ones.

import Primitives

/// Ports 0xcf8, which takes 32-bit accesses only, and 0xcfc to 0xcff.
package struct PCIConfiguration: Equatable, Sendable {
    package enum Register {
        package static let address = 0
        package static let data = 4
    }

    /// Bit 31, the bus, device and function, and a register of four bytes.
    private static let addressBits: UInt32 = 0x80ff_fffc

    private var address: UInt32 = 0

    package init() {}

    package mutating func reset() { self = Self() }

    package func inspect(_ register: Int, size: Int) -> UInt64 {
        register == Register.address && size == 4 ? UInt64(address) : .mask(size * 8)
    }

    package mutating func write(_ value: UInt64, to register: Int, size: Int) {
        guard register == Register.address, size == 4 else { return }
        address = UInt32(truncatingIfNeeded: value) & Self.addressBits
    }
}
