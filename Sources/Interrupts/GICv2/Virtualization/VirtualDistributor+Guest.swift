// What the guest does to its interface while it runs: no hypervisor sees it, only the record does.

import Primitives

extension VirtualDistributor {
    /// The guest reads its CPU interface.
    package mutating func read(
        _ register: VirtualCPUInterface.Register, _ cpu: Int
    ) -> (value: UInt32, effects: [VirtualDistributorEffect]) {
        precondition(isRunning[cpu], "vCPU \(cpu) does not run")
        var effects: [VirtualDistributorEffect] = []
        let signalled = interfaces[cpu].hypervisor.signalled
        let access = interfaces[cpu].read(register)
        let acknowledges = register == .acknowledge || register == .aliasedAcknowledge
        if acknowledges, access.value & 0x3ff < 1020, let signalled {
            recordStep(.acknowledge, place(Int(access.value & 0x3ff), cpu), cpu: cpu, list: signalled)
        }
        translate(access.effects, cpu, &effects)
        return (access.value, effects)
    }

    /// The guest writes its CPU interface.
    package mutating func write(
        _ value: UInt32, to register: VirtualCPUInterface.Register, _ cpu: Int
    ) -> [VirtualDistributorEffect] {
        precondition(isRunning[cpu], "vCPU \(cpu) does not run")
        let before = interfaces[cpu].hypervisor
        let changes = interfaces[cpu].write(value, to: register)
        let after = interfaces[cpu].hypervisor
        if after.activePriorities != before.activePriorities, register == .end || register == .aliasedEnd {
            recordStep(.drop, known(Int(value & 0x3ff), cpu), cpu: cpu)
        }
        if let index = before.lists.indices.first(where: { before.lists[$0].isActive && !after.lists[$0].isActive }) {
            recordStep(.end, place(before.lists[index].virtualID, cpu), cpu: cpu, list: index)
        }
        if after.control.endCount != before.control.endCount {
            recordStep(.unlistedEnd, known(Int(value & 0x3ff), cpu), cpu: cpu)
        }
        var effects: [VirtualDistributorEffect] = []
        translate(changes, cpu, &effects)
        return effects
    }

    /// The place of an interrupt that the guest names, if there is one.
    private func known(_ id: Int, _ cpu: Int) -> Int? {
        let place = place(id, cpu)
        return interrupts.indices.contains(place) ? place : nil
    }

    /// An interface's effects as the vCPU's, with their steps.
    mutating func translate(
        _ changes: [VirtualInterfaceEffect], _ cpu: Int, _ effects: inout [VirtualDistributorEffect]
    ) {
        for change in changes {
            switch change {
            case .virtualIRQ(let level):
                if level { noteSignal(cpu) }
                effects.append(.virtualIRQ(cpu, level))
            case .virtualFIQ(let level):
                if level { noteSignal(cpu) }
                effects.append(.virtualFIQ(cpu, level))
            case .maintenance(let level):
                guard level else { break }
                recordStep(
                    .maintenance, cpu: cpu,
                    argument: Int(interfaces[cpu].hypervisor.maintenanceConditions.rawValue))
                effects.append(.maintenance(cpu))
            case .deactivatePhysical(let physical):
                if let place = interrupts.firstIndex(where: { $0.physicalID == physical }) {
                    deactivatePhysical(physical, place, cpu, &effects)
                }
            case .mistake(let mistake): effects.append(.mistake(cpu, mistake))
            }
        }
    }

    private mutating func noteSignal(_ cpu: Int) {
        guard let index = interfaces[cpu].hypervisor.signalled else { return }
        recordStep(.signal, place(interfaces[cpu].hypervisor.lists[index].virtualID, cpu), cpu: cpu, list: index)
    }
}
