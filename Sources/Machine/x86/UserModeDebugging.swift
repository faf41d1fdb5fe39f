import Architecture
import Debugger
import KVM
import Primitives

// User mode on hosts whose KVM leaves it to the guest: exceptions there reach the guest's own handlers, whose first
// instructions are watched. What was meant for the debugger is taken back before the handler has run, and steps borrow
// the trap flag.

/// A step that waits for the trap flag's exception.
struct TrapStep {
    let instruction: X86StepInstruction
    let start: VirtualAddress
    /// The guest's own trap flag.
    let hadTrapFlag: Bool
    /// It passes a breakpoint: should the instruction fault, the breakpoint is not reported again when it is retried.
    let passes: Bool
}

extension Processor {
    /// Whether this vCPU is in user mode and KVM does not debug it there.
    var isUnseenUser: Bool { !machine.capabilities.user.singleStep && X86.privilege(registers) == 3 }

    // MARK: - Exceptions taken back

    /// Undoes the delivery of a user-mode exception that is not the guest's business; nil where it is.
    func tookBack(_ vector: UInt8, _ frame: X86InterruptFrame) throws(KVMError) -> Outcome? {
        switch ExceptionVector(vector) {
        case .debug: return try takeBackTrap(frame)
        case .breakpoint where !machine.plantsPortReads: return try takeBackBreakpoint(frame)
        case .generalProtection where machine.plantsPortReads && frame.errorCode == 0:
            return try takeBackPortRead(frame)
        case .invalidOpcode: return try completeUserInterrupt(frame)
        case .pageFault: return try completeSystemCall(frame)
        default: return nil
        }
    }

    /// The registers as they were before the frame was pushed; false where the guest's tables do not allow it.
    func restore(_ frame: X86InterruptFrame) -> Bool {
        var file = registers
        guard X86.leave(frame, &file, descriptor: descriptor) else { return false }
        registers = file
        return true
    }

    /// Returns to the interrupted program, changed by `adjust`; false where the guest's tables do not allow it.
    private func leave(_ frame: X86InterruptFrame, _ adjust: () -> Void) throws(KVMError) -> Bool {
        guard restore(frame) else { return false }
        adjust()
        try storeAll()
        return true
    }

    private func takeBackTrap(_ frame: X86InterruptFrame) throws(KVMError) -> Outcome? {
        if let trapStep = stepping.trapStep {
            // The guest steps this program itself: the exception is its own, and its handler is next.
            if trapStep.hadTrapFlag { return .stop(StopEvent(.stepped, on: index)) }
            guard try leave(frame, { self.giveBackTrapFlag(trapStep) }) else { return nil }
            try clearStepStatus()
            return .stop(StopEvent(.stepped, on: index))
        }
        // One left over from a step that something else ended, in flags that the guest had saved.
        guard x86.hasStrayTrapFlag, frame.flags & X86.trapFlag != 0 else { return nil }
        x86.hasStrayTrapFlag = false
        guard try leave(frame, { X86.setFlags(&self.registers, to: frame.flags & ~X86.trapFlag) }) else { return nil }
        try clearStepStatus()
        return .goOn
    }

    /// Gives the trap flag back, also where the instruction has stored it.
    private func giveBackTrapFlag(_ step: TrapStep) {
        let flags = X86.flagsRegister(registers)
        switch step.instruction {
        case .popFlags, .interruptReturn: return
        case .pushFlags where !step.hadTrapFlag:
            let place = X86.stackTop(registers)
            if let low = read(place + 1, count: 1), let physical = machine.physical(place + 1, seenBy: self) {
                _ = machine.hidden.write(physical, [low[0] & ~1])
            }
        default: break
        }
        X86.setFlags(&registers, to: step.hadTrapFlag ? flags | X86.trapFlag : flags & ~X86.trapFlag)
    }

    /// DR6.BS is the debugger's, not the guest's (Intel SDM volume 3, section 18.2.3).
    private func clearStepStatus() throws(KVMError) {
        var block = try vcpu.get(.debug)
        let status: UInt64 = block.number(at: 32, count: 8)
        guard status[bit: 14] else { return }
        block.store(status & ~(1 << 14), at: 32, count: 8)
        try vcpu.set(.debug, from: block, at: 0)
    }

    private func takeBackBreakpoint(_ frame: X86InterruptFrame) throws(KVMError) -> Outcome? {
        var before = frame
        before.instructionOffset &-= 1
        let old = registers
        guard restore(before) else { return nil }
        let place = programCounter
        if let pass = x86.interruptedPass, pass == (place, X86.stackPointer(registers)) {
            x86.interruptedPass = nil
            try storeAll()
            return .pass
        }
        guard let outcome = breakpointOutcome(at: place) else {
            registers = old
            return nil
        }
        try storeAll()
        return outcome
    }

    /// The stepped or passed instruction faulted: the step ends on the handler's first instruction. A passed one is retried
    /// after the handler. Nil where no step is in progress.
    func endTrapStep(inHandlerWith frame: X86InterruptFrame) -> Outcome? {
        guard let trapStep = stepping.trapStep else { return nil }
        if trapStep.passes { x86.interruptedPass = (trapStep.start, frame.stack?.pointer ?? 0) }
        if !trapStep.hadTrapFlag, let place = machine.physical(frame.flagsAddress + 1, seenBy: self),
            let high = read(frame.flagsAddress + 1, count: 1)
        {
            _ = machine.hidden.write(place, [high[0] & ~1])
        }
        return .stop(StopEvent(.stepped, on: index))
    }

    /// A general-protection fault of user mode whose instruction is a planted port read; its address is the frame's.
    private func takeBackPortRead(_ frame: X86InterruptFrame) throws(KVMError) -> Outcome? {
        let old = registers
        guard restore(frame) else { return nil }
        // The fault has set it.
        X86.setFlags(&registers, to: frame.flags & ~X86.resumeFlag)
        guard let outcome = breakpointOutcome(at: programCounter) else {
            registers = old
            return nil
        }
        try storeAll()
        return outcome
    }

    /// What a planted instruction at `place` in user mode means; nil where it is the guest's own.
    private func breakpointOutcome(at place: VirtualAddress) -> Outcome? {
        if place == stepping.destination?.end { return .stop(StopEvent(.stepped, on: index)) }
        if place == x86.ownBreakpoint {
            x86.ownBreakpoint = nil
            return nil
        }
        return reachedPlanted(at: place)
    }

    /// A shutdown in user mode whose exception was the debugger's, or the host's: the guest has no handler for it. Nil
    /// where it is the guest's own triple fault.
    func undeliverable() throws(KVMError) -> Outcome? {
        guard isUnseenUser else { return nil }
        let fault = TripleFault(self)
        let outcome: Outcome
        if let trapStep = stepping.trapStep, !trapStep.hadTrapFlag, fault.cannotDeliver(ExceptionVector.debug.rawValue),
            programCounter != trapStep.start
        {
            giveBackTrapFlag(trapStep)
            outcome = .stop(StopEvent(.stepped, on: index))
        } else if machine.capabilities.user.breakpoint == .guest,
            fault.cannotDeliver(ExceptionVector.breakpoint.rawValue),
            let found = breakpointOutcome(at: programCounter + -1)
        {
            X86.advance(&registers, by: -1)
            outcome = found
        } else if !machine.capabilities.userInterrupts, fault.cannotDeliver(ExceptionVector.invalidOpcode.rawValue),
            let instruction = nextInterruptInstruction, case .interrupt = instruction.kind
        {
            X86.setFlags(&registers, to: X86.flagsRegister(registers) & ~X86.resumeFlag)
            try vcpu.returnFromHandler()
            try interruptFromUser(instruction)
            return .goOn
        } else {
            return nil
        }
        try storeChangedRegisters()
        try vcpu.returnFromHandler()
        return outcome
    }

    // MARK: - Steps

    /// Executes the next instruction of user mode: nil where the machine stops before it is done.
    func stepInUserMode() throws(KVMError) -> StopEvent? {
        let start = programCounter
        let bytes = machine.instruction(at: start, seenBy: self)
        let instruction = X86StepInstruction(bytes, registers)
        let mask = instruction == .systemCall ? try vcpu.modelSpecific(X86.SystemCall.flagMask) ?? 0 : 0
        switch instruction {
        case .interrupt(let length):
            return try lifting { () throws(KVMError) in try run(from: start, to: start + length) }
        case .systemCall where mask & X86.trapFlag != 0:
            // Nothing would trap before SYSRET has brought the flags back.
            return try lifting { () throws(KVMError) in try run(from: start, to: start + 2) }
        default: return try lifting { () throws(KVMError) in try stepByTrapFlag(instruction, passes: false) }
        }
    }

    /// Goes past a breakpoint's instruction in user mode; nil when that is done, or the instruction faulted.
    func passInUserMode() throws(KVMError) -> StopEvent? {
        let bytes = machine.instruction(at: programCounter, seenBy: self)
        let interrupt = nextInterruptInstruction
        switch interrupt?.kind {
        case .breakpoint:
            if interrupt!.length == 1 { x86.ownBreakpoint = programCounter }
            X86.advance(&registers, by: interrupt!.length)
            try storeChangedRegisters()
            try vcpu.injectSoftware(vector: ExceptionVector.breakpoint.rawValue, asException: true)
            return nil
        case .interrupt:
            try interruptFromUser(interrupt!)
            return nil
        case .debug, .overflow, .invalid, nil:
            let instruction = X86StepInstruction(bytes, registers)
            let event = try lifting { () throws(KVMError) in try stepByTrapFlag(instruction, passes: true) }
            return event?.cause == .stepped ? nil : event
        }
    }

    private func stepByTrapFlag(
        _ instruction: X86StepInstruction, passes: Bool
    ) throws(KVMError) -> StopEvent? {
        let flags = X86.flagsRegister(registers)
        let trapStep = TrapStep(
            instruction: instruction, start: programCounter, hadTrapFlag: flags & X86.trapFlag != 0,
            passes: passes)
        // KVM drops the flag with its own stepping.
        try disarmStep(before: .trapFlag(trapStep))
        X86.setFlags(&registers, to: flags | X86.trapFlag)
        try storeChangedRegisters()
        let event = try enter(.trapFlag(trapStep))
        try fetchRegisters()
        if event?.cause == .stepped { return event }
        // Something else ended it: the flag is taken back, at once or when the guest has it back.
        guard !trapStep.hadTrapFlag else { return event }
        if X86.privilege(registers) == 3 {
            X86.setFlags(&registers, to: X86.flagsRegister(registers) & ~X86.trapFlag)
            try storeChangedRegisters()
        } else {
            x86.hasStrayTrapFlag = true
        }
        return event
    }

    /// Does an IRET or SYSRET that leaves for user mode, behind which KVM would not stop: whether the guest's trap flag
    /// asks for a debug exception then. Nil where the next instruction is none.
    func returnToUserMode(by instruction: X86StepInstruction) throws(KVMError) -> Bool? {
        // A processor that steps by the trap flag looks for it behind SYSRET, which has just loaded it.
        let (isUnseen, isFlag) = (!machine.capabilities.user.singleStep, machine.capabilities.step.showsTrapFlag)
        guard isUnseen || isFlag, X86.mode(registers) != .real, X86.privilege(registers) == 0 else { return nil }
        let isTrapDue: Bool
        let isLong = X86.mode(registers) == .long
        switch instruction {
        case .interruptReturn(let size) where isUnseen && (isLong ? size == 8 : size == 4):
            let frame = X86InterruptFrame(
                at: X86.stackTop(registers), wordSize: size, hasErrorCode: false, read: { self.read($0, count: $1) })
            isTrapDue = hasTrapFlag
            guard let frame, frame.isUser, restore(frame) else { return nil }
            X86.dropPrivilegedSegments(&registers)
            try vcpu.returnFromHandler()
        case .systemReturn where isLong:
            guard let star = try vcpu.modelSpecific(X86.SystemCall.segments) else { return nil }
            X86.setInstructionOffset(&registers, to: X86.systemCallReturn(registers).rawValue)
            X86.setFlags(&registers, to: X86.savedFlags(registers) & X86.SystemCall.restoredFlags | 2)
            X86.enterUser(&registers, star: star)
            // Unlike IRET it traps by the flag that it loads (Intel SDM volume 2, SYSRET).
            isTrapDue = hasTrapFlag
        default: return nil
        }
        try storeAll()
        return isTrapDue
    }
}
