/// x86: a chip of the kernel's interrupt controllers, by KVM_GET_IRQCHIP's numbers.
package enum InterruptChip: Int, CaseIterable, Sendable {
    /// KVM_IRQCHIP_PIC_MASTER, `struct kvm_pic_state`.
    case masterPIC = 0
    /// KVM_IRQCHIP_PIC_SLAVE, `struct kvm_pic_state`.
    case slavePIC = 1
    /// KVM_IRQCHIP_IOAPIC, `struct kvm_ioapic_state`.
    case ioapic = 2
}
