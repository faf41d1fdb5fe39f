#if arch(x86_64)
import CLinux
import Host
import Primitives

extension VM {
    /// Three pages that Intel hosts without unrestricted guest mode need, at `address` (below 4 GiB, unused by the
    /// guest), and one more page before them. The corresponding requests are `KVM_SET_TSS_ADDR` and
    /// `KVM_SET_IDENTITY_MAP_ADDR`.
    package func reserveIntelPages(at address: PhysicalAddress) throws(KVMError) {
        let number = descriptor.number
        var identity = address.rawValue - 0x1000
        try set("KVM_SET_IDENTITY_MAP_ADDR", REQUEST_SET_IDENTITY_MAP_ADDR, &identity)
        try request("KVM_SET_TSS_ADDR") { clinux_ioctl_value(number, REQUEST_SET_TSS_ADDR, UInt(address.rawValue)) }
    }

    /// The kernel's local APICs, I/O APIC and 8259 pair, before any vCPU is made.
    /// The corresponding request is `KVM_CREATE_IRQCHIP`.
    package func makeInterruptControllers() throws(KVMError) {
        let number = descriptor.number
        try request("KVM_CREATE_IRQCHIP") { clinux_ioctl_value(number, REQUEST_CREATE_IRQCHIP, 0) }
    }

    /// The kernel's 8254 timer, with port 0x61. The corresponding request is `KVM_CREATE_PIT2`.
    package func makeTimer() throws(KVMError) {
        // SAFETY: the structure is the one that the request takes.
        var configuration = kvm_pit_config()
        configuration.flags = UInt32(KVM_PIT_SPEAKER_DUMMY)
        try set("KVM_CREATE_PIT2", REQUEST_CREATE_PIT2, &configuration)
    }
}
#endif
