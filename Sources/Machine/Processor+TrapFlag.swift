import Architecture
import KVM
import Primitives

// A processor that KVM steps by the trap flag stores it wherever an instruction stores the flags, and the guest would see
// it there, or trap when it loads them again. Left out: what a fault's handler finds on its stack, since the step goes on
// until the instruction is done.
extension Processor {
    /// What the next instruction does with the flags, where a step would show in them.
    func flagsStored() -> X86StepInstruction? {
        guard machine.capabilities.showsTrapFlag, X86.flagsRegister(registers) & X86.trapFlag == 0 else { return nil }
        let instruction = X86StepInstruction(machine.instruction(at: programCounter, seenBy: self), registers)
        return instruction == .pushFlags || instruction == .systemCall ? instruction : nil
    }

    /// Takes the trap flag of a step back from where `instruction` stored the flags, if it was executed; `before` are the
    /// registers before it.
    func hideTrapFlag(_ instruction: X86StepInstruction, _ before: RegisterFile) throws(KVMError) {
        try fetchRegisters()
        let start = X86.programCounter(before)
        switch instruction {
        case .pushFlags:
            let pushed = X86.stackPointer(before) &- X86.stackPointer(registers)
            let length = programCounter.rawValue &- start.rawValue
            let place = X86.stackTop(registers) + 1
            // A fault's handler has a larger frame, and is elsewhere.
            guard [2, 4, 8].contains(pushed), (1...UInt64(X86Instruction.maximumLength)).contains(length),
                let high = read(place, count: 1), let physical = machine.physical(place, seenBy: self)
            else { return }
            _ = machine.hidden.write(physical, [high[0] & ~UInt8(X86.trapFlag >> 8)])
        case .systemCall:
            // RCX is what is behind it.
            let length = X86.systemCallReturn(registers).rawValue &- start.rawValue
            guard (2...UInt64(X86Instruction.maximumLength)).contains(length) else { return }
            X86.setSavedFlags(&registers, to: X86.savedFlags(registers) & ~X86.trapFlag)
            try storeChangedRegisters()
        default: break
        }
    }
}
