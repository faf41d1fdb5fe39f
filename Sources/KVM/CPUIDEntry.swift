/// One answer of the CPUID instruction (`struct kvm_cpuid_entry2`, 40 bytes in the kernel's interface).
package struct CPUIDEntry: Equatable, Sendable {
    package var leaf: UInt32
    package var subleaf: UInt32
    /// KVM_CPUID_FLAG_SIGNIFCANT_INDEX (1): the subleaf matters.
    package var flags: UInt32
    package var eax: UInt32
    package var ebx: UInt32
    package var ecx: UInt32
    package var edx: UInt32

    static let size = 40

    package init(leaf: UInt32, subleaf: UInt32, flags: UInt32, eax: UInt32, ebx: UInt32, ecx: UInt32, edx: UInt32) {
        (self.leaf, self.subleaf, self.flags) = (leaf, subleaf, flags)
        (self.eax, self.ebx, self.ecx, self.edx) = (eax, ebx, ecx, edx)
    }
}
