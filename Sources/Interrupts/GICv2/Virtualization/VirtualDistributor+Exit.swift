// Exit: what the guest did with the list registers goes back to the interrupts.

import Primitives

extension VirtualDistributor {
    /// vCPU `cpu` leaves the guest.
    package mutating func exit(_ cpu: Int) -> [VirtualDistributorEffect] {
        precondition(isRunning[cpu], "vCPU \(cpu) does not run")
        var effects: [VirtualDistributorEffect] = []
        let before = interfaces[cpu].hypervisor.outputs
        recordStep(.exit, cpu: cpu)
        isRunning[cpu] = false
        let unlisted = queues[cpu].filter { place in
            let it = interrupts[place]
            return it.isActive && interfaces[cpu].hypervisor.list(of: it.id, where: { $0 != ListRegister() }) == nil
        }
        for index in interfaces[cpu].hypervisor.lists.indices
        where interfaces[cpu].hypervisor.lists[index] != ListRegister() {
            fold(index, cpu, &effects)
        }
        end(unlisted, cpu, &effects)
        for index in interfaces[cpu].hypervisor.lists.indices {
            interfaces[cpu].hypervisor.lists[index] = ListRegister()
        }
        interfaces[cpu].hypervisor.control = HypervisorControl()
        translate(VirtualInterfaceOutputs().effects(since: before), cpu, &effects)
        prune(cpu, &effects)
        return effects
    }

    private mutating func fold(_ index: Int, _ cpu: Int, _ effects: inout [VirtualDistributorEffect]) {
        let list = interfaces[cpu].hypervisor.lists[index]
        let place = place(list.virtualID, cpu)
        let wasActive = interrupts[place].isActive
        interrupts[place].isActive = list.isActive
        if list.isActive, list.isSoftwareGenerated { interrupts[place].activeSource = list.source }
        if interrupts[place].isEdge {
            if list.isPending {
                interrupts[place].isLatched = true
                if list.isSoftwareGenerated { interrupts[place].sources |= 1 << UInt8(list.source) }
            }
        } else if !list.isValid {
            // What software requested has been served. The input says whether there is more.
            interrupts[place].isLatched = false
        }
        recordStep(.fold, place, cpu: cpu, list: index)
        if list.hasEnded, !interrupts[place].isEdge, list.virtualID >= 32 { effects.append(.ended(list.virtualID)) }
        if list.isHardware {
            let hasEnded = wasActive && !list.isActive
            resample(place, cpu, isPending: list.isPending, hasEnded: hasEnded, &effects)
        }
    }

    /// A linked level that waited in the list register may have fallen meanwhile, or have risen again after its end.
    private mutating func resample(
        _ place: Int, _ cpu: Int, isPending: Bool, hasEnded: Bool, _ effects: inout [VirtualDistributorEffect]
    ) {
        guard let physical = interrupts[place].physicalID, !interrupts[place].isEdge else { return }
        guard isPending || hasEnded && interrupts[place].isLineHigh else { return }
        // The device's input decides only while the physical interrupt is still the hypervisor's.
        guard physicalActive.contains(physical) else { return }
        interrupts[place].isLineHigh = physicalLines.contains(physical)
        recordStep(.resample, place, cpu: cpu, argument: physical)
        if !interrupts[place].isLineHigh { deactivatePhysical(physical, place, cpu, &effects) }
    }

    /// EOICount says how many active interrupts without a list register the guest has ended, with EOImode 0. Interrupts
    /// nest, so these were the most urgent of them.
    private mutating func end(_ unlisted: [Int], _ cpu: Int, _ effects: inout [VirtualDistributorEffect]) {
        if interfaces[cpu].hypervisor.machine.splitsEnd { return }
        let count = interfaces[cpu].hypervisor.control.endCount
        let ended = unlisted.sorted { a, b in
            let (a, b) = (interrupts[a], interrupts[b])
            return a.priority != b.priority ? a.priority < b.priority : a.id < b.id
        }
        for place in ended.prefix(count) {
            interrupts[place].isActive = false
            recordStep(.end, place, cpu: cpu)
            if let physical = interrupts[place].physicalID { deactivatePhysical(physical, place, cpu, &effects) }
            if !interrupts[place].isEdge, interrupts[place].physicalID == nil, interrupts[place].id >= 32 {
                effects.append(.ended(interrupts[place].id))
            }
        }
    }

    /// Takes from the list what no vCPU has to do with any more, and what another one has.
    mutating func prune(_ cpu: Int, _ effects: inout [VirtualDistributorEffect]) {
        for place in queues[cpu] {
            let destination = destination(interrupts[place])
            if destination == cpu { continue }
            queues[cpu].removeAll { $0 == place }
            interrupts[place].listedOn = nil
            if let destination {
                recordStep(.migrate, place, cpu: destination)
                queue(place, &effects)
            } else {
                recordStep(.unqueue, place, cpu: cpu)
            }
        }
    }
}
