// Why an interrupt does or does not reach a processor: every condition between them, in order. A priority mask that was
// never written comes first of all: it is the usual reason, and hides every other.

import Primitives

extension GICv2 {
    /// The way of interrupt `id`, to processor `cpu` or to all it goes to. `facts` has one row a processor.
    package func explain(_ id: Int, cpu: Int? = nil, _ facts: [ProcessorFacts] = []) -> [InterruptCheck] {
        guard (0..<configuration.interrupts).contains(id) else {
            return [check("GIC", "interrupt \(id)", .notWired, "they are 0 to \(configuration.interrupts - 1)")]
        }
        let wanted = processors(of: id, cpu)
        let state = distributor.state(id, wanted.first ?? 0)
        var checks = wanted.filter { interfaces[$0].priorityMask == 0 }.map { maskCheck(state, $0) }
        checks += distributorChecks(id, state, wanted.first ?? 0)
        if id >= 32 { checks.append(routeCheck(id, state, cpu)) }
        for target in wanted {
            checks += interfaceChecks(id, distributor.state(id, target), target)
            checks += processorChecks(state, target, facts)
        }
        return checks
    }

    /// The processors that it concerns: the one asked about; of a private interrupt, those where it is pending; of an SPI, those that
    /// it goes to.
    func processors(of id: Int, _ cpu: Int?) -> [Int] {
        if let cpu { return interfaces.indices.contains(cpu) ? [cpu] : [] }
        if id < 32 {
            let pending = interfaces.indices.filter { distributor.state(id, $0).isPending }
            return pending.isEmpty ? [0] : pending
        }
        let reach = distributor.state(id, 0).reach
        return interfaces.indices.filter { reach >> UInt8($0) & 1 != 0 }
    }

    // MARK: Distributor

    private func distributorChecks(_ id: Int, _ state: InterruptState, _ cpu: Int) -> [InterruptCheck] {
        let stage = "GICD"
        let group = state.isGroupOne ? 1 : 0
        let isForwarded = distributor.forwardedGroups >> UInt32(group) & 1 != 0
        let enable = configuration.has(.twoEnables) ? "EnableGrp\(group)" : "Enable"
        return [
            check(
                stage, pendingText(id, state), state.isPending ? nil : .notPending, notPendingText(id, state)),
            check(
                stage, "GICD_CTLR.\(enable) = \(isForwarded ? 1 : 0)", isForwarded ? nil : .distributorDisabled,
                "the guest has not enabled the Distributor for group \(group)"),
            enabledCheck(stage, stage, id, state),
            activeCheck(stage, stage, id, state, activeText(id, cpu)),
        ]
    }

    private func pendingText(_ id: Int, _ state: InterruptState) -> String {
        if id < 16 { return "pending from cpu \(ProcessorSet(rawValue: UInt64(state.sources)))" }
        let line = "line = \(state.isLineHigh ? "high" : "low")"
        return "pending latch = \(state.isLatched ? 1 : 0), \(state.isEdge ? "edge" : line)"
    }

    private func activeText(_ id: Int, _ cpu: Int) -> String {
        let holder = interfaces.indices.first { i in
            (id >= 32 || i == cpu) && running[i].contains { $0 & 0x3ff == UInt16(id) }
        }
        if let holder { return "cpu \(holder) has acknowledged it, without an EOI so far" }
        if isView { return activeUnknown }
        return interfaces.contains(where: \.control.splitsEnd)
            ? "its priority was dropped, but it was not deactivated (GICC_DIR)"
            : "software made it active (ISACTIVER)"
    }

    private func routeCheck(_ id: Int, _ state: InterruptState, _ cpu: Int?) -> InterruptCheck {
        let reach = ProcessorSet(rawValue: UInt64(state.reach))
        let obstacle: InterruptCheck.Obstacle? =
            reach.isEmpty ? .nobodyAddressed : cpu.map { reach.contains($0) } == false ? .notAddressed : nil
        return check(
            "GICD", "GICD_ITARGETSR.\(id) = \(hex(state.targets)): cpu \(reach)", obstacle,
            reach.isEmpty ? "guest has given it no target" : "it does not go to cpu \(cpu ?? 0)")
    }

    // MARK: CPU interface

    private func maskCheck(_ state: InterruptState, _ cpu: Int) -> InterruptCheck {
        maskCheck("cpu \(cpu) GICC", "GICC_PMR", interfaces[cpu].priorityMask, state)
    }

    private func interfaceChecks(_ id: Int, _ state: InterruptState, _ cpu: Int) -> [InterruptCheck] {
        let stage = "cpu \(cpu) GICC"
        let interface = interfaces[cpu]
        let group: UInt32 = state.isGroupOne ? 1 : 0
        let isOn = interface.control.enabledGroups >> group & 1 != 0
        var checks = [
            check(
                stage, "GICC_CTLR.EnableGrp\(group) = \(isOn ? 1 : 0)", isOn ? nil : .interfaceDisabled,
                "the guest has not enabled group \(group) on this CPU interface")
        ]
        if interface.priorityMask != 0 { checks.append(maskCheck(state, cpu)) }
        let holder = running[cpu].last.map { " (interrupt \($0 & 0x3ff))" } ?? ""
        checks += competition(
            stage, id, state, first: highestPending(cpu).map { ($0.INTID, $0.priority) },
            running: interface.runningPriority,
            priority: interface.groupPriority(state.priority, isGroupOne: state.isGroupOne), holder: holder)
        if state.isGroupOne, !interface.control.acknowledgesGroupOne {
            checks.append(check(stage, "group 1, AckCtl = 0: AIAR acknowledges it, IAR gives 1022", nil, ""))
        }
        return checks
    }

    // MARK: Processor

    private func processorChecks(_ state: InterruptState, _ cpu: Int, _ facts: [ProcessorFacts]) -> [InterruptCheck] {
        let fact = facts.indices.contains(cpu) ? facts[cpu] : ProcessorFacts()
        let stage = "cpu \(cpu)"
        let isFast = !state.isGroupOne && interfaces[cpu].control.signalsGroupZeroAsFIQ
        let place = fact.place.isEmpty ? "" : ", \(fact.place)"
        var checks: [InterruptCheck] = []
        if let isOn = isFast ? fact.fastInterruptsEnabled : fact.interruptsEnabled {
            let name = fact.isArm ? "PSTATE.\(isFast ? "F" : "I") = \(isOn ? 0 : 1)" : "IF = \(isOn ? 1 : 0)"
            checks.append(
                check(
                    stage, name, isOn ? nil : .interruptsDisabled,
                    "cpu\(cpu) masks \(isFast ? "FIQs" : "IRQs")"
                        + (fact.isHalted && !fact.isArm ? " and is halted" : "") + place))
        }
        if fact.isShadowed {
            checks.append(
                check(stage, "interrupt shadow", .blockedInstruction, "for one more instruction after STI or MOV SS"))
        }
        return checks
    }
}
