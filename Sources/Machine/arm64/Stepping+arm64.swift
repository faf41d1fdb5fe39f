import Architecture
import Debugger
import KVM
import Primitives

// One instruction on an arm64 vCPU, and never into an interrupt handler: PSTATE.I and .F are set for its length, and
// what it makes of them is put right afterwards.
extension Processor {
    func stepArm() throws(KVMError) -> StopEvent? {
        let event = try lifting { () throws(KVMError) in
            if let outcome = try stepExclusive() { return outcome }
            return try enterHolding()
        }
        // KVM would take the next step for done.
        if event?.cause != .stepped { arm64.hasUnfinishedStep = true }
        return event
    }

    /// Goes past a breakpoint's or watchpoint's instruction; nil when that is done.
    func passArm() throws(KVMError) -> StopEvent? {
        let event = try stepArm()
        return event?.cause == .stepped ? nil : event
    }

    /// What KVM is to arm; a step is not held back by what is armed at its own instruction.
    func armGuestDebug(_ stepping: Stepping) -> GuestDebug {
        var debug = GuestDebug()
        let registers = machine.arm64.debugRegisters
        let place = programCounter
        let (isStepping, exclusiveRun) = (stepping.isSingle, stepping.exclusiveRun)
        debug.softwareBreakpoints = machine.plants
        debug.singleStep = isStepping
        var places = exclusiveRun?.ends ?? []
        for slot in registers.breakpoints + breakpoints.handlers.slots where !places.contains(slot) {
            places.append(slot)
        }
        // An exclusive sequence, too, begins at what it must get past; what its ends leave no room for waits.
        places.removeAll { (isStepping || exclusiveRun != nil) && $0 == place }
        debug.breakpoints = places.prefix(registers.breakpointCount).map {
            GuestDebug.Slot(control: Arm64DebugRegisters.breakpointControl, value: $0.rawValue)
        }
        let isLifted = exclusiveRun?.liftsWatchpoints ?? (isStepping && arm64.watchpointStop == place)
        if !isLifted {
            debug.watchpoints = registers.watches.map { GuestDebug.Slot(control: $0.control, value: $0.value) }
        }
        return debug
    }

    /// Steps, with interrupts masked where they are to be held off.
    func enterHolding() throws(KVMError) -> StopEvent? {
        let (start, before) = (programCounter, Arm64.state(registers))
        let holds = machine.arrangement.stepsHoldInterrupts && !(before.masksIRQ && before.masksFIQ)
        var bytes: [UInt8] = []
        if holds {
            bytes = machine.instruction(at: start, count: Arm64Instruction.length, seenBy: self)
            Arm64.setState(&registers, to: before.masking(true, true))
            try storeChangedRegisters()
        }
        let event = try enter(.single)
        try fetchRegisters()
        if holds { Arm64.release(&registers, heldSince: before, at: start, Arm64Instruction(bytes)) }
        Arm64.forgetStep(&registers, since: before, at: start)
        try storeChangedRegisters()
        return event
    }
}
