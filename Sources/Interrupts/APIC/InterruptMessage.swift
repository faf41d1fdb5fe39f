// A message to local APICs, from any sender: another one's interrupt command register (Intel SDM volume 3, section
// 11.6.1), a pin of the I/O APIC (82093AA, section 3.2.4), or a device (SDM volume 3, section 11.11).

import Primitives

/// What one message asks, and its receivers.
package struct InterruptMessage: Hashable, Sendable {
    package var vector: UInt8
    package var mode: DeliveryMode
    package var isLevel = false
    /// Meaningful with `isLevel` only.
    package var isAssert = true
    /// 8 bits, or 32 from an APIC in x2APIC mode.
    package var destination: UInt32
    package var isLogical: Bool
    package var shorthand = InterruptCommand.Shorthand.none
    /// Of all addressed only the one with the lowest priority is meant: the redirection hint of a device's message.
    package var isRedirectable = false

    package init(vector: UInt8, mode: DeliveryMode = .fixed, to destination: UInt32, isLogical: Bool = false) {
        self.vector = vector
        self.mode = mode
        self.destination = destination
        self.isLogical = isLogical
    }

    /// Of the command register. Level and trigger mode mean something for INIT alone; all else is an edge (SDM volume 3,
    /// table 11-3 and section 11.6.1).
    init(_ command: InterruptCommand) {
        vector = command.vector
        mode = command.deliveryMode
        destination = command.destination
        isLogical = command.isLogical
        shorthand = command.shorthand
        if mode == .initialize {
            isLevel = command.isLevel
            isAssert = command.isAssert
        }
    }

    /// Whether it carries a vector for the request register.
    package var hasVector: Bool { mode == .fixed || mode == .lowestPriority }
    /// Whether one of the addressed is chosen.
    package var isArbitrated: Bool { mode == .lowestPriority || isRedirectable }
}

/// A message-signalled interrupt: a device's 32-bit write to an address of 0xfee0_0000 to 0xfeef_ffff (SDM volume 3,
/// figures 11-14 and 11-15).
extension InterruptMessage {
    package static let window: ClosedRange<UInt64> = 0xfee0_0000...0xfeef_ffff

    /// The address and data of a device's write that means this message; the destination's low 8 bits.
    package var address: UInt64 {
        let hint: UInt64 = isRedirectable ? 8 : 0
        return Self.window.lowerBound | UInt64(destination & 0xff) << 12 | (isLogical ? 4 : 0) | hint
    }

    package var data: UInt32 {
        UInt32(vector) | UInt32(mode.rawValue) << 8 | (isAssert ? 1 << 14 : 0) | (isLevel ? 1 << 15 : 0)
    }

    /// Nil when `address` is none that means an interrupt.
    package init?(address: UInt64, data: UInt32) {
        guard Self.window.contains(address) else { return nil }
        let low = UInt32(truncatingIfNeeded: address)
        vector = UInt8(truncatingIfNeeded: data)
        mode = DeliveryMode(bits: data)
        isLevel = data[bit: 15]
        isAssert = data[bit: 14] || !data[bit: 15]
        destination = low[bits: 12...19]
        isLogical = low[bit: 2]
        isRedirectable = low[bit: 3] && mode == .fixed
    }
}
