// One entry of the I/O APIC's redirection table: 82093AA datasheet (290566-001), section 3.2.4.

import Primitives

/// What becomes of one pin of the I/O APIC.
package struct RedirectionEntry: Hashable, Sendable {
    package var rawValue: UInt64

    /// Masked, everything else zero.
    package init(rawValue: UInt64 = 1 << 16) { self.rawValue = rawValue }

    /// Delivery status and remote IRR.
    static let readOnly: UInt64 = 0x5000
    /// Everything that means something, the read-only bits too.
    static let defined: UInt64 = 0xff00_0000_0001_ffff

    package var vector: UInt8 { UInt8(rawValue & 0xff) }
    package var deliveryMode: DeliveryMode { DeliveryMode(bits: UInt32(truncatingIfNeeded: rawValue)) }
    package var isLogical: Bool { rawValue[bit: 11] }
    package var isActiveLow: Bool { rawValue[bit: 13] }
    /// A level interrupt was accepted and waits for its EOI.
    package var remoteIRR: Bool {
        get { rawValue[bit: 14] }
        set { rawValue[bit: 14] = newValue }
    }
    package var isLevel: Bool { rawValue[bit: 15] }
    package var isMasked: Bool {
        get { rawValue[bit: 16] }
        set { rawValue[bit: 16] = newValue }
    }
    package var destination: UInt8 { UInt8(rawValue >> 56) }

    package var message: InterruptMessage {
        var message = InterruptMessage(
            vector: vector, mode: deliveryMode, to: UInt32(destination), isLogical: isLogical
        )
        message.isLevel = isLevel
        return message
    }
}
