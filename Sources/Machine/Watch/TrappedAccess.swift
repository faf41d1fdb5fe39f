import Architecture
import Debugger
import KVM
import Primitives

// Accesses to pages that watchpoints trap. Each exits as MMIO and is applied to memory here; one that meets what is
// watched stops the machine behind its whole instruction, however many accesses that makes.
/// Where a vCPU is with an instruction that accesses trapped pages.
struct TrappedAccesses {
    /// Watched addresses that the instruction accessed, not reported yet.
    var pendingHits: [PageWatch.Hit] = []
    /// The last access, and how often it has come again.
    var last = Exit.interrupted
    var repetitions = 0
    /// A repeated instruction is being finished, and what it accesses gathers in `pendingHits`.
    var isFinishingRepetition = false
}

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
            return try whileOthersWait { () throws(KVMError) in
                perform(exit)
                return try finish(exit)
            }
        }
        // Now and then a read that comes again and again is looked at closely.
        accesses.repetitions = exit == accesses.last ? accesses.repetitions + 1 : 0
        perform(exit)
        if accesses.repetitions >= Self.patience {
            accesses.repetitions = 0
            return try finish(exit)
        }
        return accesses.pendingHits.isEmpty || accesses.isFinishingRepetition ? .goOn : try finish(exit)
    }

    /// Like exits in a row, before the instruction is completed to see whether it can be. KVM comes back without end
    /// for one whose operand it can read from memory only, such as LIDT.
    private static let patience = 8

    private func isAtomic() throws(KVMError) -> Bool {
        try fetchRegisters()
        let bytes = machine.instruction(at: programCounter, seenBy: self)
        return X86Instruction.isAtomic(bytes, isLong: X86.mode(registers) == .long)
    }

    private func perform(_ exit: Exit) {
        accesses.last = exit
        switch exit {
        case .mmioRead(let address, let size):
            vcpu.answerMMIO(machine.guestMemory.load(address, size: size))
            note(address, size, isWrite: false)
        case .mmioWrite(let address, let data, let size):
            machine.hidden.store(data, size: size, at: address)
            note(address, size, isWrite: true)
        default: break
        }
    }

    private func note(_ address: PhysicalAddress, _ size: Int, isWrite: Bool) {
        counts.hits.pages[MemorySlots.page(of: address.rawValue), default: 0] += 1
        let found = machine.x86.pageTraps.watch.hits(of: size, at: address, isWrite: isWrite)
        guard !found.isEmpty else { return }
        let origins = accessOrigins(of: size, at: address, isWrite: isWrite)
        recordHits(machine.x86.pageTraps.watch.hits(of: size, at: address, isWrite: isWrite, through: origins))
    }

    /// Adds to the instruction's hits. A watchpoint counts once; one that contains an address which is reported anyway
    /// needs no report of its own, since a client finds both by the address.
    func recordHits(_ found: [PageWatch.Hit]) {
        for hit in found {
            let isReported = accesses.pendingHits.contains { hit.watchpoint.contains($0.address) }
            if accesses.pendingHits.contains(where: { $0.watchpoint == hit.watchpoint }) { continue }
            counts.hits.watchpoints[hit.watchpoint, default: 0] += 1
            if !isReported { accesses.pendingHits.append(hit) }
        }
    }

    /// Completes the instruction whose access `exit` was just performed. Its first hit is reported now, the others
    /// at this vCPU's next turns.
    private func finish(_ exit: Exit) throws(KVMError) -> Outcome {
        try fetchRegisters()
        let start = programCounter
        var other = try completeAccesses()
        try fetchRegisters()
        // Registers of a write exit are those behind the instruction already.
        if case .mmioRead(let address, _) = exit, other == nil, programCounter == start, repeatedLength == nil {
            return try retryStuck(at: address)
        }
        guard !accesses.pendingHits.isEmpty, !accesses.isFinishingRepetition else {
            return other.map { .stop($0) } ?? .goOn
        }
        if other == nil { other = try finishRepetition() }
        return watchpointStop(and: other)
    }

    /// Performs what else the instruction under way accesses, to its end; the stop that a device makes of it.
    private func completeAccesses() throws(KVMError) -> StopEvent? {
        while true {
            let exit = try complete()
            switch exit {
            case .interrupted, .debug: return nil
            case _ where isTrapped(exit): perform(exit)
            default:
                switch try handle(exit) {
                case .goOn where exit.isAccess: continue
                case .goOn, .park, .pass: return nil
                case .stop(let event): return event
                }
            }
        }
    }

    /// The length of the repeated string instruction that is next, if it is one.
    private var repeatedLength: Int? {
        X86Instruction.repeatedLength(
            machine.instruction(at: programCounter, seenBy: self), isLong: X86.mode(registers) == .long)
    }

    /// The stop for the first pending hit; the others become pending stops.
    func watchpointStop(and other: StopEvent?) -> Outcome {
        var events = accesses.pendingHits.map { hit in
            PendingStop(
                event: StopEvent(.watchpoint(hit.watchpoint.access, hit.address), on: index),
                watchpoint: hit.watchpoint)
        }
        accesses.pendingHits = []
        if let other, other.cause.happensOnce { events.append(PendingStop(event: other)) }
        let first = events.removeFirst()
        loop.pendingStops += events
        return .stop(first.event)
    }

    /// Runs a repeated string instruction to its end, so that it is reported once; anything else that happens ends that.
    private func finishRepetition() throws(KVMError) -> StopEvent? {
        let start = programCounter
        guard X86.privilege(registers) == 0 || machine.capabilities.user.executionBreakpoint,
            stepping.destination == nil,
            !isPassing, let length = repeatedLength, standsInRepetition()
        else { return nil }
        accesses.isFinishingRepetition = true
        defer { accesses.isFinishingRepetition = false }
        let event = try run(from: start, to: start + length, endsInHandler: stepping.endsInHandler)
        return event?.cause == .stepped ? nil : event
    }

    /// Whether the string instruction at the program counter is under way, and not the one behind the instruction that
    /// was just completed: one of its pointers lies just beside the last access.
    private func standsInRepetition() -> Bool {
        let (last, size): (UInt64, UInt64)
        switch accesses.last {
        case .mmioRead(let address, let count), .mmioWrite(let address, _, let count):
            (last, size) = (address.rawValue, UInt64(count))
        default: return false
        }
        // What virtual and physical addresses have in common.
        let offsets = MemorySlots.pageSize - 1
        return X86.stringPointers(registers).contains { pointer in
            let distance = (pointer &- last) & offsets
            return distance == size || distance == MemorySlots.pageSize - size
        }
    }
}
