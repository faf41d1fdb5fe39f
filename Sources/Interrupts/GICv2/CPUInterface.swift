// One CPU interface (Arm IHI 0048B, sections 3.3.2 to 3.3.4 and 4.4): which priorities reach the processor, and which
// are active there. GICv2, which knows the Distributor too, gives it what is acknowledged.

import Primitives

/// The CPU interface of one processor.
package struct CPUInterface: Equatable, Sendable {
    let levelShift: UInt8
    private let leastBinaryPoint: UInt8
    private let controlMask: UInt32
    private let existingPriorities: UInt8

    package internal(set) var control = InterfaceControl(rawValue: 0)
    /// GICC_PMR: only lower values pass. 0, its reset value, lets nothing pass.
    package internal(set) var priorityMask: UInt8 = 0
    /// GICC_BPR and GICC_ABPR.
    package internal(set) var binaryPoint: UInt8
    package internal(set) var aliasedBinaryPoint: UInt8
    /// GICC_APR and GICC_NSAPR.
    package internal(set) var activePriorities = ActivePriorities()
    package internal(set) var groupOneActivePriorities = ActivePriorities()

    init(_ configuration: GICv2.Configuration) {
        levelShift = configuration.levelShift
        leastBinaryPoint = configuration.leastBinaryPoint
        controlMask = configuration.interfaceControlMask
        existingPriorities = configuration.priorityMask
        binaryPoint = leastBinaryPoint
        aliasedBinaryPoint = leastBinaryPoint + 1
    }

    // MARK: Registers

    mutating func setControl(_ value: UInt32) { control = InterfaceControl(rawValue: value & controlMask) }
    mutating func setPriorityMask(_ value: UInt32) {
        priorityMask = UInt8(truncatingIfNeeded: value) & existingPriorities
    }
    mutating func setBinaryPoint(_ value: UInt32) { binaryPoint = Swift.max(UInt8(value & 7), leastBinaryPoint) }
    mutating func setAliasedBinaryPoint(_ value: UInt32) {
        aliasedBinaryPoint = Swift.max(UInt8(value & 7), leastBinaryPoint + 1)
    }

    /// Words of GICC_APR that exist: a bit for each priority that can preempt.
    var activeWords: Int { Swift.max(1, 8 >> Int(levelShift)) }

    // MARK: Priorities

    /// The part of a priority that decides on preemption (section 3.3.3, table 3-2).
    package func groupPriority(_ priority: UInt8, isGroupOne: Bool) -> UInt8 {
        let point = isGroupOne && !control.hasCommonBinaryPoint ? aliasedBinaryPoint - 1 : binaryPoint
        return point >= 7 ? 0 : priority & (0xff << (point + 1))
    }

    /// GICC_RPR: the highest active group priority, 0xff when idle.
    package var runningPriority: UInt8 {
        let level = Swift.min(activePriorities.highest, groupOneActivePriorities.highest)
        return level == ActivePriorities.none ? 0xff : UInt8(level) << levelShift
    }
}

/// GICC_CTLR without the security extensions (IHI 0048B, section 4.4.1).
package struct InterfaceControl: Hashable, Sendable {
    package let rawValue: UInt32

    /// EnableGrp0 and EnableGrp1, as bits 0 and 1.
    package var enabledGroups: UInt32 { rawValue & 3 }
    /// AckCtl: GICC_IAR acknowledges group 1 too.
    package var acknowledgesGroupOne: Bool { rawValue[bit: 2] }
    /// FIQEn: group 0 is signalled as FIQ.
    package var signalsGroupZeroAsFIQ: Bool { rawValue[bit: 3] }
    /// CBPR: GICC_BPR serves both groups.
    package var hasCommonBinaryPoint: Bool { rawValue[bit: 4] }
    /// EOImode: GICC_EOIR drops the priority only, GICC_DIR deactivates.
    package var splitsEnd: Bool { rawValue[bit: 9] }
}

/// A set of preemption levels, 0 to 127; 0 is the highest.
package struct ActivePriorities: Hashable, Sendable {
    /// What `highest` gives for the empty set.
    static let none = 128

    private var low: UInt64 = 0
    private var high: UInt64 = 0

    /// The lowest number in the set.
    package var highest: Int { low != 0 ? low.trailingZeroBitCount : 64 + high.trailingZeroBitCount }
    package var isEmpty: Bool { low | high == 0 }

    mutating func insert(_ level: Int) {
        if level < 64 { low |= 1 << UInt64(level) } else { high |= 1 << UInt64(level - 64) }
    }

    mutating func removeHighest() {
        if low != 0 { low &= low &- 1 } else { high &= high &- 1 }
    }

    /// 32 levels, from 32 times the index on.
    subscript(word index: Int) -> UInt32 {
        get { UInt32(truncatingIfNeeded: (index < 2 ? low : high) >> UInt64((index & 1) << 5)) }
        set {
            let shift = UInt64((index & 1) << 5)
            let (kept, new) = (~(UInt64(UInt32.max) << shift), UInt64(newValue) << shift)
            if index < 2 { low = low & kept | new } else { high = high & kept | new }
        }
    }
}
