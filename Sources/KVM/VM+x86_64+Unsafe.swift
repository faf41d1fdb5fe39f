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

    /// The kernel's local APICs alone, before any vCPU is made: the I/O APIC, of `pins` pins, and the 8259 pair are
    /// elsewhere. The corresponding request is `KVM_ENABLE_CAP` for `KVM_CAP_SPLIT_IRQCHIP`.
    package func makeLocalAPICs(pins: Int) throws(KVMError) {
        var capability = kvm_enable_cap()
        capability.cap = UInt32(KVM_CAP_SPLIT_IRQCHIP)
        capability.args.0 = UInt64(pins)
        try set("KVM_ENABLE_CAP (KVM_CAP_SPLIT_IRQCHIP)", REQUEST_ENABLE_CAP, &capability)
    }

    /// Lets accesses to model-specific registers that the filter holds back exit, instead of faulting; with `andUnknown`
    /// those too that KVM does not know, or whose value it does not take.
    /// The corresponding request is `KVM_ENABLE_CAP` for `KVM_CAP_X86_USER_SPACE_MSR`.
    package func exitOnFilteredRegisters(andUnknown: Bool) throws(KVMError) {
        var capability = kvm_enable_cap()
        capability.cap = UInt32(KVM_CAP_X86_USER_SPACE_MSR)
        let others = andUnknown ? KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL : 0
        capability.args.0 = UInt64(KVM_MSR_EXIT_REASON_FILTER | others)
        try set("KVM_ENABLE_CAP", REQUEST_ENABLE_CAP, &capability)
    }

    /// Holds back the guest's accesses to exactly these registers, at most 16. The kernel never holds back those of the
    /// x2APIC (0x800 to 0x8ff). The corresponding request is `KVM_X86_SET_MSR_FILTER`.
    package func filter(_ registers: [FilteredRegister]) throws(KVMError) {
        precondition(registers.count <= Int(KVM_MSR_FILTER_MAX_RANGES), "more registers than the filter has ranges")
        var filter = kvm_msr_filter()
        // SAFETY: one bit says that the only register of a range is denied; the kernel copies it during the request,
        // and `denied` lives until then.
        let denied = UnsafeMutablePointer<UInt8>.allocate(capacity: 8)
        denied.initialize(repeating: 0, count: 8)
        defer { denied.deallocate() }
        withUnsafeMutableBytes(of: &filter.ranges) { bytes in
            let ranges = bytes.bindMemory(to: kvm_msr_filter_range.self)
            for (i, register) in registers.enumerated() {
                let flags = (register.reads ? KVM_MSR_FILTER_READ : 0) | KVM_MSR_FILTER_WRITE
                ranges[i] = kvm_msr_filter_range(
                    flags: UInt32(flags), nmsrs: 1, base: register.index, bitmap: denied)
            }
        }
        try set("KVM_X86_SET_MSR_FILTER", REQUEST_X86_SET_MSR_FILTER, &filter)
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
