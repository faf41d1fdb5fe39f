#if arch(x86_64)
import CLinux

// Capabilities whose bits exist on x86 only.
extension System {
    /// Whether the run page can carry the general and the system registers (KVM_CAP_SYNC_REGS).
    package var synchronisesRegisters: Bool {
        let blocks = Int32(KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS)
        return check(KVM_CAP_SYNC_REGS) & blocks == blocks
    }

    /// Whether a step can hold interrupts off (KVM_GUESTDBG_BLOCKIRQ, Linux 5.15). Kernels older than 5.13 do not say.
    package var blocksInterrupts: Bool { check(KVM_CAP_SET_GUEST_DEBUG2) & Int32(KVM_GUESTDBG_BLOCKIRQ) != 0 }
}
#endif
