// Where QEMU 7.2's Distributor and CPU interface do otherwise than a GIC-400 does, and why. For these the model has
// traits, so that it can stand for either; each is a row here, and a test takes each back to see QEMU differ.

@testable import Interrupts

struct ImplementationChoice: Sendable, CustomStringConvertible {
    let trait: GICv2.Traits
    let register: String
    let condition: String
    let reason: String
    /// Whether it can be seen on a board with one processor.
    var isVisible = true

    var description: String { "\(register), \(condition)" }

    static let all: [Self] = [
        Self(
            trait: .configurablePrivate, register: "GICD_ICFGR1", condition: "written",
            reason: "whether PPIs can be programmed is IMPLEMENTATION DEFINED (section 4.3.13); QEMU lets them be"),
        Self(
            trait: .fixedSoftwareEnables, register: "GICD_ICENABLER0", condition: "bits 15 to 0 written",
            reason: "whether SGIs can be disabled is IMPLEMENTATION DEFINED (section 4.3.6); QEMU's cannot"),
        Self(
            trait: .keepsAbsentTargets, register: "GICD_ITARGETSR", condition: "bits of absent processors written",
            reason: "they are RAZ/WI (section 4.3.12); QEMU keeps them, where it has the register at all",
            isVisible: false),
        Self(
            trait: .noTargetsOnOne, register: "GICD_ITARGETSR", condition: "one processor",
            reason: "RAZ/WI in a uniprocessor implementation (section 4.3.12), which a GIC-400 of one CPU is not"),
        Self(
            trait: .reservedFilterMeansAll, register: "GICD_SGIR", condition: "target filter 3",
            reason: "the value is reserved (section 4.3.15); QEMU sends to everybody, KVM and the model to nobody"),
        Self(
            trait: .maskedHighestPending, register: "GICC_HPPIR", condition: "the priority is not below GICC_PMR",
            reason: "HPPIR reports what is pending, not what may be signalled (section 4.4.7); QEMU applies the mask"),
        Self(
            trait: .wholePriorityPreempts, register: "GICC_IAR, nIRQ, nFIQ",
            condition: "the group priority preempts, the whole priority would not",
            reason: "preemption compares group priorities (section 3.3.3); QEMU compares the whole priority"),
        Self(
            trait: .groupOneShownWhileHeld, register: "GICC_IAR",
            condition: "group 1, AckCtl 0, and the running priority holds the interrupt back",
            reason: "1022 takes sufficient priority to be signalled (section 3.2.5); QEMU looks at GICC_PMR only"),
        Self(
            trait: .disabledGroupsCompete, register: "GICC_IAR, GICC_HPPIR, nIRQ, nFIQ",
            condition: "the most urgent one is of a disabled group, the other group is enabled",
            reason: "a disabled group is not forwarded and hides nothing (section 3.2.2); QEMU gives it"),
        Self(
            trait: .aliases, register: "GICC_AIAR, GICC_AEOIR, GICC_AHPPIR", condition: "always",
            reason: "they exist in the architecture (table 4-2); QEMU has holes there"),
        Self(
            trait: .lineRegisters, register: "GICD_PPISR, GICD_SPISR", condition: "always",
            reason: "GIC-400's addition (its TRM, section 3.3); QEMU has holes there"),
    ]

    /// QEMU's configuration, but with this choice as a GIC-400 has it.
    var asGIC400: GICv2.Configuration {
        var configuration = GICv2.Configuration.qemu
        configuration.traits.formSymmetricDifference(trait)
        return configuration
    }
}
