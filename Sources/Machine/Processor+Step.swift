import Architecture
import Debugger
import KVM
import Primitives

// One instruction of x86, and never into an interrupt handler.
extension Processor {
    /// Executes the next instruction: nil where the machine stops before it is done.
    func stepX86() throws(KVMError) -> StopEvent? {
        if let (start, end) = pausedJourney { return try run(from: start, to: end) }
        if isUnseenUser { return try stepInUserMode() }
        if try returnToUserMode() { return StopEvent(.stepped, on: index) }
        let start = programCounter
        let instruction = nextInstruction()
        switch instruction {
        case .halt where X86.privilege(registers) == 0:
            // It ends with an interrupt, and the step behind its handler.
            try sleepBehindHalt()
            return try run(from: start, to: start + instruction.length)
        case .breakpoint, .softwareInterrupt:
            return try lifting { () throws(KVMError) in try run(from: start, to: start + instruction.length) }
        case .halt, .other:
            return try lifting { () throws(KVMError) in try enterStepping() }
        }
    }

    /// Goes past a breakpoint's instruction, into the handler where it calls one; nil when that is done.
    func passX86() throws(KVMError) -> StopEvent? {
        if isUnseenUser { return try passInUserMode() }
        if try returnToUserMode() { return nil }
        let instruction = nextInstruction()
        let isEmulated =
            machine.capabilities.emulatesKernelMode && X86.mode(registers) != .real && !hasTrappedStack()
        switch instruction {
        case .halt where X86.privilege(registers) == 0: try sleepBehindHalt()
        case .breakpoint where isEmulated: try complete(instruction, vector: 3, asException: true)
        case .softwareInterrupt(let vector) where isEmulated:
            try complete(instruction, vector: vector, asException: false)
        case .breakpoint, .softwareInterrupt, .halt, .other:
            let event = try lifting { () throws(KVMError) in try enterStepping() }
            return event?.cause == .stepped ? nil : event
        }
        return nil
    }

    private func nextInstruction() -> X86Instruction {
        X86Instruction(machine.instruction(at: programCounter, count: 2, seenBy: self))
    }

    /// What HLT does, without executing it: so a breakpoint on it need not be lifted while the processor sleeps.
    private func sleepBehindHalt() throws(KVMError) {
        X86.advance(&registers, by: X86Instruction.halt.length)
        try storeChangedRegisters()
        try setActivity(.halted)
    }

    /// Runs `body` with the guest's own instruction in place of one planted or hidden here.
    func lifting(_ body: () throws(KVMError) -> StopEvent?) throws(KVMError) -> StopEvent? {
        guard let place = machine.physical(programCounter, seenBy: self),
            let original = machine.arrangement.planted.original(at: place)
                ?? machine.hidden.original(at: place).map({ [$0] })
        else { return try body() }
        _ = machine.guestMemory.write(place, original[...])
        lifted = programCounter
        defer { lifted = nil }
        defer { _ = machine.guestMemory.write(place, machine.plantedInstruction[...]) }
        return try body()
    }

    func enterStepping() throws(KVMError) -> StopEvent? {
        let stored = flagsStored()
        // Only where they are needed: a copy of them all is made.
        let before = stored == nil ? nil : registers
        let hold = try holdInterrupts()
        let event = try enter(.stepping)
        if let stored, let before, event?.cause == .stepped { try hideTrapFlag(stored, before) }
        if let hold { try release(hold) } else if event?.cause == .stepped { try fetchRegisters() }
        return event
    }

    /// Runs until the instruction at `end` is next, with a breakpoint that no client knows of: in a debug register, or
    /// where those do nothing an INT3. The breakpoint at `start` does not count.
    func run(from start: VirtualAddress, to end: VirtualAddress) throws(KVMError) -> StopEvent? {
        journey = (start, end)
        defer { journey = nil }
        if isUnseenUser {
            guard let place = machine.physical(end, seenBy: self) else {
                let account = "vCPU \(index): a step cannot end at \(end), which is not mapped"
                return StopEvent(.hostFailure, on: index, account: account)
            }
            machine.hidden.set([place], for: index, .step)
        }
        defer { machine.hidden.set([], for: index, .step) }
        let event = try enter(.running)
        pausedJourney = event == nil ? journey : nil
        if event?.cause == .stepped { try fetchRegisters() }
        return event
    }

    /// The debug registers as they are while this vCPU runs: the end of a step's journey, the machine's, and those of
    /// watched handlers.
    var currentSlots: X86DebugRegisters {
        if journey == nil, handlers.slots.isEmpty { return machine.debugRegisters }
        var slots = X86DebugRegisters()
        if let journey { _ = slots.add(X86DebugRegisters.Slot(journey.to, .execute, length: 1)) }
        // Where all are taken, the last one waits for the length of this step.
        for slot in machine.debugRegisters.slots where slot.access != .execute || slot.address != journey?.from {
            _ = slots.add(slot)
        }
        for address in handlers.slots { _ = slots.add(X86DebugRegisters.Slot(address, .execute, length: 1)) }
        return slots
    }
}
