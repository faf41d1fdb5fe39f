#if arch(x86_64)
import CLinux
import Host

// SAFETY: `set` passes pointers to `kvm_xcrs` structures, for the call only.
extension VCPU {
    /// XCR0: which state components the guest's XSAVE manages. The corresponding request is `KVM_GET_XCRS`.
    package func extendedControl() throws(KVMError) -> UInt64 {
        var registers = kvm_xcrs()
        try descriptor.set("KVM_GET_XCRS", REQUEST_GET_XCRS, &registers)
        return registers.xcrs.0.value
    }

    /// The corresponding request is `KVM_SET_XCRS`.
    package func setExtendedControl(_ value: UInt64) throws(KVMError) {
        var registers = kvm_xcrs()
        registers.nr_xcrs = 1
        registers.xcrs.0 = kvm_xcr(xcr: 0, reserved: 0, value: value)
        try descriptor.set("KVM_SET_XCRS", REQUEST_SET_XCRS, &registers)
    }
}
#endif
