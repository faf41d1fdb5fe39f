import Architecture
import Debugger
import KVM
import Primitives

// One instruction, and never into an interrupt handler.
extension Processor {
    /// Executes the next instruction. A planted breakpoint on it is lifted meanwhile.
    func step() throws(KVMError) -> StopEvent? {
        try storeChangedRegisters()
        let start = programCounter
        guard let planted = machine.planted(at: start, seenBy: self) else { return try stepPlain(from: start) }
        _ = machine.guestMemory.write(planted.physical, planted.original[...])
        defer { _ = machine.guestMemory.write(planted.physical, [X86Instruction.breakpointOpcode]) }
        return try stepPlain(from: start)
    }

    private func stepPlain(from start: VirtualAddress) throws(KVMError) -> StopEvent? {
        let instruction = X86Instruction(machine.instruction(at: start, count: 2, seenBy: self))
        if instruction == .other { return try enterStepping() }
        // HLT ends with an interrupt, INT n and INT3 begin a handler: the step ends behind the instruction.
        return try run(to: start + instruction.length)
    }

    private func enterStepping() throws(KVMError) -> StopEvent? {
        var debug = machine.armedForStep
        debug.singleStep = true
        debug.blockInterrupts = machine.capabilities.blocksInterrupts
        let event = try enter(debug)
        if event?.cause == .stepped { try fetchRegisters() }
        return event
    }

    /// Runs until the instruction at `address` is next, with a debug register that no client knows of.
    private func run(to address: VirtualAddress) throws(KVMError) -> StopEvent? {
        landing = address
        defer { landing = nil }
        let event = try enter(guestDebug(currentSlots))
        if event?.cause == .stepped { try fetchRegisters() }
        return event
    }

    /// The debug registers as they are while this vCPU runs: the machine's, and the landing place of a step.
    var currentSlots: X86DebugRegisters {
        guard let landing else { return machine.debugRegisters }
        var slots = X86DebugRegisters()
        _ = slots.add(X86DebugRegisters.Slot(landing, .execute, length: 1))
        // Where all are taken, the machine's last one waits for the length of this step.
        for slot in machine.debugRegisters.slots { _ = slots.add(slot) }
        return slots
    }

    func guestDebug(_ slots: X86DebugRegisters) -> GuestDebug {
        var debug = machine.armed
        debug.addresses = slots.addresses
        debug.control = slots.control
        return debug
    }
}
