import Primitives

/// One of the sixteen entries behind VBAR_EL1, 128 bytes each (Arm ARM, chapter D1).
package struct Arm64ExceptionVector: Hashable, Sendable {
    /// Where the exception came from, in the order of the table.
    package enum Origin: Int, CaseIterable, Sendable {
        /// EL1 on SP_EL0, EL1 on SP_EL1, EL0 in AArch64, EL0 in AArch32.
        case sharedStack, ownStack, user, narrowUser
    }

    package enum Kind: Int, CaseIterable, Sendable {
        case synchronous, irq, fiq, systemError
    }

    package let origin: Origin
    package let kind: Kind

    package init(_ kind: Kind, from origin: Origin) {
        self.origin = origin
        self.kind = kind
    }

    /// Bytes from VBAR_EL1; below 0x800, by 0x80.
    package var offset: UInt64 { UInt64(origin.rawValue * 4 + kind.rawValue) * 0x80 }

    /// The entry that begins at an address; nil for all other addresses.
    package init?(at address: VirtualAddress, base: VirtualAddress) {
        let offset = address.rawValue &- base.rawValue
        guard offset < 0x800, offset % 0x80 == 0 else { return nil }
        let number = Int(offset / 0x80)
        self.init(Kind(rawValue: number % 4)!, from: Origin(rawValue: number / 4)!)
    }

    /// "IRQ from EL0".
    package var name: String {
        let kinds = ["synchronous exception", "IRQ", "FIQ", "SError"]
        let origins = ["EL1t", "EL1h", "EL0", "AArch32 EL0"]
        return "\(kinds[kind.rawValue]) from \(origins[origin.rawValue])"
    }
}
