import Architecture
import KVM
import Primitives

/// The host's CPUID answers as processor `index` of `count` gives them (Intel SDM volume 2, CPUID): its APIC ids, the
/// number of processors, and that there is a hypervisor.
func identify(_ entries: [CPUIDEntry], as index: Int, of count: Int) -> [CPUIDEntry] {
    entries.map { entry in
        var entry = entry
        switch entry.leaf {
        case 1:
            entry.ebx[bits: 24...31] = UInt32(index)
            entry.ebx[bits: 16...23] = UInt32(count)
            entry.ecx[bit: 31] = true
            entry.edx[bit: 28] = count > 1
        case 0xb, 0x1f: entry.edx = UInt32(index)
        default: break
        }
        return entry
    }
}

/// The same with or without a local APIC, and with its x2APIC mode and deadline timer or without: they take that accesses
/// to their registers can be answered.
func offer(_ entries: [CPUIDEntry], localAPIC: Bool, extended: Bool) -> [CPUIDEntry] {
    entries.map { entry in
        var entry = entry
        guard entry.leaf == 1 else { return entry }
        entry.ecx[bit: 21] = extended
        entry.ecx[bit: 24] = extended
        entry.edx[bit: 9] = localAPIC
        return entry
    }
}

/// The same with the deadline timer of the kernel's local APICs, which KVM leaves for others to offer (Linux's
/// Documentation/virt/kvm/api.rst, KVM_GET_SUPPORTED_CPUID).
func offerDeadlineTimer(_ entries: [CPUIDEntry]) -> [CPUIDEntry] {
    entries.map { entry in
        var entry = entry
        if entry.leaf == 1 { entry.ecx[bit: 24] = true }
        return entry
    }
}

extension X86ExtendedState {
    /// From what KVM offers a guest (Intel SDM volume 2, CPUID leaf 0xD). Leaf 1 is not asked: a KVM that is software
    /// may hide AVX there, and still carry its state.
    init(_ entries: [CPUIDEntry]) {
        let leaf = entries.filter { $0.leaf == 0xd }
        let main = leaf.first { $0.subleaf == 0 }
        self.init(
            supported: main.map { UInt64($0.edx) << 32 | UInt64($0.eax) } ?? 0,
            components: leaf.filter { $0.subleaf >= 2 }.map { (number: $0.subleaf, size: $0.eax, offset: $0.ebx) })
    }
}
