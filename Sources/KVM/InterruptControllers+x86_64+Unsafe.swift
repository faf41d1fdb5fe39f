#if arch(x86_64)
import CLinux
import Host

// SAFETY: `set` passes pointers to structures of exactly the type that each request takes, for the call only.

/// The state of the kernel's interrupt controllers and timer that belong to no vCPU: the 8259 pair, the I/O APIC, the
/// 8254: to be put back as it was, or looked at.
package struct InterruptControllerState: Sendable {
    fileprivate var chips: [kvm_irqchip] = []
    fileprivate var timer = kvm_pit_state2()

    /// Whether one of the 8259s has delivered `vector` and waits for its end; true for each vector of one that does
    /// not wait.
    package func isInService(_ vector: UInt8) -> Bool {
        chips.prefix(2).contains { chip in
            let state = chip.chip.pic
            guard vector & ~7 == state.irq_base & ~7 else { return false }
            return state.auto_eoi != 0 || state.isr >> (vector & 7) & 1 != 0
        }
    }

    /// The bytes of one chip.
    package func bytes(of chip: InterruptChip) -> [UInt8] {
        withUnsafeBytes(of: chips[chip.rawValue].chip) { Array($0) }
    }

    package mutating func setBytes(_ bytes: [UInt8], of chip: InterruptChip) {
        withUnsafeMutableBytes(of: &chips[chip.rawValue].chip) { $0.copyBytes(from: bytes.prefix($0.count)) }
    }
}

extension VM {
    /// The corresponding requests are `KVM_GET_IRQCHIP` and, where there is one, `KVM_GET_PIT2`.
    package func interruptControllerState(withTimer: Bool = true) throws(KVMError) -> InterruptControllerState {
        var state = InterruptControllerState()
        for number in InterruptChip.allCases {
            var chip = kvm_irqchip()
            chip.chip_id = UInt32(number.rawValue)
            try set("KVM_GET_IRQCHIP", REQUEST_GET_IRQCHIP, &chip)
            state.chips.append(chip)
        }
        if withTimer { try set("KVM_GET_PIT2", REQUEST_GET_PIT2, &state.timer) }
        return state
    }

    /// The corresponding requests are `KVM_SET_IRQCHIP` and `KVM_SET_PIT2`.
    package func setInterruptControllers(_ state: InterruptControllerState) throws(KVMError) {
        for var chip in state.chips { try set("KVM_SET_IRQCHIP", REQUEST_SET_IRQCHIP, &chip) }
        var timer = state.timer
        try set("KVM_SET_PIT2", REQUEST_SET_PIT2, &timer)
    }
}
#endif
