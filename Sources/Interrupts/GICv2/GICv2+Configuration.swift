// What differs between implementations of one architecture: sizes, optional registers, and points that Arm IHI 0048B
// leaves open or that an implementation chooses. The default is what a guest of KVM's vgic sees.

import Primitives

extension GICv2 {
    package struct Configuration: Hashable, Sendable {
        /// CPU interfaces, 1 to 8.
        package var processors = 1
        /// INTIDs from 0 on, SGIs and PPIs among them: a multiple of 32, or 1020. KVM's default is 256.
        package var interrupts = 256
        /// Implemented bits of a priority, from bit 7 down: 4 to 8. The others are RAZ/WI.
        package var priorityBits = 5
        package var traits: Traits = .kvm
        /// GICD_IIDR. KVM's: implementer Arm, product "K", revision 3.
        package var distributorIdentification: UInt32 = 0x4b00_343b
        /// GICC_IIDR.
        package var interfaceIdentification: UInt32 = 0x04b2_043b
        /// The bits of GICC_CTLR that exist: both groups, AckCtl, FIQEn, CBPR, EOImode.
        package var interfaceControlMask: UInt32 = 0x21f
        /// Events that the trace keeps.
        package var traceCapacity = 4096

        package init() {}

        /// KVM's vgic-v2, kernel 6.12.
        package static let kvm = Self()

        /// Arm's GIC-400 r0p1 as software in one security state sees it; the second state is not modelled, so TYPER
        /// reads no security extension.
        package static var gic400: Self {
            var configuration = Self()
            configuration.interrupts = 512
            configuration.traits = .gic400
            configuration.distributorIdentification = 0x0200_143b
            configuration.interfaceIdentification = 0x0202_143b
            configuration.interfaceControlMask = 0x3ff
            return configuration
        }

        /// QEMU's "arm_gic" without security extensions, as its "virt" board has it.
        package static var qemu: Self {
            var configuration = Self()
            configuration.interrupts = 288
            configuration.priorityBits = 8
            configuration.traits = .qemu
            configuration.distributorIdentification = 0x0000_043b
            configuration.interfaceIdentification = 0x0002_043b
            return configuration
        }
    }

    /// Single points of behaviour.
    package struct Traits: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        /// SPIs come out of reset edge-triggered.
        package static let sharedResetToEdge = Self(rawValue: 1 << 0)
        /// Software may choose edge or level for PPIs (GICD_ICFGR1).
        package static let configurablePrivate = Self(rawValue: 1 << 1)
        /// GICD_IGROUPR exists.
        package static let groups = Self(rawValue: 1 << 2)
        /// GICD_CTLR has an enable bit for each group; otherwise bit 0 serves both.
        package static let twoEnables = Self(rawValue: 1 << 3)
        /// SGIs are always enabled.
        package static let fixedSoftwareEnables = Self(rawValue: 1 << 4)
        /// An SPI goes only to the lowest of its targets, one without any to processor 0; otherwise to all targets,
        /// and the first to acknowledge gets it.
        package static let lowestTargetOnly = Self(rawValue: 1 << 5)
        /// Target bits of processors that do not exist are kept.
        package static let keepsAbsentTargets = Self(rawValue: 1 << 6)
        /// With one processor GICD_ITARGETSR is RAZ/WI, and everything goes there.
        package static let noTargetsOnOne = Self(rawValue: 1 << 7)
        /// Active priorities of group 1 are in GICC_NSAPR; otherwise GICC_APR has both groups.
        package static let separateActivePriorities = Self(rawValue: 1 << 8)
        /// GICC_AIAR, GICC_AEOIR, GICC_AHPPIR exist.
        package static let aliases = Self(rawValue: 1 << 9)
        /// GICD_PPISR and GICD_SPISR show the inputs (GIC-400 TRM, section 3.3).
        package static let lineRegisters = Self(rawValue: 1 << 10)
        /// The peripheral and component identification registers exist.
        package static let identification = Self(rawValue: 1 << 11)
        /// The reserved target filter of GICD_SGIR, 3, means every processor; otherwise none.
        package static let reservedFilterMeansAll = Self(rawValue: 1 << 12)
        /// GICC_HPPIR shows no interrupt that GICC_PMR holds back.
        package static let maskedHighestPending = Self(rawValue: 1 << 13)
        /// The whole priority, not only its group part, is compared with the running priority.
        package static let wholePriorityPreempts = Self(rawValue: 1 << 14)
        /// GICC_IAR gives 1022 for a group 1 interrupt even while the running priority holds it back.
        package static let groupOneShownWhileHeld = Self(rawValue: 1 << 15)
        /// As long as one group is enabled, interrupts of the other compete, and can be acknowledged.
        package static let disabledGroupsCompete = Self(rawValue: 1 << 16)

        package static let kvm: Self = [.sharedResetToEdge, .groups, .lowestTargetOnly, .aliases]
        package static let gic400: Self = [
            .groups, .twoEnables, .separateActivePriorities, .aliases, .lineRegisters, .identification,
        ]
        package static let qemu: Self = [
            .configurablePrivate, .groups, .twoEnables, .fixedSoftwareEnables, .keepsAbsentTargets, .noTargetsOnOne,
            .separateActivePriorities, .identification, .reservedFilterMeansAll, .maskedHighestPending,
            .wholePriorityPreempts, .groupOneShownWhileHeld, .disabledGroupsCompete,
        ]
    }
}

extension GICv2.Configuration {
    package func has(_ trait: GICv2.Traits) -> Bool { traits.rawValue & trait.rawValue != 0 }

    /// The bits of a priority that exist.
    var priorityMask: UInt8 { 0xff << UInt8(8 - priorityBits) }
    /// The least value of GICC_BPR; GICC_ABPR's is one more (IHI 0048B, section 4.4.3).
    var leastBinaryPoint: UInt8 { UInt8(Swift.max(0, 7 - priorityBits)) }
    /// From a priority to its bit among the active priorities.
    var levelShift: UInt8 { leastBinaryPoint + 1 }
    /// Words of one bit an interrupt.
    var words: Int { (interrupts + 31) / 32 }
}
