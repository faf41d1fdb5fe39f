import Architecture
import Debugger
import KVM
import Primitives

// One instruction, and never into an interrupt handler.
extension Processor {
    /// Executes the next instruction: nil where the machine stops before it is done.
    func step() throws(KVMError) -> StopEvent? {
        try storeChangedRegisters()
        let start = programCounter
        let instruction = nextInstruction()
        switch instruction {
        case .other:
            let event = try lifting { () throws(KVMError) in try enterStepping() }
            if event?.cause == .stepped { try fetchRegisters() }
            return event
        case .halt:
            // It ends with an interrupt, and the step behind its handler.
            try sleepBehindHalt()
            return try run(from: start, to: start + instruction.length)
        case .breakpoint, .softwareInterrupt:
            return try lifting { () throws(KVMError) in try run(from: start, to: start + instruction.length) }
        }
    }

    /// Goes past a breakpoint's instruction, into the handler where it calls one; nil when that is done.
    func pass() throws(KVMError) -> StopEvent? {
        try storeChangedRegisters()
        let instruction = nextInstruction()
        let isEmulated = machine.capabilities.emulatesKernelMode && X86.mode(registers) != .real
        switch instruction {
        case .halt: try sleepBehindHalt()
        case .breakpoint where isEmulated: try complete(instruction, vector: 3, asException: true)
        case .softwareInterrupt(let vector) where isEmulated:
            try complete(instruction, vector: vector, asException: false)
        case .breakpoint, .softwareInterrupt, .other:
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
        try vcpu.setActivity(.halted)
    }

    /// Runs `body` with the guest's own instruction in place of one planted here.
    private func lifting(_ body: () throws(KVMError) -> StopEvent?) throws(KVMError) -> StopEvent? {
        guard let planted = machine.planted(at: programCounter, seenBy: self) else { return try body() }
        _ = machine.guestMemory.write(planted.physical, planted.original[...])
        defer { _ = machine.guestMemory.write(planted.physical, [X86Instruction.breakpointOpcode]) }
        return try body()
    }

    private func enterStepping() throws(KVMError) -> StopEvent? {
        var debug = machine.armedForStep
        debug.singleStep = true
        debug.blockInterrupts = machine.capabilities.blocksInterrupts
        return try enter(debug)
    }

    /// Runs until the instruction at `end` is next, with a debug register that no client knows of. The breakpoint at
    /// `start` does not count.
    private func run(from start: VirtualAddress, to end: VirtualAddress) throws(KVMError) -> StopEvent? {
        journey = (start, end)
        defer { journey = nil }
        let slots = currentSlots
        var debug = machine.armed
        debug.addresses = slots.addresses
        debug.control = slots.control
        let event = try enter(debug)
        if event?.cause == .stepped { try fetchRegisters() }
        return event
    }

    /// The debug registers as they are while this vCPU runs: the machine's, and the end of a step's journey.
    var currentSlots: X86DebugRegisters {
        guard let journey else { return machine.debugRegisters }
        var slots = X86DebugRegisters()
        _ = slots.add(X86DebugRegisters.Slot(journey.to, .execute, length: 1))
        // Where all are taken, the machine's last one waits for the length of this step.
        for slot in machine.debugRegisters.slots where slot.access != .execute || slot.address != journey.from {
            _ = slots.add(slot)
        }
        return slots
    }
}
