import Architecture
import Interrupts
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

/// The same where the local APICs are not the kernel's: with one that has these features, or without. What only the kernel's
/// local APICs do is not offered.
func offer(_ entries: [CPUIDEntry], localAPIC: LocalAPIC.Features?) -> [CPUIDEntry] {
    entries.map { entry in
        var entry = entry
        switch entry.leaf {
        case 1:
            entry.ecx[bit: 21] = localAPIC?.hasX2APIC == true
            entry.ecx[bit: 24] = localAPIC?.hasDeadlineTimer == true
            entry.edx[bit: 9] = localAPIC != nil
        // The local APIC's timer runs in every power state.
        case 6: if localAPIC == nil { entry.eax[bit: 2] = false }
        case 0x4000_0001: entry.eax &= ~ParavirtualFeature.ofKernelAPICs
        // AMD's copy of leaf 1.
        case 0x8000_0001: if localAPIC == nil { entry.edx[bit: 9] = false }
        default: break
        }
        return entry
    }
}

/// Bits of leaf 0x4000_0001 EAX (Linux's Documentation/virt/kvm/x86/cpuid.rst).
private enum ParavirtualFeature {
    /// Asynchronous page faults (4, 10, 14), EOI in memory (6), kicks of halted processors (7), IPIs by hypercall (11), a
    /// switch for the kernel's polling in HLT (12), yields to a processor by its APIC id (13), destinations beyond 8 bits
    /// (15).
    static let ofKernelAPICs: UInt32 = [4, 6, 7, 10, 11, 12, 13, 14, 15].reduce(0) { $0 | 1 << $1 }
}

/// The same with a name of the processor, where the host's KVM has none: kernels print it.
func name(_ entries: [CPUIDEntry]) -> [CPUIDEntry] {
    let leaves: ClosedRange<UInt32> = 0x8000_0002...0x8000_0004
    let isNamed = entries.contains { leaves.contains($0.leaf) && $0.eax | $0.ebx | $0.ecx | $0.edx != 0 }
    guard !isNamed, let top = entries.firstIndex(where: { $0.leaf == 0x8000_0000 }) else { return entries }
    var entries = entries
    entries[top].eax = max(entries[top].eax, leaves.upperBound)
    entries.removeAll { leaves.contains($0.leaf) }
    let text = Array("stubvisor virtual processor".utf8)
    let name = text + [UInt8](repeating: 0, count: 48 - text.count)
    for leaf in leaves {
        let offset = Int(leaf - leaves.lowerBound) * 16
        func word(_ index: Int) -> UInt32 { name.number(at: offset + index * 4, count: 4) }
        entries.append(
            CPUIDEntry(leaf: leaf, subleaf: 0, flags: 0, eax: word(0), ebx: word(1), ecx: word(2), edx: word(3)))
    }
    return entries
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

/// The same without what `choice` takes away. A host whose KVM shows a feature whatever it is told has it hidden with the whole
/// leaf, where a guest can do without that.
func restrict(
    _ entries: [CPUIDEntry], to choice: X86ProcessorChoice, forced: Set<X86Feature>
) -> [CPUIDEntry] {
    let leaves = Set(choice.removed.filter { forced.contains($0) && $0.leaf == 7 }.map(\.leaf))
    return entries.filter { !leaves.contains($0.leaf) }.map { entry in
        var entry = entry
        for feature in choice.removed where feature.leaf == entry.leaf && feature.subleaf == entry.subleaf {
            entry[feature.register][bit: feature.bit] = false
        }
        return entry
    }
}

extension CPUIDEntry {
    subscript(register: X86Feature.Register) -> UInt32 {
        get {
            switch register {
            case .eax: eax
            case .ebx: ebx
            case .ecx: ecx
            case .edx: edx
            }
        }
        set {
            switch register {
            case .eax: eax = newValue
            case .ebx: ebx = newValue
            case .ecx: ecx = newValue
            case .edx: edx = newValue
            }
        }
    }
}

/// How long the area of XSAVE is in its standard form (Intel SDM volume 1, section 13.4).
struct ExtendedStateArea {
    private var components: [(number: Int, end: Int)] = []

    init(_ entries: [CPUIDEntry] = []) {
        components = entries.filter { $0.leaf == 0xd && $0.subleaf >= 2 }.map {
            (Int($0.subleaf), Int($0.ebx) + Int($0.eax))
        }
    }

    /// With the components that `control`, a value of XCR0, has.
    func size(_ control: UInt64) -> Int {
        components.filter { $0.number < 64 && control[bit: $0.number] }.map(\.end).max() ?? 576
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
