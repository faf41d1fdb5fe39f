#if arch(x86_64)
import CLinux
import Host
import Primitives

// A vCPU whose local APIC is not the kernel's: Documentation/virt/kvm/api.rst, KVM_INTERRUPT and section 5 of kvm_run.
//
// SAFETY: the run page's fields are KVM's own, read and written between two runs by the vCPU's thread.
extension VCPU {
    /// Whether KVM_INTERRUPT would be taken at the next entry: RFLAGS.IF is set, no instruction shadows interrupts, and
    /// none is queued. As of the last exit.
    package var acceptsInterrupt: Bool { page.page.pointee.ready_for_interrupt_injection != 0 }

    /// Asks for an exit as soon as `acceptsInterrupt` would hold.
    package func requestInterruptWindow(_ on: Bool) { page.page.pointee.request_interrupt_window = on ? 1 : 0 }

    /// RFLAGS.IF as of the last exit.
    package var interruptsEnabled: Bool { page.page.pointee.if_flag != 0 }

    /// CR8, 0 to 15: after an exit the guest's value, which the next run loads again.
    package var taskPriority: UInt8 {
        get { UInt8(truncatingIfNeeded: page.page.pointee.cr8) }
        nonmutating set { page.page.pointee.cr8 = UInt64(newValue) }
    }

    /// RIP as of the last exit, where registers are synchronised; else 0.
    package var synchronisedInstructionPointer: UInt64 { page.page.pointee.s.regs.regs.rip }

    /// Queues a hardware interrupt; only while `acceptsInterrupt`. False where another one is queued and not taken yet,
    /// which only the kernel's local APIC reports. The corresponding request is `KVM_INTERRUPT`.
    package func interrupt(_ vector: UInt8) throws(KVMError) -> Bool {
        var request = kvm_interrupt(irq: UInt32(vector))
        do throws(KVMError) {
            try descriptor.set("KVM_INTERRUPT", REQUEST_INTERRUPT, &request)
            return true
        } catch {
            if error.errno == .exists { return false }
            throw error
        }
    }

    /// Queues a non-maskable interrupt. The corresponding request is `KVM_NMI`.
    package func interruptNonMaskably() throws(KVMError) {
        let number = descriptor.number
        try request("KVM_NMI") { clinux_ioctl_value(number, REQUEST_NMI, 0) }
    }

    /// The rate of its time stamp counter in kHz. The corresponding request is `KVM_GET_TSC_KHZ`.
    package func timeStampFrequency() throws(KVMError) -> UInt64 {
        let number = descriptor.number
        return UInt64(try request("KVM_GET_TSC_KHZ") { clinux_ioctl_value(number, REQUEST_GET_TSC_KHZ, 0) })
    }
}
#endif
