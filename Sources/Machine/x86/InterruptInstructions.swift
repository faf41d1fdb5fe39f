import Architecture
import Debugger
import KVM
import Primitives

// INT3, INT n, INT1, INTO and invalid opcodes of kernel mode on hosts whose KVM does not emulate them (Intel SDM volume 2,
// "INT n/INTO/INT3/INT1", operation). KVM delivers a queued exception without the checks that depend on its cause, so they
// are made here: a delivery that fails is a fault at the instruction.
extension Processor {
    /// Completes an instruction that KVM could not emulate; a planted INT3 is a breakpoint.
    func completeInstruction() throws(KVMError) -> Outcome {
        try fetchRegisters()
        let place = programCounter
        // The kernel's local APIC has had INIT: the processor begins where no firmware is.
        if hasKernelAPIC, index == 0, X86.isAtReset(registers) { return .stop(resetByInit) }
        if let outcome = try reachedHandler(place) { return outcome }
        if let outcome = reachedPlanted(at: place) { return outcome }
        let bytes = machine.instruction(at: place, seenBy: self)
        if let instruction = X86InterruptInstruction(bytes, registers) {
            try perform(instruction)
            return .goOn
        }
        if let outcome = try completeUnprivileged(bytes) { return outcome }
        if let outcome = try completePrivileged(bytes) { return outcome }
        guard !bytes.isEmpty else {
            let explanation = "vCPU \(index) ran to \(place), where there is no memory to fetch instructions from"
            return .stop(StopEvent(.memoryFault, on: index, explanation: explanation))
        }
        let text = bytes.map { hexadecimal($0, digits: 2).dropFirst(2) }.joined(separator: " ")
        return .stop(
            StopEvent(
                .emulationFailure, on: index,
                explanation: "vCPU \(index): KVM could not emulate the instruction at \(place): \(text)"
                    + (missingEmulation(of: bytes).map { ", \($0)" } ?? "")))
    }

    /// What this host's KVM leaves out, where that is why the guest cannot continue at the instruction that begins with
    /// `bytes`.
    func missingEmulation(of bytes: [UInt8]) -> X86MissingEmulation? {
        machine.capabilities.emulatesKernelMode ? X86MissingEmulation(bytes, registers) : nil
    }

    /// Does what `instruction`, which is next, does; its handler's first instruction is next then, once KVM has run.
    func perform(_ instruction: X86InterruptInstruction) throws(KVMError) {
        if instruction.kind == .invalid {
            return try vcpu.injectSoftware(vector: ExceptionVector.invalidOpcode.rawValue, asException: true)
        }
        if instruction.kind == .overflow, !X86.hasOverflow(registers) {
            X86.advance(&registers, by: instruction.length)
            return try storeChangedRegisters()
        }
        if let failure = deliveryFailure(of: instruction) { return try raise(failure) }
        x86.completed = (instruction, programCounter)
        X86.advance(&registers, by: instruction.length)
        try storeChangedRegisters()
        let isInterrupt = if case .interrupt = instruction.kind { true } else { false }
        try vcpu.injectSoftware(vector: instruction.vector, asException: !isInterrupt)
    }

    /// Why the guest's tables do not let `instruction` through, if so.
    func deliveryFailure(of instruction: X86InterruptInstruction) -> InterruptTable.Failure? {
        let level = UInt8(X86.privilege(registers))
        return TripleFault(self).failure(
            delivering: ExceptionVector(instruction.vector),
            for: instruction.isSoftware ? .instruction(cpl: level) : .event)
    }

    /// Queues the fault that a failed delivery is.
    func raise(_ failure: InterruptTable.Failure) throws(KVMError) {
        if failure.raises == .pageFault, let entry = failure.entry {
            X86.setFaultAddress(&registers, to: entry)
            try storeAll()
        }
        guard let code = failure.errorCode else {
            return try vcpu.injectSoftware(vector: failure.raises.rawValue, asException: true)
        }
        try vcpu.inject(exception: failure.raises.rawValue, errorCode: code)
    }

    // MARK: - What was completed here

    /// Forgets the instruction that was completed here, once the guest has gone on.
    func forgetCompleted(_ exit: Exit) throws(KVMError) {
        guard let (instruction, place) = x86.completed, exit != .shutdown else { return }
        if exit == .interrupted {
            // It may not have been delivered yet.
            try fetchRegisters()
            if programCounter == place + instruction.length { return }
        }
        x86.completed = nil
    }

    /// An interrupt instruction whose delivery failed stands where it stood: RIP was moved past it too soon.
    func takeBackCompleted() throws(KVMError) {
        guard let (instruction, place) = x86.completed, programCounter == place + instruction.length else { return }
        // One that was delivered has returned, and it is the next instruction that failed.
        guard TripleFault(self).cannotDeliver(instruction.vector) else { return }
        X86.advance(&registers, by: -instruction.length)
        try storeChangedRegisters()
    }
}
