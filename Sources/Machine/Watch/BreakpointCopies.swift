import Architecture
import Debugger
import KVM
import Primitives

// A breakpoint is on a linear address. The client's session plants it where the tables of the stopped vCPUs lead. Other
// tables may lead elsewhere, the guest may map the address later, and it may write over what is planted. So a free debug
// register serves it as well, and the running vCPUs look whenever they come out of the guest for something else, at the
// latest when HaltWatch calls: what is missing is planted, in addition, as a hidden breakpoint of the machine's own.
// Where debug registers see nothing of user mode, a hardware breakpoint is planted in the same way once its page is the
// user's.
// Left out: no host here exits for a load of CR3 or for a write to a page that holds code, so that what is planted only
// may be missed once between two looks.

struct BreakpointCopies {
    /// Addresses of breakpoints that running vCPUs check (see plantCopies).
    var followed: Set<VirtualAddress> = []
    /// Addresses of breakpoints that led nowhere, or elsewhere, at some stop.
    var unsteady: Set<VirtualAddress> = []
}

extension VirtualMachine {
    /// Addresses for which the debug registers that clients leave free are used as well; one is left for steps.
    func addCopies(of wanted: Arrangement, to registers: inout X86DebugRegisters) {
        let isReal = X86.mode(processors[0].registers) == .real
        guard
            isReal
                ? capabilities.real.executionBreakpoint && !plantsPortReads : capabilities.kernel.executionBreakpoint,
            !wanted.software.isEmpty, !guestUsesDebugRegisters
        else { return }
        // First those that lead elsewhere now and then, as far as is known.
        if x86.copies.unsteady.count > 1024 { x86.copies.unsteady = [] }
        x86.copies.unsteady.formUnion(wanted.software.filter { !wanted.planted.contains($0) })
        let first = wanted.software.intersection(x86.copies.unsteady).sorted()
        let rest = wanted.planted.all.lazy.map(\.address).filter { !self.x86.copies.unsteady.contains($0) }
        for address in (first + rest).prefix(max(0, registers.free - 1)) {
            _ = registers.add(X86DebugRegisters.Slot(address, .execute, length: 1))
        }
    }

    /// Those that the guest has set would be of no effect.
    private var guestUsesDebugRegisters: Bool {
        processors.contains { processor in
            processor.fetch(.debug)
            return X86.enablesBreakpoints(processor.registers)
        }
    }

    /// Whether a debug register sees every execution of `address` by the kernel.
    func hasRegister(for address: VirtualAddress) -> Bool {
        x86.debugRegisters.slots.contains { $0.access == .execute && $0.address == address }
    }

    /// Addresses that the running vCPUs must look after. Debug registers see nothing of user mode on some hosts.
    func findFollowed() {
        let seesUserMode = capabilities.user.executionBreakpoint
        x86.copies.followed = arrangement.software.filter { !seesUserMode || !hasRegister(for: $0) }
        if !seesUserMode { x86.copies.followed.formUnion(arrangement.execution) }
        shared.copies.withLock { copies in
            let stale = copies.filter { !hasBreakpoint(at: $0.value) }.map(\.key)
            hidden.liftCopies(at: stale)
            for place in stale { copies[place] = nil }
        }
    }

    /// Plants what `paging` leads to and is not planted.
    func plantCopies(_ paging: X86Paging) {
        for address in x86.copies.followed {
            guard let found = try? paging.translate(address, in: guestMemory),
                found.isPaged && found.isUser || arrangement.software.contains(address),
                hidden.plantCopy(at: found.physical)
            else { continue }
            shared.copies.withLock { $0[found.physical] = address }
        }
    }

    /// Before the machine runs.
    func plantCopies() {
        guard !x86.copies.followed.isEmpty, processors.count > 1 || !shared.copies.withLock(\.isEmpty) else { return }
        for processor in processors where X86.paging(processor.registers).isOn {
            plantCopies(X86.paging(processor.registers))
        }
    }

    /// Memory is written anew: none are left.
    func forgetCopies() {
        shared.copies.withLock { copies in
            hidden.liftCopies(at: Array(copies.keys))
            copies = [:]
        }
    }

    package func keep(_ place: PhysicalAddress, original: [UInt8], for address: VirtualAddress) -> Bool {
        guard canAdoptCopies, arrangement.planted.original(at: place) != nil else { return false }
        hidden.adoptCopy(at: place, original: original[0])
        x86.copies.unsteady.insert(address)
        shared.copies.withLock { $0[place] = address }
        return true
    }
}

extension Processor {
    /// After an exit that the guest continues from: plants breakpoints that may be missing.
    func followBreakpoints(after exit: Exit) throws(KVMError) {
        guard !machine.x86.copies.followed.isEmpty, breakpoints.lifted == nil else { return }
        try fetchRegisters()
        let paging = X86.paging(registers)
        guard exit == .interrupted || paging != breakpoints.followedPaging else { return }
        breakpoints.followedPaging = paging
        machine.plantCopies(paging)
    }
}
