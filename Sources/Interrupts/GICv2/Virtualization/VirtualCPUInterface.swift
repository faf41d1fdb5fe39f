// The virtual CPU interface, GICV: what a guest takes for its GICC. Arm IHI 0048B, sections 5.4 and 5.5.
//
// It has no interrupts of its own: an acknowledge or an end changes a list register. Where the manual says UNPREDICTABLE
// the model reports a mistake and takes the guest at its word: the named interrupt changes, if any, and no other.

import Primitives

/// One vCPU's interface, with the control block behind it.
package struct VirtualCPUInterface: Equatable, Sendable {
    /// GICH: the hypervisor's side of the same state.
    package var hypervisor: VirtualInterfaceControl
    /// GICV_IIDR.
    package let identification: UInt32

    package init(listRegisters: Int = 4, identification: UInt32 = 0x0202_143b) {
        hypervisor = VirtualInterfaceControl(listRegisters: listRegisters)
        self.identification = identification
    }

    /// A register, decoded once.
    package enum Register: Hashable, Sendable {
        case control
        case priorityMask
        case binaryPoint
        case acknowledge
        case end
        case runningPriority
        case highestPending
        case aliasedBinaryPoint
        case aliasedAcknowledge
        case aliasedEnd
        case aliasedHighestPending
        /// Word 0 to 3; with five bits of priority only word 0 holds anything.
        case activePriorities(Int)
        case identification
        case deactivate

        /// Nil where the interface has no register.
        package init?(offset: UInt64) {
            switch offset {
            case 0x00: self = .control
            case 0x04: self = .priorityMask
            case 0x08: self = .binaryPoint
            case 0x0c: self = .acknowledge
            case 0x10: self = .end
            case 0x14: self = .runningPriority
            case 0x18: self = .highestPending
            case 0x1c: self = .aliasedBinaryPoint
            case 0x20: self = .aliasedAcknowledge
            case 0x24: self = .aliasedEnd
            case 0x28: self = .aliasedHighestPending
            case 0xd0, 0xd4, 0xd8, 0xdc: self = .activePriorities(Int(offset - 0xd0) / 4)
            case 0xfc: self = .identification
            case 0x1000: self = .deactivate
            default: return nil
            }
        }

        package var isReadable: Bool { self != .end && self != .aliasedEnd && self != .deactivate }

        package var isWritable: Bool {
            switch self {
            case .control, .priorityMask, .binaryPoint, .end, .aliasedBinaryPoint, .aliasedEnd, .activePriorities,
                .deactivate:
                true
            case .acknowledge, .runningPriority, .highestPending, .aliasedAcknowledge, .aliasedHighestPending,
                .identification:
                false
            }
        }
    }

    // MARK: Reading

    /// What a read would give, without its effect.
    package func inspect(_ register: Register) -> UInt32 {
        switch register {
        case .control: hypervisor.machine.control
        case .priorityMask: UInt32(hypervisor.machine.priorityMask)
        case .binaryPoint: hypervisor.machine.binaryPoint
        case .aliasedBinaryPoint: hypervisor.machine.aliasedBinaryPoint
        case .acknowledge: identifier(hypervisor.signalled, aliased: false)
        case .aliasedAcknowledge: identifier(hypervisor.signalled, aliased: true)
        case .runningPriority: UInt32(hypervisor.runningPriority)
        case .highestPending: identifier(hypervisor.highestPending, aliased: false)
        case .aliasedHighestPending: identifier(hypervisor.highestPending, aliased: true)
        case .activePriorities(let word): word == 0 ? hypervisor.activePriorities : 0
        case .identification: identification
        case .end, .aliasedEnd, .deactivate: 0
        }
    }

    /// The interrupt in a list register as IAR and HPPIR spell it. 1023 is none, 1022 one of group 1 that the register
    /// does not give because AckCtl is 0; the aliased registers give group 1 only.
    private func identifier(_ index: Int?, aliased: Bool) -> UInt32 {
        guard let index else { return 1023 }
        let list = hypervisor.lists[index]
        if aliased {
            if !list.isGroup1 { return 1023 }
        } else if list.isGroup1, !hypervisor.machine.acknowledgesGroup1 {
            return 1022
        }
        return UInt32(list.virtualID) | (list.isSoftwareGenerated ? UInt32(list.source) << 10 : 0)
    }

    package mutating func read(_ register: Register) -> VirtualInterfaceAccess {
        let value = inspect(register)
        guard register == .acknowledge || register == .aliasedAcknowledge, value & 0x3ff < 1020,
            let index = hypervisor.signalled
        else { return VirtualInterfaceAccess(value: value) }
        let before = hypervisor.outputs
        let list = hypervisor.lists[index]
        let priority = hypervisor.machine.groupPriority(list.priority, group1: list.isGroup1)
        hypervisor.lists[index].state = .active
        hypervisor.activePriorities[bit: Int(priority >> 3)] = true
        return VirtualInterfaceAccess(value: value, effects: hypervisor.outputs.effects(since: before))
    }

    // MARK: Writing

    package mutating func write(_ value: UInt32, to register: Register) -> [VirtualInterfaceEffect] {
        let before = hypervisor.outputs
        var effects: [VirtualInterfaceEffect] = []
        switch register {
        case .control: hypervisor.machine.control = value
        case .priorityMask: hypervisor.machine.priorityMask = UInt8(truncatingIfNeeded: value)
        case .binaryPoint: hypervisor.machine.binaryPoint = value
        case .aliasedBinaryPoint: hypervisor.machine.aliasedBinaryPoint = value
        case .end, .aliasedEnd: effects = end(Int(value & 0x3ff))
        case .deactivate: effects = deactivate(Int(value & 0x3ff))
        case .activePriorities(let word): if word == 0 { hypervisor.activePriorities = value }
        case .acknowledge, .runningPriority, .highestPending, .aliasedAcknowledge, .aliasedHighestPending,
            .identification:
            break
        }
        return effects + hypervisor.outputs.effects(since: before)
    }

    /// Priority drop, and with EOImode 0 deactivation. Identifiers from 1020 are ignored.
    private mutating func end(_ id: Int) -> [VirtualInterfaceEffect] {
        guard id < 1020 else { return [] }
        let drops = hypervisor.activePriorities != 0
        hypervisor.activePriorities &= hypervisor.activePriorities &- 1
        let mistakes: [VirtualInterfaceEffect] = drops ? [] : [.mistake(.endWithoutInterrupt(id))]
        if hypervisor.machine.splitsEnd { return mistakes }
        guard let index = hypervisor.list(of: id, where: \.isActive) else {
            // "EOIs that do not clear a bit in GICH_APR do not cause an increment."
            return drops ? countUnlisted(id) : mistakes
        }
        return mistakes + deactivate(at: index)
    }

    private mutating func deactivate(_ id: Int) -> [VirtualInterfaceEffect] {
        guard id < 1020 else { return [] }
        guard hypervisor.machine.splitsEnd else { return [.mistake(.deactivateWithoutSplit(id))] }
        guard let index = hypervisor.list(of: id, where: \.isActive) else { return countUnlisted(id) }
        return deactivate(at: index)
    }

    private mutating func countUnlisted(_ id: Int) -> [VirtualInterfaceEffect] {
        hypervisor.control.endCount += 1
        return [.mistake(.unlistedEnd(id))]
    }

    private mutating func deactivate(at index: Int) -> [VirtualInterfaceEffect] {
        hypervisor.lists[index].isActive = false
        let list = hypervisor.lists[index]
        guard list.isHardware else { return [] }
        guard (16..<1020).contains(list.physicalID) else { return [.mistake(.impossiblePhysical(list.physicalID))] }
        return [.deactivatePhysical(list.physicalID)]
    }

    // MARK: Accesses by offset

    /// An access by the guest, `size` bytes at `offset`: other than aligned words reads 0 and writes nothing.
    package mutating func read(offset: UInt64, size: Int) -> VirtualInterfaceAccess {
        guard size == 4, offset % 4 == 0 else {
            return VirtualInterfaceAccess(effects: [.mistake(.oddAccess(offset: offset))])
        }
        guard let register = Register(offset: offset) else {
            return VirtualInterfaceAccess(effects: [.mistake(.reservedRegister(offset: offset))])
        }
        guard register.isReadable else {
            return VirtualInterfaceAccess(effects: [.mistake(.writeOnlyRegister(offset: offset))])
        }
        return read(register)
    }

    package mutating func write(_ value: UInt32, offset: UInt64, size: Int) -> [VirtualInterfaceEffect] {
        guard size == 4, offset % 4 == 0 else { return [.mistake(.oddAccess(offset: offset))] }
        guard let register = Register(offset: offset) else { return [.mistake(.reservedRegister(offset: offset))] }
        guard register.isWritable else { return [.mistake(.readOnlyRegister(offset: offset))] }
        return write(value, to: register)
    }
}
