import Architecture
import Debugger
import KVM
import Primitives

// One instruction on an arm64 vCPU, and never into an interrupt handler: PSTATE.I and .F are set for its length, and
// what it makes of them is put right afterwards.
extension Processor {
    func stepArm() throws(KVMError) -> StopEvent? {
        try lifting { () throws(KVMError) in try enterHolding() }
    }

    /// Goes past a breakpoint's or watchpoint's instruction; nil when that is done.
    func passArm() throws(KVMError) -> StopEvent? {
        let event = try stepArm()
        return event?.cause == .stepped ? nil : event
    }

    /// What KVM is to be told; a step keeps what it stands on from holding it back.
    func armGuestDebug(_ pace: Pace) -> GuestDebug {
        var debug = GuestDebug()
        let registers = machine.armDebugRegisters
        let place = programCounter
        let isStepping = pace == .stepping
        debug.softwareBreakpoints = machine.plants
        debug.singleStep = isStepping
        let places = registers.breakpoints + handlers.slots.filter { !registers.breakpoints.contains($0) }
        debug.breakpoints = places.filter { !isStepping || $0 != place }.map {
            GuestDebug.Slot(control: Arm64DebugRegisters.breakpointControl, value: $0.rawValue)
        }
        if !isStepping || watchedPlace != place {
            debug.watchpoints = registers.watches.map { GuestDebug.Slot(control: $0.control, value: $0.value) }
        }
        return debug
    }

    private func enterHolding() throws(KVMError) -> StopEvent? {
        let before = Arm64.state(registers)
        let holds = machine.arrangement.stepsHoldInterrupts && !(before.masksIRQ && before.masksFIQ)
        guard holds else { return try enter(.stepping) }
        let start = programCounter
        let bytes = machine.instruction(at: start, count: Arm64Instruction.length, seenBy: self)
        var held = before
        (held.masksIRQ, held.masksFIQ) = (true, true)
        Arm64.setState(&registers, to: held)
        try storeChangedRegisters()
        let event = try enter(.stepping)
        try fetchRegisters()
        Arm64.release(&registers, heldSince: before, at: start, Arm64Instruction(bytes))
        try storeChangedRegisters()
        return event
    }
}
