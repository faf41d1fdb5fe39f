import Architecture
import KVM
import Primitives

// Keeping interrupts away from a step on hosts without KVM_GUESTDBG_BLOCKIRQ (before Linux 5.15): RFLAGS.IF is cleared
// for the one instruction and merged back. A non-maskable interrupt still comes, and an instruction that faults does
// so with IF cleared in what its handler finds, unless the step ended on the handler's first instruction.

/// A step that was given no interrupts, as it began.
struct InterruptHold {
    let instruction: X86StepInstruction
    let registers: RegisterFile
}

extension Processor {
    /// Clears IF where it is set and is to be; nil where there is nothing to do.
    func holdInterrupts() throws(KVMError) -> InterruptHold? {
        guard machine.arrangement.stepsHoldInterrupts, !machine.capabilities.step.blocksInterrupts,
            X86.takesInterrupts(registers)
        else { return nil }
        let bytes = machine.instruction(at: programCounter, seenBy: self)
        let hold = InterruptHold(instruction: X86StepInstruction(bytes, registers), registers: registers)
        X86.setFlags(&registers, to: X86.flagsRegister(registers) & ~X86.interruptFlag)
        try storeChangedRegisters()
        return hold
    }

    /// Makes IF what the instruction makes of it, also where it was stored.
    func release(_ hold: InterruptHold) throws(KVMError) {
        try fetchRegisters()
        let before = X86.flagsRegister(hold.registers)
        let after = X86.flagsRegister(registers)
        if programCounter == X86.programCounter(hold.registers) {
            // It was not executed, or is not over.
            X86.setFlags(&registers, to: after | X86.interruptFlag)
            return try storeChangedRegisters()
        }
        if let frame = interruptFrame(of: X86InterruptFrame.Origin(hold.registers)) {
            setInterruptBit(in: frame.flagsAddress)
            return
        }
        let mask = try vcpu.modelSpecific(X86.SystemCall.flagMask) ?? 0
        let takes = hold.instruction.takesInterrupts(
            before: before, after: after, level: X86.privilege(hold.registers), mask: mask)
        X86.setFlags(&registers, to: takes ? after | X86.interruptFlag : after & ~X86.interruptFlag)
        switch hold.instruction {
        case .pushFlags: setInterruptBit(in: X86.stackTop(registers))
        case .systemCall: X86.setSavedFlags(&registers, to: X86.savedFlags(registers) | X86.interruptFlag)
        default: break
        }
        try storeChangedRegisters()
    }

    private func setInterruptBit(in flags: VirtualAddress) {
        guard let high = read(flags + 1, count: 1), let place = machine.physical(flags + 1, seenBy: self) else {
            return
        }
        _ = machine.hidden.write(place, [high[0] | UInt8(X86.interruptFlag >> 8)])
    }
}
