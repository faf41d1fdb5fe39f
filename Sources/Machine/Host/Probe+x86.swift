import Architecture
import Boot
import Host
import Interrupts
import KVM
import Primitives

/// Learns what the host's KVM really does, with a machine that lives for a few milliseconds.
///
/// Its guest is a few instructions on one page, run in real mode and at CPL 0 and CPL 3 of long mode. Exceptions lead
/// to handlers that write their vector to a port, so what reaches the guest is seen too.
final class Probe {
    private let vm: VM
    private let vcpu: VCPU
    private let memory: GuestMemory
    /// The vCPU's registers as it came.
    private var fresh = RegisterFile(size: X86.Storage.size)

    enum Level { case real, kernel, user }

    /// What a run of the probe's guest ended with.
    private enum Outcome: Equatable {
        case debug(code: UInt64, at: VirtualAddress, status: UInt64)
        case emulationFailure
        case guestException(UInt64)
        case memoryRead(address: PhysicalAddress)
        case memoryWrite(address: PhysicalAddress, data: UInt64)
        case portRead
        case registerWrite(UInt32)
        case other
    }

    /// Runs all the experiments, on the calling thread.
    static func run(_ system: borrowing System) throws(KVMError) -> HostDebugCapabilities {
        var found = HostDebugCapabilities()
        found.step.blocksInterrupts = system.blocksInterrupts
        found.synchronisesRegisters = system.synchronisesRegisters
        found.filtersRegisters = system.filtersRegisters
        found.hasDeadlineTimer = system.hasDeadlineTimer
        found.hasLocalAPICsAlone = system.hasLocalAPICsAlone
        found.maximumProcessors = max(1, system.maximumVCPUs)
        let probe = try Probe(system)
        found.kernel = try probe.examine(.kernel)
        found.real = try probe.examine(.real)
        found.step.persists = try probe.stepPersists()
        found.step.showsTrapFlag = try probe.showsTrapFlag()
        found.removedMemoryExits = try probe.removedMemoryExits()
        if system.hasReadOnlyMemory { found.readOnlyMemoryExits = try probe.readOnlyMemoryExits() }
        if system.filtersRegisters { found.filtersDeadline = try probe.deadlineExits() }
        if found.emulatesKernelMode { found.forcedFeatures = try probe.forcedFeatures(try system.supportedProcessor()) }
        // Last: a host that mishandles user mode may leave the vCPU in no good state.
        found.user = try probe.examine(.user)
        found.userInterrupts = try probe.run(ProbeGuest.interrupt, .user, GuestDebug()) == .guestException(31)
        _ = try probe.vcpu.setModelSpecific(X86.SystemCall.segments, to: ProbeGuest.systemCallSegments)
        _ = try probe.vcpu.setModelSpecific(X86.SystemCall.target, to: ProbeGuest.handler(31))
        found.userSystemCalls = try probe.run(ProbeGuest.systemCall, .user, GuestDebug()) == .guestException(31)
        return found
    }

    private init(_ system: borrowing System) throws(KVMError) {
        vm = try system.makeVM()
        memory = try ProbeGuest.memory()
        try vm.reserveIntelPages(at: X86Board.intelPages)
        let readOnly = ProbeGuest.untouched
        let start = PhysicalAddress(0)
        try vm.setMemory(slot: 0, guest: start, host: memory.host(start), count: Int(readOnly.rawValue))
        let after = readOnly + 0x1000
        try vm.setMemory(slot: 1, guest: after, host: memory.host(after), count: 0x8000)
        vcpu = try vm.makeVCPU(0)
        try vcpu.setProcessor(try system.supportedProcessor())
        _ = vcpu.adoptCurrentThread()
        try vcpu.get(.general, into: &fresh.storage, at: X86.Storage.general)
        try vcpu.get(.system, into: &fresh.storage, at: X86.Storage.system)
    }

    private func examine(_ level: Level) throws(KVMError) -> HostDebugCapabilities.Level {
        var found = HostDebugCapabilities.Level()
        let code = VirtualAddress(ProbeGuest.code)

        var debug = GuestDebug()
        debug.softwareBreakpoints = true
        switch try run(ProbeGuest.breakpoint, level, debug) {
        case .debug(code: 3, _, _): found.breakpoint = .debugExit
        case .emulationFailure: found.breakpoint = .emulationFailure
        case .guestException(3): found.breakpoint = .guest
        default: found.breakpoint = .unknown
        }

        found.portReadExits = try portReadExits(level)

        debug = GuestDebug()
        debug.singleStep = true
        if case .debug(code: 1, at: code + 1, _) = try run(ProbeGuest.plain, level, debug) { found.singleStep = true }

        debug = slot(X86DebugRegisters.Slot(code + 1, .execute, length: 1))
        if case .debug(code: 1, at: code + 1, _) = try run(ProbeGuest.plain, level, debug) {
            found.executionBreakpoint = true
        }

        debug = slot(X86DebugRegisters.Slot(VirtualAddress(ProbeGuest.data), .write, length: 1))
        if case .debug(code: 1, _, let status) = try run(ProbeGuest.store, level, debug), status[bit: 0] {
            found.dataBreakpoint = true
        }
        return found
    }

    /// Whether a port read exits before it has done anything, and is as if it had not been once it is taken back.
    private func portReadExits(_ level: Level) throws(KVMError) -> Bool {
        guard try run(ProbeGuest.portRead, level, GuestDebug()) == .portRead else { return false }
        var file = fresh
        try vcpu.get(.general, into: &file.storage, at: X86.Storage.general)
        guard X86.instructionOffset(file) == ProbeGuest.code else { return false }
        try vcpu.takeBackPortRead(with: file)
        vcpu.clearKick()
        var after = fresh
        try vcpu.get(.general, into: &after.storage, at: X86.Storage.general)
        // What comes in its place now is executed, and it alone.
        _ = memory.write(PhysicalAddress(ProbeGuest.code), ProbeGuest.plain[...])
        var debug = GuestDebug()
        debug.singleStep = true
        try vcpu.setGuestDebug(debug)
        guard case .debug(code: 1, at: VirtualAddress(ProbeGuest.code) + 1, _) = try outcome() else { return false }
        return after.storage == file.storage
    }

    /// Steps over POPF, which clears the trap flag, and two more instructions, arming only once.
    private func stepPersists() throws(KVMError) -> Bool {
        var debug = GuestDebug()
        debug.singleStep = true
        var outcome = try run(ProbeGuest.loadFlags, .kernel, debug)
        for step in 1...3 {
            guard case .debug(code: 1, at: VirtualAddress(ProbeGuest.code) + step, _) = outcome else { return false }
            if step < 3 { outcome = try self.outcome() }
        }
        return true
    }

    /// Steps over PUSHF.
    private func showsTrapFlag() throws(KVMError) -> Bool {
        var debug = GuestDebug()
        debug.singleStep = true
        let outcome = try run(ProbeGuest.storeFlags, .kernel, debug)
        guard case .debug(code: 1, at: VirtualAddress(ProbeGuest.code) + 1, _) = outcome else { return false }
        return memory.load(ProbeGuest.storedFlags, size: 8) & X86.trapFlag != 0
    }

    /// A load and a store where there is no memory: the load takes the value it is answered with.
    private func removedMemoryExits() throws(KVMError) -> Bool {
        let place = ProbeGuest.untouched
        guard try run(ProbeGuest.load, .kernel, GuestDebug(), data: place.rawValue) == .memoryRead(address: place)
        else { return false }
        vcpu.answerMMIO(ProbeGuest.loadedByte)
        _ = try vcpu.complete()
        vcpu.clearKick()
        var file = fresh
        try vcpu.get(.general, into: &file.storage, at: X86.Storage.general)
        guard file.number(X86.layout64[name: "rax"]!) == ProbeGuest.loadedByte else { return false }
        return try exits(storing: place)
    }

    private func readOnlyMemoryExits() throws(KVMError) -> Bool {
        try vm.setMemory(
            slot: 2, guest: ProbeGuest.untouched, host: memory.host(ProbeGuest.untouched), count: 0x1000, readOnly: true
        )
        return try exits(storing: ProbeGuest.untouched)
    }

    /// Whether a store to `place` exits with its data.
    private func exits(storing place: PhysicalAddress) throws(KVMError) -> Bool {
        let found = try run(ProbeGuest.store, .kernel, GuestDebug(), data: place.rawValue)
        if case .memoryWrite = found { _ = try vcpu.complete() }
        vcpu.clearKick()
        return found == .memoryWrite(address: place, data: ProbeGuest.storedByte)
    }

    /// Whether a write to IA32_TSC_DEADLINE exits. With the preemption timer of VT-x, KVM handles that write before it looks at
    /// the filter, and drops it where the local APIC is not the kernel's (handle_fastpath_set_tscdeadline).
    private func deadlineExits() throws(KVMError) -> Bool {
        let register = LocalAPIC.deadlineRegister
        try vm.exitOnFilteredRegisters(andUnknown: false)
        try vm.filter([FilteredRegister(index: register, reads: true)])
        let exits = try run(ProbeGuest.writeDeadline, .kernel, GuestDebug()) == .registerWrite(register)
        if exits {
            vcpu.answerRegister(0)
            _ = try vcpu.complete()
            vcpu.clearKick()
        }
        try vm.filter([])
        return exits
    }

    /// What a processor shows that was given none of the features there are.
    private func forcedFeatures(_ entries: [CPUIDEntry]) throws(KVMError) -> Set<X86Feature> {
        let bare = try vm.makeVCPU(1)
        try bare.setProcessor(
            restrict(entries, to: X86ProcessorChoice(removing: X86Feature.table), forced: []))
        _ = memory.write(PhysicalAddress(ProbeGuest.code), ProbeGuest.identification[...])
        var found: Set<X86Feature> = []
        for leaf in Set(X86Feature.table.map(\.leaf)) {
            var file = fresh
            ProbeGuest.prepare(&file, .real, data: 0)
            X86.setGeneral(0, &file, to: UInt64(leaf))
            X86.setGeneral(1, &file, to: 0)
            try bare.set(.system, from: file.storage, at: X86.Storage.system)
            try bare.set(.general, from: file.storage, at: X86.Storage.general)
            try bare.setActivity(.runnable)
            guard try bare.run() == .halt else { return [] }
            try bare.get(.general, into: &file.storage, at: X86.Storage.general)
            func value(_ number: UInt8) -> UInt32 { UInt32(truncatingIfNeeded: X86.general(number, file)) }
            let answer = CPUIDEntry(
                leaf: leaf, subleaf: 0, flags: 0, eax: value(0), ebx: value(3), ecx: value(1), edx: value(2))
            for feature in X86Feature.table where feature.leaf == leaf && feature.subleaf == 0 {
                if answer[feature.register][bit: feature.bit] { found.insert(feature) }
            }
        }
        return found
    }

    private func slot(_ slot: X86DebugRegisters.Slot) -> GuestDebug {
        var registers = X86DebugRegisters()
        _ = registers.add(slot)
        var debug = GuestDebug()
        debug.addresses = registers.addresses
        debug.control = registers.control
        return debug
    }

    /// Runs `code` from its start at `level` until something comes out.
    private func run(
        _ code: [UInt8], _ level: Level, _ debug: GuestDebug, data: UInt64 = ProbeGuest.data
    ) throws(KVMError) -> Outcome {
        _ = memory.write(PhysicalAddress(ProbeGuest.code), code[...])
        var file = fresh
        ProbeGuest.prepare(&file, level, data: data)
        try vcpu.set(.system, from: file.storage, at: X86.Storage.system)
        try vcpu.set(.general, from: file.storage, at: X86.Storage.general)
        try vcpu.setGuestDebug(debug)
        return try outcome()
    }

    private func outcome() throws(KVMError) -> Outcome {
        switch try vcpu.run() {
        case .debug(let event): return .debug(code: event.code, at: event.programCounter, status: event.status)
        case .internalError(.emulation, _): return .emulationFailure
        case .io(let access) where access.port == UInt16(ProbeGuest.vectorPort) && access.isWrite:
            return .guestException(UInt64(vcpu.value(access, unit: 0)))
        case .io(let access) where access.port == UInt16(ProbeGuest.readPort) && !access.isWrite: return .portRead
        case .mmioRead(let address, _): return .memoryRead(address: address)
        case .mmioWrite(let address, let data, _): return .memoryWrite(address: address, data: data & 0xff)
        case .registerWrite(let index, _, _): return .registerWrite(index)
        default: return .other
        }
    }
}
