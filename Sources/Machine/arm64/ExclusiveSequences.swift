import Architecture
import Debugger
import KVM
import Primitives

// Steps over load- and store-exclusives. Each exit takes the exclusive monitor away, so that a sequence that is stepped
// instruction by instruction, or stopped in by a watchpoint, begins anew forever. It is run as one instead, to where
// breakpoint registers that no client knows of await its ends.

/// A sequence that is run as one step.
struct ExclusiveRun {
    let ends: [VirtualAddress]
    /// Its access was already reported by a watchpoint.
    let liftsWatchpoints: Bool
}

extension Processor {
    /// The step from a load-exclusive to behind its store, or of a store-exclusive that must fail, with the guest's own
    /// second attempt; nil where the next instruction is neither, or the plain step is all that can be done.
    func stepExclusive() throws(KVMError) -> StopEvent?? {
        let start = programCounter
        let isTold = arm64.watchpointStop == start
        switch Arm64Instruction(code(at: start, count: Arm64Instruction.length)) {
        case .loadExclusive:
            guard let sequence = sequence(at: start) else { return nil }
            let before = registers
            // Where it faults, its handler is next.
            let first = try enterHolding()
            guard first?.cause == .stepped, programCounter == start + Arm64Instruction.length else {
                return .some(first)
            }
            try setArm([.general], of: before, insteadOf: registers)
            registers = before
            return try run(sequence, liftsWatchpoints: isTold)
        case .storeExclusive: return try stepStore(at: start, isTold)
        default: return nil
        }
    }

    private func stepStore(at store: VirtualAddress, _ isTold: Bool) throws(KVMError) -> StopEvent?? {
        let code = code(at: store, count: 2 * Arm64Instruction.length)
        guard code.count == 2 * Arm64Instruction.length else { return nil }
        let (word, branch): (UInt32, UInt32) = (code.number(at: 0, count: 4), code.number(at: 4, count: 4))
        guard let target = Arm64ExclusiveSequence.retry(behind: store, branch), let again = sequence(at: target),
            again.store == store
        else { return nil }
        let first = try enterHolding()
        guard first?.cause == .stepped, programCounter == store + Arm64Instruction.length, failed(word) else {
            return .some(first)
        }
        let second = try enterHolding()
        guard second?.cause == .stepped, programCounter == target else { return .some(second) }
        return try run(again, liftsWatchpoints: isTold)
    }

    private func code(at place: VirtualAddress, count: Int) -> [UInt8] {
        machine.instruction(at: place, count: count, seenBy: self)
    }

    private func sequence(at start: VirtualAddress) -> Arm64ExclusiveSequence? {
        let found = Arm64ExclusiveSequence(at: start, code(at: start, count: Arm64ExclusiveSequence.byteCount))
        guard let found, found.ends.count <= machine.arm64.debugRegisters.breakpointCount else { return nil }
        return found
    }

    /// Whether the store-exclusive `word` did not store.
    private func failed(_ word: UInt32) -> Bool {
        let register = Arm64Instruction.status(word)
        return register == 31 || registers.number(Arm64.layout[name: "x\(register)"]!) & 1 == 1
    }

    private func run(_ sequence: Arm64ExclusiveSequence, liftsWatchpoints: Bool) throws(KVMError) -> StopEvent? {
        let stepping = Stepping.exclusive(ExclusiveRun(ends: sequence.ends, liftsWatchpoints: liftsWatchpoints))
        let (start, before) = (programCounter, Arm64.state(registers))
        guard machine.arrangement.stepsHoldInterrupts else { return try enter(stepping) }
        Arm64.setState(&registers, to: before.masking(true, true))
        try storeChangedRegisters()
        let event = try enter(stepping)
        try fetchRegisters()
        let isThere = (start...sequence.store).contains(programCounter) || sequence.ends.contains(programCounter)
        // Elsewhere it is in a handler, with what it had in SPSR_EL1.
        let (state, saved) = (Arm64.state(registers), Arm64.savedState(registers))
        if isThere {
            Arm64.setState(&registers, to: state.masking(before.masksIRQ, before.masksFIQ))
        } else {
            Arm64.setSavedState(&registers, to: saved.masking(before.masksIRQ, before.masksFIQ))
        }
        try storeChangedRegisters()
        return event
    }
}
