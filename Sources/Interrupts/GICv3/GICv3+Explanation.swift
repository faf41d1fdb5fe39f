// Why an interrupt does or does not reach a processor with a GICv3: every condition between them, in order, a priority mask
// that was never written before all others, as with GICv2.

import Primitives

extension GICv3 {
    package func explain(_ id: Int, cpu: Int?, _ facts: [ProcessorFacts]) -> [InterruptCheck] {
        guard (0..<interrupts).contains(id) else {
            return [check("GIC", "interrupt \(id)", .notWired, "they are 0 to \(interrupts - 1)")]
        }
        let wanted = processors(of: id, cpu)
        var checks = wanted.filter { interfaces[$0].priorityMask == 0 }.map { maskCheck(state(id, $0), $0) }
        for target in id < 32 ? wanted : [0] { checks += distributorChecks(id, target) }
        if id >= 32 { checks.append(routeCheck(id, cpu)) }
        for target in wanted {
            checks += interfaceChecks(id, target)
            checks.append(contentsOf: processorChecks(state(id, target), target, facts))
        }
        return checks
    }

    /// The processors that it concerns: the one asked about; of a private interrupt, those where it is pending; of an SPI, those that
    /// it goes to.
    func processors(of id: Int, _ cpu: Int?) -> [Int] {
        if let cpu { return interfaces.indices.contains(cpu) ? [cpu] : [] }
        if id < 32 {
            let pending = interfaces.indices.filter { state(id, $0).isPending }
            return pending.isEmpty ? [0] : pending
        }
        return Array(state(id, 0).reach)
    }

    // MARK: Distributor and Redistributor

    private func distributorChecks(_ id: Int, _ cpu: Int) -> [InterruptCheck] {
        let state = state(id, cpu)
        let frame = Self.frame(id)
        let stage = id < 32 ? "cpu \(cpu) \(frame)" : frame
        let group = state.isGroupOne ? 1 : 0
        let isForwarded = forwardedGroups[bit: group]
        let name = traits.contains(.oneEnable) ? "EnableGrp1" : "EnableGrp\(group)"
        return [
            check(stage, pendingText(state, id), state.isPending ? nil : .notPending, notPendingText(id, state)),
            check(
                "GICD", "GICD_CTLR.\(name) = \(isForwarded ? 1 : 0)", isForwarded ? nil : .distributorDisabled,
                "the guest has not enabled the Distributor for group \(group)"),
            enabledCheck(stage, frame, id, state), activeCheck(stage, frame, id, state, activeUnknown),
        ]
    }

    private func pendingText(_ state: State, _ id: Int) -> String {
        let input = id < 16 ? "SGI" : state.isEdge ? "edge" : "line = \(state.isLineHigh ? "high" : "low")"
        return "pending latch = \(state.isLatched ? 1 : 0), \(input)"
    }

    private func routeCheck(_ id: Int, _ cpu: Int?) -> InterruptCheck {
        let state = state(id, 0)
        let obstacle: InterruptCheck.Obstacle? =
            state.reach.isEmpty
            ? .nobodyAddressed : cpu.map { state.reach.contains($0) } == false ? .notAddressed : nil
        let nobody = state.route.isAny ? "no processor takes part" : "no processor has that affinity"
        return check(
            "GICD", "GICD_IROUTER\(id) = \(state.route): cpu \(state.reach)", obstacle,
            state.reach.isEmpty ? nobody : "it does not go to cpu \(cpu ?? 0)")
    }

    // MARK: CPU interface

    private func maskCheck(_ state: State, _ cpu: Int) -> InterruptCheck {
        maskCheck("cpu \(cpu) ICC", "ICC_PMR_EL1", interfaces[cpu].priorityMask, state)
    }

    private func interfaceChecks(_ id: Int, _ cpu: Int) -> [InterruptCheck] {
        let stage = "cpu \(cpu) ICC"
        let (state, interface, redistributor) = (state(id, cpu), interfaces[cpu], redistributors[cpu])
        let group = state.isGroupOne ? 1 : 0
        let isOn = interface.enabledGroups[bit: group]
        var checks = [
            check(
                "cpu \(cpu) GICR", "GICR_WAKER.ChildrenAsleep = \(redistributor.isAsleep ? 1 : 0)",
                redistributor.isAsleep ? .redistributorAsleep : nil,
                "the guest has not woken this Redistributor: GICR_WAKER.ProcessorSleep"),
            check(
                stage, "ICC_IGRPEN\(group)_EL1 = \(isOn ? 1 : 0)", isOn ? nil : .interfaceDisabled,
                "the guest has not enabled group \(group) on this CPU interface"),
        ]
        if interface.priorityMask != 0 { checks.append(maskCheck(state, cpu)) }
        checks += competition(
            stage, id, state, first: highestPending(cpu).map { ($0.INTID, $0.priority) },
            running: interface.runningPriority,
            priority: interface.groupPriority(state.priority, isGroupOne: state.isGroupOne))
        return checks
    }

    // MARK: Processor

    private func processorChecks(_ state: State, _ cpu: Int, _ facts: [ProcessorFacts]) -> [InterruptCheck] {
        let fact = facts.indices.contains(cpu) ? facts[cpu] : ProcessorFacts()
        // Group 0 is signalled as FIQ, always.
        let isFast = !state.isGroupOne
        guard let isOn = isFast ? fact.fastInterruptsEnabled : fact.interruptsEnabled else { return [] }
        let place = fact.place.isEmpty ? "" : ", \(fact.place)"
        return [
            check(
                "cpu \(cpu)", "PSTATE.\(isFast ? "F" : "I") = \(isOn ? 0 : 1)", isOn ? nil : .interruptsDisabled,
                "cpu\(cpu) masks \(isFast ? "FIQs" : "IRQs")" + place)
        ]
    }
}
