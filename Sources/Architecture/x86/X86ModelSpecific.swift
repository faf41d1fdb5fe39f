/// Model-specific registers that people know by name: Intel SDM volume 4, AMD APM volume 2, appendix A, and the kernel's
/// Documentation/virt/kvm/x86/msr.rst.
package enum X86ModelSpecific {
    /// Names in upper case.
    package static let names: [(name: String, index: UInt32)] = [
        ("TSC", 0x10), ("APIC_BASE", 0x1b), ("FEATURE_CONTROL", 0x3a), ("TSC_ADJUST", 0x3b), ("SPEC_CTRL", 0x48),
        ("MTRRCAP", 0xfe), ("ARCH_CAPABILITIES", 0x10a), ("SYSENTER_CS", 0x174), ("SYSENTER_ESP", 0x175),
        ("SYSENTER_EIP", 0x176), ("MCG_CAP", 0x179), ("MCG_STATUS", 0x17a), ("MISC_ENABLE", 0x1a0),
        ("DEBUGCTL", 0x1d9), ("PAT", 0x277), ("MTRR_DEF_TYPE", 0x2ff), ("TSC_DEADLINE", 0x6e0), ("XSS", 0xda0),
        ("KVM_WALL_CLOCK", 0x4b56_4d00), ("KVM_SYSTEM_TIME", 0x4b56_4d01), ("EFER", 0xc000_0080),
        ("STAR", 0xc000_0081), ("LSTAR", 0xc000_0082), ("CSTAR", 0xc000_0083), ("FMASK", 0xc000_0084),
        ("FS_BASE", 0xc000_0100), ("GS_BASE", 0xc000_0101), ("KERNEL_GS_BASE", 0xc000_0102),
        ("TSC_AUX", 0xc000_0103),
    ]

    /// What the name, in any case, with or without gdb's or a manual's prefix `MSR_` or `IA32_`, stands for.
    package static func index(named name: some StringProtocol) -> UInt32? {
        var name = name.uppercased()
        for prefix in ["MSR_", "IA32_"] where name.hasPrefix(prefix) { name.removeFirst(prefix.count) }
        return names.first { $0.name == name }?.index
    }

    package static func name(of index: UInt32) -> String? { names.first { $0.index == index }?.name }

    /// TSC.
    package static let timeStamp: UInt32 = 0x10
    /// TSC_AUX: what RDTSCP and RDPID give besides.
    package static let processorNumber: UInt32 = 0xc000_0103

    /// Whether the register moves by itself, so that it never reads back as written.
    package static func isClock(_ index: UInt32) -> Bool { index == timeStamp }
}
