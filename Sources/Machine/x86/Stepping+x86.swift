import Architecture
import Debugger
import KVM
import Primitives

// One instruction of x86, and never into an interrupt handler.
extension Processor {
    /// Executes the next instruction: nil where the machine stops before it is done.
    func stepX86() throws(KVMError) -> StopEvent? {
        if let (start, end) = x86.pausedJourney { return try run(from: start, to: end) }
        if isUnseenUser { return try stepInUserMode() }
        let start = programCounter
        let bytes = machine.instruction(at: start, seenBy: self)
        let step = X86StepInstruction(bytes, registers)
        if try returnToUserMode(by: step) { return StopEvent(.stepped, on: index) }
        if isHalt(bytes) {
            // It ends with an interrupt, and the step behind its handler.
            try sleepBehindHalt()
            return try run(from: start, to: start + X86Instruction.halt.length)
        }
        if let instruction = X86InterruptInstruction(bytes, registers), instruction.kind != .invalid,
            deliveryFailure(of: instruction) == nil
        {
            return try lifting { () throws(KVMError) in try run(from: start, to: start + instruction.length) }
        }
        return try stepOnce(step, bytes)
    }

    /// Goes past a breakpoint's instruction, into the handler where it calls one; nil when that is done.
    func passX86() throws(KVMError) -> StopEvent? {
        if isUnseenUser { return try passInUserMode() }
        let bytes = machine.instruction(at: programCounter, seenBy: self)
        let step = X86StepInstruction(bytes, registers)
        if try returnToUserMode(by: step) { return nil }
        if isHalt(bytes) {
            try sleepBehindHalt()
            return nil
        }
        let isEmulated =
            machine.capabilities.emulatesKernelMode && X86.mode(registers) != .real && !hasTrappedStack()
        if isEmulated, let instruction = X86InterruptInstruction(bytes, registers) {
            try perform(instruction)
            return nil
        }
        let event = try stepOnce(step, bytes)
        return event?.cause == .stepped ? nil : event
    }

    private func isHalt(_ bytes: [UInt8]) -> Bool {
        X86Instruction(bytes) == .halt && X86.privilege(registers) == 0
    }

    /// Executes one instruction, or what it comes to: the first instruction of its fault's handler, or of the handler of
    /// the debug exception that the guest's own trap flag asks for.
    private func stepOnce(_ step: X86StepInstruction, _ bytes: [UInt8]) throws(KVMError) -> StopEvent? {
        // Where KVM steps by the trap flag, an instruction that faults while it is passed is passed all the same: it is
        // done when its handler has returned.
        x86.isLanding = machine.capabilities.emulatesKernelMode || !isPassing
        defer { x86.isLanding = false }
        if x86.isLanding, !X86Instruction.neverFaults(bytes, isLong: X86.mode(registers) == .long) {
            try watchHandlers()
        }
        // An emulated IRET ends a step one instruction too late.
        if machine.capabilities.emulatesKernelMode, let target = interruptReturnTarget(step) {
            let start = programCounter
            return try lifting { () throws(KVMError) in try run(from: start, to: target) }
        }
        let event = try lifting { () throws(KVMError) in try enterStepping(step) }
        guard x86.isTrapDue else { return event }
        try queueTrap()
        x86.isLanding = true
        return event?.cause == .stepped ? try enter(.running) : event
    }

    /// What HLT does, without executing it: so a breakpoint on it need not be lifted while the processor sleeps.
    private func sleepBehindHalt() throws(KVMError) {
        X86.advance(&registers, by: X86Instruction.halt.length)
        try storeChangedRegisters()
        try setActivity(.halted)
    }

    /// Where the IRET that is next goes, as far as its frame and the descriptor table say.
    private func interruptReturnTarget(_ instruction: X86StepInstruction) -> VirtualAddress? {
        guard case .interruptReturn(let wordSize) = instruction,
            let frame = X86InterruptFrame(
                at: X86.stackTop(registers), wordSize: wordSize, hasErrorCode: false, read: { self.read($0, count: $1) }
            )
        else { return nil }
        let target: VirtualAddress
        switch X86.mode(registers) {
        case .real, .virtual8086:
            target = VirtualAddress(UInt64(frame.codeSelector) << 4 &+ frame.instructionOffset)
        case .long, .compatibility, .protected16, .protected32:
            guard let segment = descriptor(frame.codeSelector) else { return nil }
            target = X86.linearAddress(of: frame.instructionOffset, inCode: segment)
        }
        return target == programCounter ? nil : target
    }

    /// Runs `body` with the guest's own instruction in place of one planted or hidden here.
    func lifting(_ body: () throws(KVMError) -> StopEvent?) throws(KVMError) -> StopEvent? {
        guard let place = machine.physical(programCounter, seenBy: self),
            let original = machine.arrangement.planted.original(at: place)
                ?? machine.hidden.original(at: place).map({ [$0] })
        else { return try body() }
        _ = machine.guestMemory.write(place, original[...])
        breakpoints.lifted = programCounter
        defer { breakpoints.lifted = nil }
        defer { _ = machine.guestMemory.write(place, machine.plantedInstruction[...]) }
        return try body()
    }

    /// Steps once over `instruction`. `followsTrapFlag` is false where an event is delivered, and no instruction's
    /// flags can be followed.
    func enterStepping(_ instruction: X86StepInstruction, followsTrapFlag: Bool = true) throws(KVMError) -> StopEvent? {
        let start = stepStart(instruction)
        let hold = try holdInterrupts()
        let event = try enter(.stepping)
        if let hold { try release(hold) } else if event?.cause == .stepped { try fetchRegisters() }
        // A retry that delivers an event has no instruction whose flags could be followed.
        if !x86.isRetrying { try keepTrapFlag(start, event) }
        return event
    }

    /// Runs until the instruction at `end` is next, with a breakpoint that no client knows of: in a debug register, or
    /// where those do nothing an INT3. The breakpoint at `start` does not count.
    func run(from start: VirtualAddress, to end: VirtualAddress) throws(KVMError) -> StopEvent? {
        x86.journey = (start, end)
        defer { x86.journey = nil }
        if isUnseenUser {
            guard let place = machine.physical(end, seenBy: self) else {
                let account = "vCPU \(index): a step cannot end at \(end), which is not mapped"
                return StopEvent(.hostFailure, on: index, account: account)
            }
            machine.hidden.set([place], for: index, .step)
        }
        defer { machine.hidden.set([], for: index, .step) }
        let event = try enter(.running)
        x86.pausedJourney = event == nil ? x86.journey : nil
        if event?.cause == .stepped { try fetchRegisters() }
        return event
    }

    /// The debug registers as they are while this vCPU runs: the end of a step's journey, the machine's, and those of
    /// watched handlers.
    var currentSlots: X86DebugRegisters {
        if x86.journey == nil, breakpoints.handlers.slots.isEmpty { return machine.debugRegisters }
        var slots = X86DebugRegisters()
        if let journey = x86.journey { _ = slots.add(X86DebugRegisters.Slot(journey.to, .execute, length: 1)) }
        // Where all are taken, the last one waits for the length of this step.
        for slot in machine.debugRegisters.slots where slot.access != .execute || slot.address != x86.journey?.from {
            _ = slots.add(slot)
        }
        for address in breakpoints.handlers.slots {
            _ = slots.add(X86DebugRegisters.Slot(address, .execute, length: 1))
        }
        return slots
    }
}
