/// The kernel's register structures of x86, each read and written whole.
package enum RegisterBlock: CaseIterable, Sendable {
    /// `struct kvm_regs`: KVM_GET_REGS, KVM_SET_REGS.
    case general
    /// `struct kvm_sregs`: KVM_GET_SREGS, KVM_SET_SREGS.
    case system
    /// `struct kvm_xsave`: KVM_GET_XSAVE, KVM_SET_XSAVE; the FPU requests leave MXCSR out.
    case floatingPoint
    /// `struct kvm_debugregs`: KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS.
    case debug
    /// `struct kvm_lapic_state`: the local APIC's 1 KiB of registers, with the kernel's interrupt controllers only.
    case localAPIC
    /// `struct kvm_mp_state`: whether the processor runs, sleeps or waits to be started.
    case activity
    /// `struct kvm_vcpu_events`: exceptions, interrupts and NMIs on their way.
    case events
}
