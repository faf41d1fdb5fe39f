// The two kinds of register from which a local APIC sends: the local vector table (Intel SDM volume 3, section 11.5.1,
// figure 11-8) and the interrupt command register (section 11.6.1, figure 11-12).

import Primitives

/// How an interrupt message is meant, bits 10 to 8.
package enum DeliveryMode: UInt8, Sendable {
    case fixed = 0
    case lowestPriority = 1
    case smi = 2
    case reserved = 3
    case nmi = 4
    case initialize = 5
    /// SIPI, in the command register only.
    case startUp = 6
    /// The vector comes from the 8259, in the local vector table only.
    case external = 7

    init(bits word: UInt32) {
        self = Self(rawValue: UInt8(word[bits: 8...10])) ?? .reserved
    }
}

extension DeliveryMode: CustomStringConvertible {
    package var description: String {
        switch self {
        case .fixed: "fixed"
        case .lowestPriority: "lowest"
        case .smi: "SMI"
        case .reserved: "reserved"
        case .nmi: "NMI"
        case .initialize: "INIT"
        case .startUp: "SIPI"
        case .external: "ExtINT"
        }
    }
}

/// One entry of the local vector table.
package struct LocalVector: Hashable, Sendable {
    /// The entries, by their offset in the register page, in the order people know from QEMU.
    package enum Source: Int, CaseIterable, Sendable {
        case lint0 = 0x350
        case lint1 = 0x360
        case performance = 0x340
        case error = 0x370
        case thermal = 0x330
        case timer = 0x320
        /// Corrected machine checks; only where the version register counts seven entries.
        case correctedMachineCheck = 0x2f0
    }

    package enum TimerMode: UInt8, Sendable {
        case oneShot = 0
        case periodic = 1
        case deadline = 2
        case reserved = 3
    }

    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package var vector: UInt8 { UInt8(rawValue & 0xff) }
    package var deliveryMode: DeliveryMode { DeliveryMode(bits: rawValue) }
    /// Sent, and not yet accepted by the processor.
    package var isPending: Bool { rawValue[bit: 12] }
    package var isActiveLow: Bool { rawValue[bit: 13] }
    /// A level interrupt was accepted and waits for its EOI.
    package var remoteIRR: Bool { rawValue[bit: 14] }
    package var isLevel: Bool { rawValue[bit: 15] }
    package var isMasked: Bool { rawValue[bit: 16] }
    /// In the timer's entry only.
    package var timerMode: TimerMode { TimerMode(rawValue: UInt8(rawValue[bits: 17...18])) ?? .reserved }
}

/// The interrupt command register: the last message to other processors.
package struct InterruptCommand: Hashable, Sendable {
    /// Who is meant, where not by address.
    package enum Shorthand: UInt8, Sendable {
        case none = 0
        case itself = 1
        case all = 2
        case others = 3
    }

    package let low: UInt32
    /// An APIC ID or a logical mask: 8 bits, or 32 in x2APIC mode.
    package let destination: UInt32

    package init(low: UInt32, high: UInt32, isX2APIC: Bool) {
        self.low = low
        destination = isX2APIC ? high : high >> 24
    }

    package var vector: UInt8 { UInt8(low & 0xff) }
    package var deliveryMode: DeliveryMode { DeliveryMode(bits: low) }
    package var isLogical: Bool { low[bit: 11] }
    package var isPending: Bool { low[bit: 12] }
    package var isAssert: Bool { low[bit: 14] }
    package var isLevel: Bool { low[bit: 15] }
    package var shorthand: Shorthand { Shorthand(rawValue: UInt8(low[bits: 18...19])) ?? .none }
}
