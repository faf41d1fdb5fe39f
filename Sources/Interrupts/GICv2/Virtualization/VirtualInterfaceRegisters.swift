// The words of the virtual interface control block: GICH_HCR, GICH_VMCR, GICH_MISR. Arm IHI 0048B, section 5.3.

import Primitives

/// GICH_HCR.
package struct HypervisorControl: Hashable, Sendable {
    package private(set) var rawValue: UInt32

    /// Bits 26 to 8 do not exist.
    package init(rawValue: UInt32 = 0) { self.rawValue = rawValue & 0xf800_00ff }

    /// The virtual CPU interface and the maintenance interrupt work.
    package var isEnabled: Bool {
        get { rawValue[bit: 0] }
        set { rawValue[bit: 0] = newValue }
    }

    /// UIE: ask for maintenance when no list register, or only one, is valid.
    package var reportsUnderflow: Bool {
        get { rawValue[bit: 1] }
        set { rawValue[bit: 1] = newValue }
    }

    /// LRENPIE: ask for maintenance when `endCount` is not 0.
    package var reportsUnlistedEnds: Bool {
        get { rawValue[bit: 2] }
        set { rawValue[bit: 2] = newValue }
    }

    /// EOICount: ends of interrupts that no list register has; five bits, which wrap.
    package var endCount: Int {
        get { Int(rawValue[bits: 27...31]) }
        set { rawValue[bits: 27...31] = UInt32(truncatingIfNeeded: newValue) }
    }

    /// The conditions that bits 1 to 7 let into GICH_MISR. That of ended interrupts has no such bit.
    package var maintenanceEnables: MaintenanceConditions {
        MaintenanceConditions(rawValue: rawValue & 0xfe).union(.end)
    }
}

/// GICH_MISR: why the hypervisor is called.
package struct MaintenanceConditions: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// EOI: an interrupt ended whose list register asks for that.
    package static let end = Self(rawValue: 0x01)
    /// U: at most one list register is valid.
    package static let underflow = Self(rawValue: 0x02)
    /// LRENP: an interrupt ended that is in no list register.
    package static let unlistedEnd = Self(rawValue: 0x04)
    /// NP: no list register is pending.
    package static let nonePending = Self(rawValue: 0x08)
    package static let group0Enabled = Self(rawValue: 0x10)
    package static let group0Disabled = Self(rawValue: 0x20)
    package static let group1Enabled = Self(rawValue: 0x40)
    package static let group1Disabled = Self(rawValue: 0x80)

    /// Each bit's name in the manual.
    package static let names: [(condition: Self, name: String)] = [
        (.end, "EOI"), (.underflow, "U"), (.unlistedEnd, "LRENP"), (.nonePending, "NP"), (.group0Enabled, "VGrp0E"),
        (.group0Disabled, "VGrp0D"), (.group1Enabled, "VGrp1E"), (.group1Disabled, "VGrp1D"),
    ]
}

extension MaintenanceConditions: CustomStringConvertible {
    /// "EOI NP", or "none".
    package var description: String {
        let names = Self.names.filter { contains($0.condition) }.map(\.name)
        return names.isEmpty ? "none" : names.joined(separator: " ")
    }
}

/// GICH_VMCR: the guest's GICV_CTLR, GICV_ABPR, GICV_BPR and GICV_PMR in one word, which is all that they are.
package struct VirtualMachineControl: Hashable, Sendable {
    /// The bits of GICV_CTLR that exist: the group enables, AckCtl, FIQEn, CBPR, EOImode.
    private static let controlBits: UInt32 = 0x21f
    /// With five bits of priority no binary point splits finer than between bits 2 and 3.
    package static let leastBinaryPoint: UInt32 = 2

    package private(set) var rawValue: UInt32

    package init(rawValue: UInt32 = 0) {
        self.rawValue = 0
        control = rawValue
        aliasedBinaryPoint = rawValue[bits: 18...20]
        binaryPoint = rawValue[bits: 21...23]
        priorityMask = UInt8(rawValue[bits: 27...31] << 3)
    }

    /// GICV_CTLR.
    package var control: UInt32 {
        get { rawValue & Self.controlBits }
        set { rawValue = rawValue & ~Self.controlBits | newValue & Self.controlBits }
    }

    /// GICV_ABPR, at least one more than `leastBinaryPoint`.
    package var aliasedBinaryPoint: UInt32 {
        get { rawValue[bits: 18...20] }
        set { rawValue[bits: 18...20] = max(newValue & 7, Self.leastBinaryPoint + 1) }
    }

    /// GICV_BPR.
    package var binaryPoint: UInt32 {
        get { rawValue[bits: 21...23] }
        set { rawValue[bits: 21...23] = max(newValue & 7, Self.leastBinaryPoint) }
    }

    /// GICV_PMR: five bits of eight.
    package var priorityMask: UInt8 {
        get { UInt8(rawValue[bits: 27...31] << 3) }
        set { rawValue[bits: 27...31] = UInt32(newValue >> 3) }
    }

    package var enablesGroup0: Bool { rawValue[bit: 0] }
    package var enablesGroup1: Bool { rawValue[bit: 1] }
    /// AckCtl: GICV_IAR and GICV_HPPIR give interrupts of group 1 too.
    package var acknowledgesGroup1: Bool { rawValue[bit: 2] }
    /// FIQEn: group 0 signals nVFIQ.
    package var signalsFIQ: Bool { rawValue[bit: 3] }
    /// CBPR: GICV_BPR counts for group 1 as well.
    package var hasCommonBinaryPoint: Bool { rawValue[bit: 4] }
    /// EOImode: an end drops the priority only; GICV_DIR deactivates.
    package var splitsEnd: Bool { rawValue[bit: 9] }

    func enables(group1: Bool) -> Bool { group1 ? enablesGroup1 : enablesGroup0 }

    /// The part of a priority that decides about preemption (table 3-2 of the manual, and its group 1 column).
    func groupPriority(_ priority: UInt8, group1: Bool) -> UInt8 {
        let point = group1 && !hasCommonBinaryPoint ? aliasedBinaryPoint - 1 : binaryPoint
        return UInt8(truncatingIfNeeded: UInt32(priority) & (~1 << point))
    }
}
