import Architecture
import Debugger
import Host
import Interrupts
import KVM
import Primitives

// What `monitor catch` asks of vCPUs and of KVM.
extension VirtualMachine {
    var caughtVectors: Set<UInt8> {
        arrangement.catches.reduce(into: []) { if case .exceptions(let vectors) = $1.kind { $0.formUnion(vectors) } }
    }

    var caughtRegisters: Set<UInt32> { Self.registers(arrangement.catches) }

    var catchesHalts: Bool { arrangement.catches.contains { $0.kind == .halt } }

    private static func registers(_ catches: [Catch]) -> Set<UInt32> {
        catches.reduce(into: []) { if case .register(let index) = $1.kind { $0.insert(index) } }
    }

    /// Refuses what this host cannot catch.
    func check(_ catches: [Catch]) throws(Refusal) {
        for case .interrupt(let line, let kind) in catches.map(\.kind) {
            try interruptController.checkCatch(line, kind)
        }
        let registers = Self.registers(catches)
        let room = FilteredRegister.maximumCount - (watchesSystemCalls ? 1 : 0)
        guard registers.isEmpty || capabilities.filtersRegisters else {
            throw Refusal("this host's KVM cannot hold back accesses to MSRs; Linux 5.10 or later can")
        }
        guard registers.count <= room else { throw Refusal("\(room) MSRs can be caught at once") }
        if let register = registers.first(where: { (0x800...0x8ff).contains($0) }) {
            throw Refusal("KVM never holds back the x2APIC's MSRs, such as \(hexadecimal(register))")
        }
        guard capabilities.filtersDeadline || !registers.contains(LocalAPIC.deadlineRegister) else {
            throw Refusal("this host's KVM handles writes of IA32_TSC_DEADLINE itself: they cannot be caught")
        }
    }

    /// Loading the kernel's entry for SYSCALL is a sign that user mode is near, and its handlers must be known by then.
    private var watchesSystemCalls: Bool { capabilities.filtersRegisters && !capabilities.debugsUserMode }

    /// Gives KVM the accesses to MSRs that must exit, where those have changed.
    func applyFilter() {
        guard x86.filter.isStale, capabilities.filtersRegisters else { return }
        x86.filter.isStale = false
        var wanted = caughtRegisters.sorted().map { FilteredRegister(index: $0, reads: true) }
        let entry = X86.SystemCall.target
        if watchesSystemCalls, !caughtRegisters.contains(entry) {
            wanted.append(FilteredRegister(index: entry, reads: false))
        }
        wanted += interruptController.filteredRegisters.map { FilteredRegister(index: $0, reads: true) }
        guard wanted != x86.filter.registers else { return }
        do throws(KVMError) {
            try vm.filter(wanted)
            x86.filter.registers = wanted
        } catch {
            diagnose(.registerFilter, "MSRs may not be caught: \(error)")
        }
    }
}
