import Architecture
import Debugger
import KVM
import Primitives

// One instruction of x86, and never into an interrupt handler.
extension Processor {
    /// Executes the next instruction: nil where the machine stops before it is done.
    func stepX86() throws(KVMError) -> StopEvent? {
        if let paused = x86.pausedRun { return try run(to: paused) }
        if isUnseenUser { return try stepInUserMode() }
        let start = programCounter
        let bytes = machine.instruction(at: start, seenBy: self)
        let step = X86StepInstruction(bytes, registers)
        if let isTrapDue = try returnToUserMode(by: step) {
            return try goOn(after: StopEvent(.stepped, on: index), isTrapDue: isTrapDue)
        }
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
        if let isTrapDue = try returnToUserMode(by: step) {
            if isTrapDue { try queueTrap() }
            return nil
        }
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

    /// Executes one instruction, or what it causes: the first instruction of its fault's handler, or of the handler of
    /// the debug exception that the guest's own trap flag asks for.
    private func stepOnce(_ step: X86StepInstruction, _ bytes: [UInt8]) throws(KVMError) -> StopEvent? {
        if let event = try stepUnprivileged(bytes) { return event }
        // Where KVM steps by the trap flag, an instruction that faults while it is passed is passed all the same: it is
        // done when its handler has returned.
        let endsInHandler = machine.capabilities.emulatesKernelMode || !isPassing
        if endsInHandler, !X86Instruction.neverFaults(bytes, isLong: X86.mode(registers) == .long) {
            try watchHandlers(.single)
        }
        // An emulated IRET ends a step one instruction too late.
        if machine.capabilities.emulatesKernelMode, let target = interruptReturnTarget(step) {
            let start = programCounter
            return try lifting { () throws(KVMError) in try run(from: start, to: target, endsInHandler: true) }
        }
        var isTrapDue = false
        let event = try lifting { () throws(KVMError) in
            let single = try enterSingle(.single, step, endsInHandler: endsInHandler)
            isTrapDue = single.isTrapDue
            return single.event
        }
        return try goOn(after: event, isTrapDue: isTrapDue)
    }

    /// Goes on from a step to the handler of the debug exception that the guest's own trap flag asks for, if it does.
    private func goOn(after event: StopEvent?, isTrapDue: Bool) throws(KVMError) -> StopEvent? {
        guard isTrapDue else { return event }
        try queueTrap()
        return event?.cause == .stepped ? try enter(.toHandler) : event
    }

    /// What HLT does, without executing it: so a breakpoint on it need not be lifted while the processor sleeps.
    private func sleepBehindHalt() throws(KVMError) {
        X86.advance(&registers, by: X86Instruction.halt.length)
        try storeChangedRegisters()
        try machine.interruptController.setActivity(.halted, of: self)
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
        defer { _ = machine.guestMemory.write(place, machine.hidden.instruction[...]) }
        return try body()
    }

    /// Steps once, and follows the guest's trap flag over `instruction`, if there is one: `isTrapDue` where the flag asks for
    /// a debug exception behind it.
    func enterSingle(
        _ stepping: Stepping, _ instruction: X86StepInstruction?, endsInHandler: Bool
    ) throws(KVMError) -> (event: StopEvent?, isTrapDue: Bool) {
        let start = instruction.map { stepStart($0) }
        let hold = try holdInterrupts()
        let event = try enter(stepping)
        if let hold { try release(hold) } else if event?.cause == .stepped { try fetchRegisters() }
        guard let start else { return (event, false) }
        return (event, try keepTrapFlag(start, event, endsInHandler: endsInHandler))
    }

    /// Runs until the instruction at `end` is next, with a breakpoint that no client knows of: in a debug register, or
    /// where those do nothing an INT3. The breakpoint at `start` does not count.
    func run(
        from start: VirtualAddress, to end: VirtualAddress, endsInHandler: Bool = false
    ) throws(KVMError) -> StopEvent? {
        try run(to: Stepping.Destination(start: start, end: end, endsInHandler: endsInHandler))
    }

    private func run(to destination: Stepping.Destination) throws(KVMError) -> StopEvent? {
        if isUnseenUser {
            guard let place = machine.physical(destination.end, seenBy: self) else {
                let explanation = "vCPU \(index): a step cannot end at \(destination.end), which is not mapped"
                return StopEvent(.hostFailure, on: index, explanation: explanation)
            }
            machine.hidden.set([place], for: index, .step)
        }
        defer { machine.hidden.set([], for: index, .step) }
        let event = try enter(.until(destination))
        x86.pausedRun = event == nil ? destination : nil
        if event?.cause == .stepped { try fetchRegisters() }
        return event
    }

    /// The debug registers as they are while this vCPU runs: the end of a step that runs, the machine's, and those of
    /// watched handlers.
    func slots(for stepping: Stepping) -> X86DebugRegisters {
        let destination = stepping.destination
        if destination == nil, breakpoints.handlers.slots.isEmpty { return machine.x86.debugRegisters }
        var slots = X86DebugRegisters()
        if let destination { _ = slots.add(X86DebugRegisters.Slot(destination.end, .execute, length: 1)) }
        // Where all are taken, the last one waits for the length of this step.
        for slot in machine.x86.debugRegisters.slots where slot.access != .execute || slot.address != destination?.start
        {
            _ = slots.add(slot)
        }
        for address in breakpoints.handlers.slots {
            _ = slots.add(X86DebugRegisters.Slot(address, .execute, length: 1))
        }
        return slots
    }

    /// What KVM is to arm; a step is not held back by a breakpoint on its own instruction.
    func x86GuestDebug(_ stepping: Stepping) -> GuestDebug {
        let slots = slots(for: stepping)
        var debug = GuestDebug()
        debug.softwareBreakpoints = machine.plants || !breakpoints.handlers.entries.isEmpty
        debug.addresses = slots.addresses
        if stepping.isSingle {
            let place = programCounter
            debug.control = slots.control(executing: { self.breakpoints.handlers.slots.contains($0) && $0 != place })
            debug.singleStep = true
        } else {
            debug.control = slots.control
        }
        let holds =
            stepping.endsInHandler
            ? machine.arrangement.stepsHoldInterrupts : stepping.trapStep?.passes == true
        debug.blockInterrupts = holds && machine.capabilities.step.blocksInterrupts
        return debug
    }
}
