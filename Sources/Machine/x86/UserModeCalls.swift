import Architecture
import Debugger
import KVM
import Primitives

// INT n and SYSCALL of user mode, which software KVM leaves half done: the first comes back as an invalid opcode, the
// second as a page fault at the kernel's entry. Both are completed when they reach the guest's handler for that.
extension Processor {
    /// INT n in user mode that came back as an invalid opcode.
    func completeUserInterrupt(_ frame: X86InterruptFrame) throws(KVMError) -> Outcome? {
        guard !machine.capabilities.userInterrupts else { return nil }
        let old = registers
        guard restore(frame) else { return nil }
        X86.setFlags(&registers, to: frame.flags & ~X86.resumeFlag)
        guard let instruction = nextInterruptInstruction, case .interrupt = instruction.kind else {
            registers = old
            return nil
        }
        try storeAll()
        try interruptFromUser(instruction)
        return .goOn
    }

    /// What INT n does: its handler, or what the guest's tables have against that.
    func interruptFromUser(_ instruction: X86InterruptInstruction) throws(KVMError) {
        if let failure = deliveryFailure(of: instruction) { return try raise(failure) }
        X86.advance(&registers, by: instruction.length)
        try storeChangedRegisters()
        try vcpu.injectSoftware(vector: instruction.vector, asException: false)
    }

    /// INT n or one of its like, where that is the next instruction.
    var nextInterruptInstruction: X86InterruptInstruction? {
        X86InterruptInstruction(machine.instruction(at: programCounter, seenBy: self), registers)
    }

    /// SYSCALL in user mode that jumped to the kernel's entry without becoming the kernel, and so could not fetch there
    /// (Intel SDM volume 2, SYSCALL).
    func completeSystemCall(_ frame: X86InterruptFrame) throws(KVMError) -> Outcome? {
        guard !machine.capabilities.userSystemCalls, frame.instructionOffset == X86.faultAddress(registers).rawValue,
            let stack = frame.stack, let entry = try vcpu.modelSpecific(X86.SystemCall.target),
            entry == frame.instructionOffset, let star = try vcpu.modelSpecific(X86.SystemCall.segments)
        else { return nil }
        let behind = X86.systemCallReturn(registers)
        guard read(behind + -2, count: 2) == [0x0f, 0x05] else { return nil }
        X86.enterKernel(&registers, star: star)
        X86.setInstructionOffset(&registers, to: entry)
        X86.setStackPointer(&registers, to: stack.pointer)
        let mask = try vcpu.modelSpecific(X86.SystemCall.flagMask) ?? 0
        X86.setFlags(&registers, to: (frame.flags & ~mask & ~X86.resumeFlag) | 2)
        try storeAll()
        // The flags that it saved have the step's trap flag.
        if let trapStep = stepping.trapStep, !trapStep.hadTrapFlag { try dropSavedTrapFlag() }
        return stepping.trapStep == nil ? .goOn : .stop(StopEvent(.stepped, on: index))
    }

    private func dropSavedTrapFlag() throws(KVMError) {
        X86.setSavedFlags(&registers, to: X86.savedFlags(registers) & ~X86.trapFlag)
        try storeChangedRegisters()
    }
}
