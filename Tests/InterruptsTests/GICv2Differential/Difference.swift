// Where QEMU 7.2 and the model differ, and why. A row says what QEMU answers instead, exactly; what differs in any
// other way, or in a place without a row, fails the test. After a row that changes QEMU's state the model's is written
// back, so that one difference does not hide another.

import Primitives

@testable import Interrupts

enum Difference: CaseIterable {
    case disabledGroupCompetes
    case maskedHighestPending
    case wholePriorityPreempts
    case groupOneShownWhileHeld
    case noSourceInHighestPending
    case noAliases
    case lowAliasedBinaryPoint
    case fifthListRegister
    case narrowWord
    case silentDeactivation
    case activeOnAbsentProcessors

    typealias Row = (register: String, condition: String, reason: String)

    var row: Row {
        switch self {
        case .disabledGroupCompetes:
            (
                "GICV_IAR, GICV_HPPIR, nVIRQ, nVFIQ",
                "the most urgent pending list register is of a group that GICV_CTLR disables, the other group is enabled",
                "a disabled group is not signalled and hides nothing (IHI 0048B, sections 3.2.2 and 5.4); QEMU gives it"
            )
        case .maskedHighestPending:
            (
                "GICV_HPPIR", "the interrupt's priority is not below GICV_PMR",
                "HPPIR reports what is pending, not what may be signalled (section 4.4.7); QEMU applies the mask"
            )
        case .wholePriorityPreempts:
            (
                "GICV_IAR, nVIRQ, nVFIQ", "the group priority preempts, the whole priority would not",
                "preemption compares group priorities (section 3.3.3); QEMU compares the whole priority"
            )
        case .groupOneShownWhileHeld:
            (
                "GICV_IAR", "group 1, AckCtl 0, and the running priority holds the interrupt back",
                "1022 takes sufficient priority to be signalled (section 3.2.5); QEMU looks at GICV_PMR only"
            )
        case .noSourceInHighestPending:
            (
                "GICC_HPPIR, GICV_HPPIR", "an SGI of another processor than 0",
                "bits 12 to 10 are the SGI's source (section 4.4.7); QEMU leaves them 0"
            )
        case .noAliases:
            (
                "GICV_AIAR, GICV_AEOIR, GICV_AHPPIR", "always",
                "they exist in the architecture (section 5.5); in QEMU they read 0 and ignore writes"
            )
        case .lowAliasedBinaryPoint:
            (
                "GICV_ABPR", "a value below 3 is written",
                "the least value is one more than GICV_BPR's, 2 (section 4.4.8); QEMU takes the physical interface's, 1"
            )
        case .fifthListRegister:
            (
                "GICH_LR4", "always",
                "GICH_VTR has 4 list registers, the others are RAZ/WI (section 5.3); QEMU keeps the fifth's bits unused"
            )
        case .narrowWord:
            (
                "GICD words, GICC, GICH, GICV", "an access of 1 or 2 bytes at a word's first byte",
                "these registers take words only (sections 4.1.4 and 5.3); QEMU takes any size"
            )
        case .silentDeactivation:
            (
                "nIRQ, nFIQ, GICC_IAR, GICC_HPPIR", "a guest's end deactivates a physical interrupt through the HW bit",
                "its Distributor looks at once (section 5.2); QEMU only at its next access, so the test makes one"
            )
        case .activeOnAbsentProcessors:
            (
                "GICD_ISACTIVER, GICD_ICACTIVER", "an SPI made active by GICD_ISACTIVER, then ended or deactivated",
                "an SPI has one active state (section 4.3.9); QEMU sets that of 8 processors, and the end clears one"
            )
        }
    }
}

/// QEMU's behaviour where the guest's interface differs, from the model's state.
struct QEMUVirtual {
    let block: VirtualInterfaceControl

    private var machine: VirtualMachineControl { block.machine }

    /// The most urgent pending list register of either group, as long as one group is enabled.
    var best: Int? {
        guard block.control.isEnabled, machine.control & 3 != 0 else { return nil }
        let waiting = block.lists.indices.filter { block.lists[$0].state == .pending }
        return waiting.min { block.lists[$0].priority < block.lists[$1].priority }
    }

    /// The same where GICV_PMR lets it through.
    var passing: Int? { best.flatMap { block.lists[$0].priority < machine.priorityMask ? $0 : nil } }

    /// Whether its whole priority is below the running one.
    func preempts(_ index: Int) -> Bool {
        block.activePriorities == 0 || block.lists[index].priority < block.runningPriority
    }

    private func value(_ index: Int) -> UInt32 {
        let list = block.lists[index]
        if list.isGroup1, !machine.acknowledgesGroup1 { return 1022 }
        return UInt32(list.virtualID) | (list.virtualID < 16 ? UInt32(list.source) << 10 : 0)
    }

    /// Without the source: see `Difference.noSourceInHighestPending`.
    var highestPending: UInt32 { passing.map(value).map { $0 & 0x3ff } ?? 1023 }

    var acknowledged: UInt32 {
        guard let passing else { return 1023 }
        return value(passing) == 1022 || preempts(passing) ? value(passing) : 1023
    }

    var outputs: (irq: Bool, fiq: Bool) {
        guard let i = passing, preempts(i), machine.enables(group1: block.lists[i].isGroup1) else {
            return (false, false)
        }
        let isFIQ = !block.lists[i].isGroup1 && machine.signalsFIQ
        return (!isFIQ, isFIQ)
    }

    /// Why IAR, HPPIR or the outputs differ from the model's; nil where no row says.
    var cause: Difference? {
        guard let best else { return nil }
        let list = block.lists[best]
        if !machine.enables(group1: list.isGroup1) { return .disabledGroupCompetes }
        if list.priority >= machine.priorityMask { return .maskedHighestPending }
        if block.canSignal(list) != preempts(best) { return .wholePriorityPreempts }
        return list.isGroup1 && !machine.acknowledgesGroup1 ? .groupOneShownWhileHeld : nil
    }
}
