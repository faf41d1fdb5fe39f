// Entries of the interrupt descriptor table in its three shapes: Intel SDM volume 3, section 6.11, figure 6-2 (32-bit
// gates), section 6.14.1, figure 6-8 (64-bit gates), and section 21.1.4 (the real-mode vector table).

import Primitives

/// One decoded entry.
package struct InterruptGate: Hashable, Sendable {
    /// Which shape the table has.
    package enum Mode: String, Sendable {
        case real = "real mode"
        case protected = "protected mode"
        case long = "long mode"

        /// Bytes an entry.
        package var entrySize: Int {
            switch self {
            case .real: 4
            case .protected: 8
            case .long: 16
            }
        }
    }

    /// What passing through it does.
    package enum Kind: Hashable, Sendable {
        /// Four bytes, offset and segment, without any check.
        case realMode
        case task
        /// An interrupt gate turns IF off, a trap gate leaves it. `bits` is the offset's width: 16, 32 or 64.
        case interrupt(bits: Int)
        case trap(bits: Int)
        /// Any other descriptor type, including code and data segments (bit 4 set).
        case invalid(type: UInt8)
    }

    package let kind: Kind
    /// The handler's code segment; for a task gate the TSS.
    package let selector: UInt16
    /// The handler's address in its segment; meaningless in a task gate.
    package let offset: UInt64
    /// The lowest privilege (highest number) that may come here by an instruction.
    package let dpl: UInt8
    /// 1 to 7: the stack that long mode always switches to. 0: none.
    package let interruptStack: UInt8
    package let isPresent: Bool

    /// Decodes an entry's bytes; nil when there are too few.
    package init?(_ bytes: [UInt8], mode: Mode) {
        guard bytes.count >= mode.entrySize else { return nil }
        func word(_ offset: Int) -> UInt64 { bytes.number(at: offset, count: 2) }
        if mode == .real {
            (kind, selector, offset) = (.realMode, UInt16(word(2)), word(0))
            (dpl, interruptStack, isPresent) = (3, 0, true)
            return
        }
        let low = word(0) | word(6) << 16
        let high: UInt64 = mode == .long ? bytes.number(at: 8, count: 4) : 0
        selector = UInt16(word(2))
        kind = Self.kind(type: bytes[5] & 0x1f, mode: mode)
        offset = kind.is16Bit ? low & 0xffff : low | high << 32
        dpl = bytes[5][bits: 5...6]
        isPresent = bytes[5][bit: 7]
        interruptStack = mode == .long ? bytes[4] & 7 : 0
    }

    private static func kind(type: UInt8, mode: Mode) -> Kind {
        switch (type, mode) {
        case (0x05, .protected): .task
        case (0x06, .protected): .interrupt(bits: 16)
        case (0x07, .protected): .trap(bits: 16)
        case (0x0e, .protected): .interrupt(bits: 32)
        case (0x0f, .protected): .trap(bits: 32)
        case (0x0e, .long): .interrupt(bits: 64)
        case (0x0f, .long): .trap(bits: 64)
        default: .invalid(type: type)
        }
    }
}

extension InterruptGate.Kind: CustomStringConvertible {
    fileprivate var is16Bit: Bool { self == .interrupt(bits: 16) || self == .trap(bits: 16) }

    package var description: String {
        switch self {
        case .realMode: "real-mode vector"
        case .task: "task gate"
        case .interrupt(let bits): "\(bits)-bit interrupt gate"
        case .trap(let bits): "\(bits)-bit trap gate"
        case .invalid(let type): "invalid type \(hexadecimal(type))"
        }
    }
}

extension InterruptGate: CustomStringConvertible {
    /// "64-bit interrupt gate to 0x10:0xffffffff81000000, DPL 0, IST 1".
    package var description: String {
        let target = "\(hexadecimal(selector)):\(hexadecimal(offset))"
        if kind == .realMode { return "\(kind) to \(target)" }
        let stack = interruptStack == 0 ? "" : ", IST \(interruptStack)"
        return "\(kind) to \(target), DPL \(dpl)\(stack)\(isPresent ? "" : ", not present")"
    }
}
