// The virtual interface control block, GICH: what a hypervisor programs. Arm IHI 0048B, sections 5.2 and 5.3.
//
// One value is the block of one CPU. The state that the guest sees through GICV is here too: GICH_VMCR and GICH_APR are
// other views of it. Not modelled: more than five bits of priority, which GICv2 does not have.

import Primitives

/// The list registers and control words of one virtual CPU interface.
package struct VirtualInterfaceControl: Equatable, Sendable {
    package var control = HypervisorControl()
    package var machine = VirtualMachineControl()
    /// GICH_APR: bit n stands for an active group priority of 8 * n.
    package var activePriorities: UInt32 = 0
    package internal(set) var lists: [ListRegister]

    /// 1 to 64 list registers; a GIC-400 has 4.
    package init(listRegisters: Int = 4) {
        precondition((1...64).contains(listRegisters), "a virtual interface with \(listRegisters) list registers")
        lists = [ListRegister](repeating: ListRegister(), count: listRegisters)
    }

    // MARK: Outputs

    /// GICH_MISR.
    package var maintenanceConditions: MaintenanceConditions {
        var (ended, valid, pending) = (0, 0, 0)
        for list in lists {
            // "Pending and active" is another state than "pending".
            switch list.state {
            case .invalid: ended += list.hasEnded ? 1 : 0
            case .pending: pending += 1
            case .active, .pendingAndActive: valid += 1
            }
        }
        valid += pending
        var all: MaintenanceConditions = []
        if ended > 0 { all.insert(.end) }
        if valid <= 1 { all.insert(.underflow) }
        if control.endCount != 0 { all.insert(.unlistedEnd) }
        if pending == 0 { all.insert(.nonePending) }
        all.insert(machine.enablesGroup0 ? .group0Enabled : .group0Disabled)
        all.insert(machine.enablesGroup1 ? .group1Enabled : .group1Disabled)
        return all.intersection(control.maintenanceEnables)
    }

    package var requestsMaintenance: Bool { control.isEnabled && !maintenanceConditions.isEmpty }

    /// The list register that the guest would acknowledge: pending, of an enabled group, with the lowest priority
    /// value, the first list register among equals. Whether it beats what runs is another question.
    package var highestPending: Int? {
        guard control.isEnabled else { return nil }
        var best: Int?
        for i in lists.indices where lists[i].state == .pending && machine.enables(group1: lists[i].isGroup1) {
            guard let other = best else {
                best = i
                continue
            }
            if lists[i].priority < lists[other].priority { best = i }
        }
        return best
    }

    /// GICV_RPR: 0xff is idle.
    package var runningPriority: UInt8 {
        activePriorities == 0 ? 0xff : UInt8(activePriorities.trailingZeroBitCount << 3)
    }

    /// Whether `list` passes the priority mask and preempts what runs.
    package func canSignal(_ list: ListRegister) -> Bool {
        guard list.priority < machine.priorityMask else { return false }
        return activePriorities == 0
            || machine.groupPriority(list.priority, group1: list.isGroup1) < runningPriority
    }

    package var signalled: Int? { highestPending.flatMap { canSignal(lists[$0]) ? $0 : nil } }

    package var outputs: VirtualInterfaceOutputs {
        var outputs = VirtualInterfaceOutputs(maintenance: requestsMaintenance)
        if let i = signalled {
            if !lists[i].isGroup1 && machine.signalsFIQ { outputs.virtualFIQ = true } else { outputs.virtualIRQ = true }
        }
        return outputs
    }

    /// The first list register with this interrupt that satisfies `condition`.
    package func list(of virtualID: Int, where condition: (ListRegister) -> Bool) -> Int? {
        lists.firstIndex { $0.virtualID == virtualID && condition($0) }
    }

    /// Virtual interrupts that more than one valid list register has, which section 5.2 forbids.
    package var duplicates: Set<Int> {
        var seen: Set<Int> = []
        return Set(lists.filter { $0.isValid && !seen.insert($0.virtualID).inserted }.map(\.virtualID))
    }
}

/// The three wires of a virtual interface; true is asserted.
package struct VirtualInterfaceOutputs: Hashable, Sendable {
    package var virtualIRQ = false
    package var virtualFIQ = false
    package var maintenance = false
}

/// What an access leads to outside of the block.
package enum VirtualInterfaceEffect: Hashable, Sendable {
    /// nVIRQ changed.
    case virtualIRQ(Bool)
    case virtualFIQ(Bool)
    /// The maintenance interrupt, a level PPI of this CPU, changed.
    case maintenance(Bool)
    /// The guest ended an interrupt with the HW bit: the Distributor is to deactivate this one.
    case deactivatePhysical(Int)
    case mistake(VirtualInterfaceMistake)
}

/// What the manual calls UNPREDICTABLE or forbids, by the guest (GICV) or the hypervisor (GICH).
package enum VirtualInterfaceMistake: Hashable, Sendable {
    /// An access that is not 32 bits wide at a multiple of 4.
    case oddAccess(offset: UInt64)
    case reservedRegister(offset: UInt64)
    case readOnlyRegister(offset: UInt64)
    case writeOnlyRegister(offset: UInt64)
    /// An end with no priority active.
    case endWithoutInterrupt(Int)
    /// The end of an interrupt that no list register holds as active: it was counted.
    case unlistedEnd(Int)
    /// GICV_DIR with EOImode 0: ignored.
    case deactivateWithoutSplit(Int)
    /// Two valid list registers with one virtual interrupt.
    case duplicate(Int)
    /// A HW list register whose physical interrupt is an SGI or does not exist: nothing is deactivated.
    case impossiblePhysical(Int)
}

/// A read's value with its effects.
package struct VirtualInterfaceAccess: Equatable, Sendable {
    package var value: UInt32 = 0
    package var effects: [VirtualInterfaceEffect] = []
}

extension VirtualInterfaceOutputs {
    /// What changed since `before`.
    func effects(since before: Self) -> [VirtualInterfaceEffect] {
        var effects: [VirtualInterfaceEffect] = []
        if virtualIRQ != before.virtualIRQ { effects.append(.virtualIRQ(virtualIRQ)) }
        if virtualFIQ != before.virtualFIQ { effects.append(.virtualFIQ(virtualFIQ)) }
        if maintenance != before.maintenance { effects.append(.maintenance(maintenance)) }
        return effects
    }
}
