// Entry: from the lists into the list registers.

import Primitives

extension VirtualDistributor {
    /// vCPU `cpu` enters the guest: its list registers are filled, its interface comes to life.
    package mutating func enter(_ cpu: Int) -> [VirtualDistributorEffect] {
        precondition(!isRunning[cpu], "vCPU \(cpu) runs already")
        var effects: [VirtualDistributorEffect] = []
        prune(cpu, &effects)
        recordStep(.enter, cpu: cpu)
        isRunning[cpu] = true
        fill(cpu)
        let before = VirtualInterfaceOutputs()
        interfaces[cpu].hypervisor.control.isEnabled = true
        let outputs = interfaces[cpu].hypervisor.outputs
        translate(outputs.effects(since: before), cpu, &effects)
        return effects
    }

    /// Active ones first: their ends must find them. Then by priority, the lowest number among equals. So, as under
    /// KVM, nothing preempts while every list register holds an active one.
    private func order(_ cpu: Int) -> [Int] {
        queues[cpu].filter { destination(interrupts[$0]) == cpu }.sorted { a, b in
            let (a, b) = (interrupts[a], interrupts[b])
            if a.isActive != b.isActive { return a.isActive }
            return a.priority != b.priority ? a.priority < b.priority : a.id < b.id
        }
    }

    private mutating func fill(_ cpu: Int) {
        let queue = order(cpu)
        let hasSeveral = queue.contains { interrupts[$0].hasSeveralSources }
        var used = 0
        var limit: UInt8 = 0xff
        for (position, place) in queue.enumerated() {
            // The other sources of an SGI come before anything less urgent, and each in its turn: nothing that they
            // precede may be in a list register meanwhile.
            if hasSeveral, !interrupts[place].isActive, interrupts[place].priority > limit {
                recordStep(.withhold, place, cpu: cpu)
                break
            }
            fill(used, place, cpu)
            used += 1
            if interrupts[place].sources != 0 { limit = interrupts[place].priority }
            if used == interfaces[cpu].hypervisor.lists.count, position + 1 < queue.count {
                overflow(cpu, queue[(position + 1)...])
                break
            }
        }
        for i in used..<interfaces[cpu].hypervisor.lists.count { interfaces[cpu].hypervisor.lists[i] = ListRegister() }
    }

    /// Not all fit. The guest is to come back when its list registers are nearly drained, and, where active ones have
    /// none, when it ends one of those.
    private mutating func overflow(_ cpu: Int, _ rest: ArraySlice<Int>) {
        interfaces[cpu].hypervisor.control.reportsUnderflow = true
        if rest.contains(where: { interrupts[$0].isActive }) {
            interfaces[cpu].hypervisor.control.reportsUnlistedEnds = true
        }
        for place in rest { recordStep(.overflow, place, cpu: cpu) }
    }

    private mutating func fill(_ index: Int, _ place: Int, _ cpu: Int) {
        let it = interrupts[place]
        var list = ListRegister(it.id, priority: it.priority, state: .invalid, isGroup1: it.isGroup1)
        list.isActive = it.isActive
        var takesPending = it.isPending
        if it.isActive, it.id < 16 {
            list.source = it.activeSource
            if it.hasSeveralSources {
                takesPending = false
                list.requestsMaintenance = true
            }
        }
        if let physical = it.physicalID {
            list.isHardware = true
            list.physicalID = physical
            // The physical Distributor holds the second one back while the first is active.
            if it.isActive { takesPending = false }
        } else if !it.isEdge {
            // The level is looked at again when the guest ends the interrupt, which therefore must be signalled.
            list.requestsMaintenance = true
            if it.isActive { takesPending = false }
        }
        if takesPending {
            list.isPending = true
            if it.isEdge { interrupts[place].isLatched = false }
            if it.id < 16, it.sources != 0 { take(sourceInto: &list, place) }
            // Of a linked level only its rise is seen: from here on the list register stands for it.
            if it.physicalID != nil, !it.isEdge { interrupts[place].isLineHigh = false }
        }
        interfaces[cpu].hypervisor.lists[index] = list
        recordStep(.fill, place, cpu: cpu, list: index)
    }

    private mutating func take(sourceInto list: inout ListRegister, _ place: Int) {
        let source = interrupts[place].sources.trailingZeroBitCount
        list.source = source
        interrupts[place].sources &= ~(1 << UInt8(source))
        guard interrupts[place].sources != 0 else { return }
        interrupts[place].isLatched = true
        list.requestsMaintenance = true
    }
}
