#if arch(arm64)
import CLinux
import Host

// SAFETY: `set` passes pointers to structures of exactly the type that each request takes, for the call only.

/// What a vCPU is made as (KVM_ARM_VCPU_INIT's argument).
package struct ProcessorKind: Sendable {
    fileprivate(set) var initialisation = kvm_vcpu_init()

    /// With firmware calls by HVC (PSCI 0.2 or later), which the kernel answers; if `isOff`, waiting for CPU_ON.
    package func starting(isOff: Bool) -> ProcessorKind {
        var kind = self
        kind.initialisation.features.0 |= 1 << UInt32(KVM_ARM_VCPU_PSCI_0_2)
        if isOff { kind.initialisation.features.0 |= 1 << UInt32(KVM_ARM_VCPU_POWER_OFF) }
        return kind
    }
}

extension VM {
    /// The kind of processor that this host has. The corresponding request is `KVM_ARM_PREFERRED_TARGET`.
    package func hostProcessor() throws(KVMError) -> ProcessorKind {
        var kind = ProcessorKind()
        try set("KVM_ARM_PREFERRED_TARGET", REQUEST_ARM_PREFERRED_TARGET, &kind.initialisation)
        return kind
    }

    /// Lets accesses that cannot be decoded exit, instead of failing KVM_RUN. The corresponding request is
    /// `KVM_ENABLE_CAP` for `KVM_CAP_ARM_NISV_TO_USER` (Linux 5.5).
    package func exitOnUndecodedAccesses() throws(KVMError) {
        var capability = kvm_enable_cap()
        capability.cap = UInt32(KVM_CAP_ARM_NISV_TO_USER)
        try set("KVM_ENABLE_CAP (KVM_CAP_ARM_NISV_TO_USER)", REQUEST_ENABLE_CAP, &capability)
    }
}
#endif
