// GICH's register space: Arm IHI 0048B, section 5.3.

import Primitives

extension VirtualInterfaceControl {
    /// A register, decoded once.
    package enum Register: Hashable, Sendable {
        case hypervisorControl
        case type
        case machineControl
        case maintenanceStatus
        /// Word 0 or 1.
        case endStatus(Int)
        case emptyStatus(Int)
        case activePriorities
        /// 0 to 63, whether the block has it or not.
        case list(Int)

        /// Nil where the block has no register.
        package init?(offset: UInt64) {
            switch offset {
            case 0x00: self = .hypervisorControl
            case 0x04: self = .type
            case 0x08: self = .machineControl
            case 0x10: self = .maintenanceStatus
            case 0x20, 0x24: self = .endStatus(Int(offset - 0x20) / 4)
            case 0x30, 0x34: self = .emptyStatus(Int(offset - 0x30) / 4)
            case 0xf0: self = .activePriorities
            case 0x100..<0x200 where offset % 4 == 0: self = .list(Int(offset - 0x100) / 4)
            default: return nil
            }
        }

        package var isWritable: Bool {
            switch self {
            case .hypervisorControl, .machineControl, .activePriorities, .list: true
            case .type, .maintenanceStatus, .endStatus, .emptyStatus: false
            }
        }
    }

    /// GICH_VTR: the number of list registers less 1; five bits of group priority and five of priority.
    package var type: UInt32 { UInt32(lists.count - 1) | 4 << 26 | 4 << 29 }

    /// Reading has no effects.
    package func read(_ register: Register) -> UInt32 {
        switch register {
        case .hypervisorControl: control.rawValue
        case .type: type
        case .machineControl: machine.rawValue
        case .maintenanceStatus: maintenanceConditions.rawValue
        case .endStatus(let word): status(word, \.hasEnded)
        case .emptyStatus(let word): status(word, \.isEmpty)
        case .activePriorities: activePriorities
        case .list(let i): lists.indices.contains(i) ? lists[i].rawValue : 0
        }
    }

    /// A bit for each of the list registers 32 * word to 32 * word + 31.
    private func status(_ word: Int, _ bit: KeyPath<ListRegister, Bool>) -> UInt32 {
        var value: UInt32 = 0
        for i in lists.indices where i / 32 == word && lists[i][keyPath: bit] { value[bit: i % 32] = true }
        return value
    }

    package mutating func write(_ value: UInt32, to register: Register) -> [VirtualInterfaceEffect] {
        let before = outputs
        var effects: [VirtualInterfaceEffect] = []
        switch register {
        case .hypervisorControl: control = HypervisorControl(rawValue: value)
        case .machineControl: machine = VirtualMachineControl(rawValue: value)
        case .activePriorities: activePriorities = value
        case .list(let i) where lists.indices.contains(i):
            lists[i] = ListRegister(rawValue: value)
            if lists[i].isValid, duplicates.contains(lists[i].virtualID) {
                effects.append(.mistake(.duplicate(lists[i].virtualID)))
            }
        case .list, .type, .maintenanceStatus, .endStatus, .emptyStatus: break
        }
        return effects + outputs.effects(since: before)
    }

    /// An access by the hypervisor, `size` bytes at `offset`: other than aligned words reads 0 and writes nothing.
    package func read(offset: UInt64, size: Int) -> VirtualInterfaceAccess {
        guard size == 4, offset % 4 == 0 else {
            return VirtualInterfaceAccess(effects: [.mistake(.oddAccess(offset: offset))])
        }
        guard let register = Register(offset: offset) else {
            return VirtualInterfaceAccess(effects: [.mistake(.reservedRegister(offset: offset))])
        }
        return VirtualInterfaceAccess(value: read(register))
    }

    package mutating func write(_ value: UInt32, offset: UInt64, size: Int) -> [VirtualInterfaceEffect] {
        guard size == 4, offset % 4 == 0 else { return [.mistake(.oddAccess(offset: offset))] }
        guard let register = Register(offset: offset) else { return [.mistake(.reservedRegister(offset: offset))] }
        guard register.isWritable else { return [.mistake(.readOnlyRegister(offset: offset))] }
        return write(value, to: register)
    }
}
