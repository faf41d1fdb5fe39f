// Conditions on an interrupt's way that are the same in every version of the GIC.

import Primitives

extension InspectableGIC {
    func check(
        _ stage: String, _ condition: String, _ obstacle: InterruptCheck.Obstacle?, _ reason: String
    ) -> InterruptCheck {
        InterruptCheck(stage: stage, condition: condition, obstacle: obstacle, reason: obstacle == nil ? "" : reason)
    }

    /// Two digits without 0x.
    func hex(_ value: some UnsignedInteger & FixedWidthInteger) -> String {
        String(hexadecimal(value, digits: 2).dropFirst(2))
    }

    func notPendingText(_ id: Int, _ state: some GICInterruptState) -> String {
        if id < 16 { return "no processor has sent it" }
        if state.isEdge { return "no edge has come that was not acknowledged" }
        return "it is level-sensitive, and no device asserts it"
    }

    /// What can be said of an active interrupt where only the registers are known.
    var activeUnknown: String { "it was acknowledged and not ended so far, or software made it active" }

    func enabledCheck(
        _ stage: String, _ frame: String, _ id: Int, _ state: some GICInterruptState
    ) -> InterruptCheck {
        check(
            stage, "\(frame)_ISENABLER\(id >> 5).\(id & 31) = \(state.isEnabled ? 1 : 0)",
            state.isEnabled ? nil : .notEnabled, "guest has not enabled \(Self.kind(id)) \(id)")
    }

    func activeCheck(
        _ stage: String, _ frame: String, _ id: Int, _ state: some GICInterruptState, _ reason: String
    ) -> InterruptCheck {
        check(
            stage, "\(frame)_ISACTIVER\(id >> 5).\(id & 31) = \(state.isActive ? 1 : 0)",
            state.isActive ? .alreadyActive : nil, reason)
    }

    /// `register` is the mask's whole name.
    func maskCheck(
        _ stage: String, _ register: String, _ mask: UInt8, _ state: some GICInterruptState
    ) -> InterruptCheck {
        guard mask != 0 else {
            return check(
                stage, "PMR = 00", .priorityMaskZero,
                "\(register) is 0, as after reset, and masks everything: the guest must write it, f8 or so")
        }
        let passes = state.priority < mask
        return check(
            stage, "PMR \(hex(mask)) \(passes ? ">" : "<=") prio \(hex(state.priority))", passes ? nil : .priorityMask,
            "only priorities below \(hex(mask)) pass")
    }

    /// Another that goes first, and the one that runs: `priority` is the group priority of interrupt `id`, `holder` names
    /// what runs where that is known.
    func competition(
        _ stage: String, _ id: Int, _ state: some GICInterruptState, first: (INTID: Int, priority: UInt8)?,
        running: UInt8, priority: UInt8, holder: String = ""
    ) -> [InterruptCheck] {
        var checks: [InterruptCheck] = []
        if let first, first.INTID != id {
            checks.append(
                check(
                    stage, "HPPIR = \(first.INTID), prio \(hex(first.priority))",
                    state.isEnabled && state.isPending ? .higherPending : nil, "interrupt \(first.INTID) goes first"))
        }
        checks.append(
            check(
                stage,
                running == 0xff ? "running ff (idle)" : "running \(hex(running)), group priority \(hex(priority))",
                priority < running ? nil : .runningPriority,
                "priority \(hex(running)) is active\(holder); only a higher group priority preempts it"))
        return checks
    }
}
