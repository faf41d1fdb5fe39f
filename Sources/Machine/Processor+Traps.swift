import Architecture
import Debugger
import KVM
import Primitives

// Accesses to pages that watchpoints trap. Each exits as MMIO and is applied to memory here; one that touches what is
// watched stops the machine behind its whole instruction, however many accesses that makes.
extension Processor {
    /// Whether an access is to memory, and so to a trapped page; else it is a device's.
    func isTrapped(_ exit: Exit) -> Bool {
        switch exit {
        case .mmioRead(let address, let size), .mmioWrite(let address, _, let size):
            machine.guestMemory.contains(address, count: size)
        default: false
        }
    }

    /// Answers an access to a trapped page, and what else its instruction accesses where the machine is to stop.
    func trapped(_ exit: Exit) throws(KVMError) -> Outcome {
        // KVM completes an atomic instruction in two exits, between which no other vCPU may run.
        if case .mmioRead = exit, machine.processors.count > 1, try isAtomic() {
            return try undisturbed { () throws(KVMError) in
                perform(exit)
                return try finishTrapped()
            }
        }
        perform(exit)
        return touched.isEmpty || isGathering ? .goOn : try finishTrapped()
    }

    private func isAtomic() throws(KVMError) -> Bool {
        try fetchRegisters()
        let bytes = machine.instruction(at: programCounter, seenBy: self)
        return X86Instruction.isAtomic(bytes, isLong: X86.mode(registers) == .long)
    }

    private func perform(_ exit: Exit) {
        switch exit {
        case .mmioRead(let address, let size):
            vcpu.answerMMIO(machine.guestMemory.load(address, size: size))
            note(address, size, isWrite: false)
        case .mmioWrite(let address, let data, let size):
            machine.guestMemory.store(data, size: size, at: address)
            note(address, size, isWrite: true)
        default: break
        }
    }

    private func note(_ address: PhysicalAddress, _ size: Int, isWrite: Bool) {
        hits.pages[MemorySlots.page(of: address.rawValue), default: 0] += 1
        touch(machine.watch.touches(of: size, at: address, isWrite: isWrite))
    }

    /// Adds to what the instruction touched. A watchpoint counts once; one that contains an address which is told
    /// already needs no telling of its own, since a client finds both by the address.
    func touch(_ found: [PageWatch.Touch]) {
        for touch in found {
            let isTold = touched.contains { touch.watchpoint.contains($0.address) }
            if touched.contains(where: { $0.watchpoint == touch.watchpoint }) { continue }
            hits.watchpoints[touch.watchpoint, default: 0] += 1
            if !isTold { touched.append(touch) }
        }
    }

    /// Completes the instruction whose access was just performed. The first address that it touched is told now, the
    /// others at this vCPU's next turns.
    private func finishTrapped() throws(KVMError) -> Outcome {
        var other: StopEvent?
        accesses: while true {
            let exit = try vcpu.complete()
            isPageStale = false
            switch exit {
            case .interrupted, .debug: break accesses
            case _ where isTrapped(exit): perform(exit)
            default:
                switch try handle(exit) {
                case .goOn where exit.isAccess: continue
                case .goOn, .park: break accesses
                case .stop(let event):
                    other = event
                    break accesses
                }
            }
        }
        guard !touched.isEmpty, !isGathering else { return other.map { .stop($0) } ?? .goOn }
        if other == nil { other = try finishRepetition() }
        return tellTouched(and: other)
    }

    /// The stop for what was touched; the rest waits.
    func tellTouched(and other: StopEvent?) -> Outcome {
        var events = touched.map { StopEvent(.watchpoint($0.watchpoint.access, $0.address), on: index) }
        touched = []
        if let other, other.cause.happensOnce { events.append(other) }
        let first = events.removeFirst()
        pending += events
        return .stop(first)
    }

    /// Runs a repeated string instruction to its end, so that it is told once; what else happens on the way ends that.
    private func finishRepetition() throws(KVMError) -> StopEvent? {
        let canStop = { (level: HostDebugCapabilities.Level) in level.executionBreakpoint }
        try fetchRegisters()
        let start = programCounter
        let isLong = X86.mode(registers) == .long
        guard X86.privilege(registers) == 0 || canStop(machine.capabilities.user), journey == nil, !isPassing,
            let length = X86Instruction.repeatedLength(machine.instruction(at: start, seenBy: self), isLong: isLong),
            X86.count(registers) != 0, standsInRepetition()
        else { return nil }
        isGathering = true
        defer { isGathering = false }
        let event = try run(from: start, to: start + length)
        return event?.cause == .stepped ? nil : event
    }

    /// Whether the string instruction at the program counter is under way, and not the one behind the instruction that
    /// was just completed: its pointers lie beside what was touched.
    private func standsInRepetition() -> Bool {
        guard let last = touched.last else { return false }
        return X86.stringPointers(registers).contains { pointer in
            let distance = Int64(bitPattern: pointer &- last.address.rawValue)
            return (-8...8).contains(distance)
        }
    }
}
