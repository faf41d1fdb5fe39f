import Architecture
import Debugger
import KVM
import Primitives

// Instructions of kernel mode that KVM could not emulate and that do the same in user mode: a helper executes them there
// (see UserModeHelper), with their operands where the guest's page tables have them.
extension Processor {
    /// Steps over the instruction that begins with `bytes`, which is next, without KVM, which may lose the step over one of
    /// those; nil where it is none. Else what a step returns: the event, if the machine is not stopping.
    func stepUnprivileged(_ bytes: [UInt8]) throws(KVMError) -> StopEvent?? {
        guard machine.capabilities.emulatesKernelMode, X86.privilege(registers) == 0 else { return .none }
        let start = programCounter
        guard let outcome = try completeUnprivileged(bytes, alone: true) else { return .none }
        if case .stop(let event) = outcome, event.cause != .stepped { return event }
        if programCounter == start { return try enter(.toHandler) }
        guard hasTrapFlag else { return StopEvent(.stepped, on: index) }
        try queueTrap()
        return try enter(.toHandler)
    }

    /// Completes the instruction that begins with `bytes`, which is next; nil where it is none of those. Others of the kind
    /// behind it are executed at once, unless it is to be `alone`.
    func completeUnprivileged(_ bytes: [UInt8], alone: Bool = false) throws(KVMError) -> Outcome? {
        guard let instruction = X86UnprivilegedInstruction(bytes, registers) else { return nil }
        counts.exits.completed(instruction.name)
        let control = instruction.dependsOnExtendedControl ? try vcpu.extendedControl() : nil
        if let exception = instruction.exception(registers, extendedControl: control ?? 1) {
            return try raise(exception, errorCode: 0)
        }
        let helper = try completionHelper()
        if let control, X86.usesExtendedControl(registers) { try helper.setExtendedControl(control) }
        var block = CompletionBlock()
        guard instruction.form.memory != nil else {
            block.append(instruction, operand: nil, [], registers)
            if !alone { extend(&block, control) }
            return try complete(block, helper)
        }
        let size = instruction.size(stateSize: machine.x86.extendedState.size(control ?? 1))
        switch operandPages(instruction, size: size) {
        case .memory(let pieces) where pieces.isOnePiece(in: machine.guestMemory):
            block.append(
                instruction, operand: UserModeHelper.address(of: pieces[0].physical), pieces, registers)
            if !alone { extend(&block, control) }
            return try complete(block, helper)
        case .memory(let pieces): return try completeOnCopy(instruction, pieces, helper)
        case .outside:
            return try raiseUnlessEarlier(instruction, size, helper) { () throws(KVMError) in
                let isOnStack = instruction.form.memory?.isOnStack == true
                return try raise(isOnStack ? .stackFault : .generalProtection, errorCode: 0)
            }
        case .fault(let address, let code):
            return try raiseUnlessEarlier(instruction, size, helper) { () throws(KVMError) in
                X86.setFaultAddress(&registers, to: address)
                try storeAll()
                return try raise(.pageFault, errorCode: code.rawValue)
            }
        case .device(let place):
            return .stop(
                failure("an instruction at \(programCounter) that KVM does not emulate accesses \(place), no memory"))
        }
    }

    private func completionHelper() throws(KVMError) -> UserModeHelper {
        if let helper = x86.helper { return helper }
        let helper = try UserModeHelper(machine.guestMemory)
        x86.helper = helper
        return helper
    }

    private func operandPages(_ instruction: X86UnprivilegedInstruction, size: Int) -> OperandPages {
        guard let memory = instruction.form.memory else { return .memory([]) }
        return OperandPages(
            memory.address, size, isWrite: instruction.isWrite, registers, machine.guestMemory)
    }

    /// Appends what follows in the guest's code, as long as nobody looks at single instructions.
    private func extend(_ block: inout CompletionBlock, _ control: UInt64?) {
        guard case .run = stepping, !isPassing, !hasTrapFlag, machine.arrangement.watchpoints.isEmpty,
            !X86.enablesBreakpoints(registers)
        else { return }
        let start = programCounter
        let stateSize = machine.x86.extendedState.size(control ?? 1)
        let bytes = machine.instruction(at: start, count: CompletionBlock.limit * 8, seenBy: self)
        while block.steps.count < CompletionBlock.limit, !block.steps.last!.instruction.endsBlock {
            let place = start + block.length
            if isHandler(place) || machine.plants && machine.isPlanted(at: place, seenBy: self) { return }
            if machine.hasBreakpoint(at: place) { return }
            let rest = Array(bytes.dropFirst(block.length).prefix(X86Instruction.maximumLength))
            guard let instruction = X86UnprivilegedInstruction(rest, registers, distance: block.length),
                control != nil || !instruction.dependsOnExtendedControl, !instruction.storesPointers,
                instruction.exception(registers, extendedControl: control ?? 1) == nil,
                case .memory(let pieces) = operandPages(instruction, size: instruction.size(stateSize: stateSize)),
                pieces.isOnePiece(in: machine.guestMemory)
            else { return }
            counts.exits.completed(instruction.name)
            block.append(
                instruction, operand: pieces.first.map { UserModeHelper.address(of: $0.physical) }, pieces, registers)
        }
    }

    private func complete(_ block: CompletionBlock, _ helper: UserModeHelper) throws(KVMError) -> Outcome {
        let outcome = try execute(block, helper)
        if block.usesExtendedState {
            try vcpu.set(.floatingPoint, from: registers.storage, at: X86.Storage.floatingPoint)
        }
        return try finish(block, outcome)
    }

    /// Executes `block` in user mode; of the guest, `registers` and memory are new then.
    private func execute(
        _ block: CompletionBlock, _ helper: UserModeHelper
    ) throws(KVMError) -> UserModeHelper.Outcome {
        if block.usesExtendedState {
            try vcpu.get(.floatingPoint, into: &registers.storage, at: X86.Storage.floatingPoint)
            registers.present.subtract(.floatingPoint)
        }
        let before = registers
        let outcome = try helper.execute(block.code, &registers, usesExtendedState: block.usesExtendedState)
        if block.usesExtendedState {
            for step in block.steps {
                X86.replacePointers(
                    &registers, of: step.instruction, at: UserModeHelper.codeAddress + UInt64(step.offset),
                    operand: step.operand ?? 0, distance: step.distance)
            }
        }
        // One that faulted had its operand's address in a register.
        if case .exception(_, _, let offset) = outcome,
            let base = block.steps.last(where: { $0.offset <= offset })?.instruction.form.baseRegister
        {
            X86.setGeneral(base, &registers, to: X86.general(base, before))
        }
        return outcome
    }

    /// Completes an instruction whose operand is on pages that are not neighbours.
    private func completeOnCopy(
        _ instruction: X86UnprivilegedInstruction, _ pieces: [OperandPages.Piece], _ helper: UserModeHelper
    ) throws(KVMError) -> Outcome {
        var bytes: [UInt8] = []
        for piece in pieces { _ = machine.guestMemory.append(piece.count, from: piece.physical, to: &bytes) }
        let place = helper.place(bytes, at: pieces[0].linear)
        var block = CompletionBlock()
        block.append(instruction, operand: place, pieces, registers)
        let outcome = try execute(block, helper)
        if block.usesExtendedState {
            try vcpu.set(.floatingPoint, from: registers.storage, at: X86.Storage.floatingPoint)
        }
        if outcome == .done, instruction.isWrite {
            var rest = helper.copy(at: place, count: bytes.count)[...]
            for piece in pieces {
                if !machine.guestMemory.layout.firmware.contains(piece.physical) {
                    _ = machine.guestMemory.write(piece.physical, rest.prefix(piece.count))
                }
                rest.removeFirst(piece.count)
            }
        }
        return try finish(block, outcome)
    }

    /// Raises what `body` does, unless the processor would check something else before the address: that is seen with an
    /// operand in another place.
    private func raiseUnlessEarlier(
        _ instruction: X86UnprivilegedInstruction, _ size: Int, _ helper: UserModeHelper,
        _ body: () throws(KVMError) -> Outcome
    ) throws(KVMError) -> Outcome {
        let kept = registers
        // Zeroes are valid wherever something is loaded; anything else shows what is stored.
        let filling = [UInt8](repeating: instruction.mayStoreNothing ? 0x5a : 0, count: size)
        let place = helper.place(filling, at: instruction.form.memory!.address)
        var block = CompletionBlock()
        block.append(instruction, operand: place, [], registers)
        let outcome = try execute(block, helper)
        if outcome == .done, instruction.mayStoreNothing, helper.copy(at: place, count: size) == filling {
            try vcpu.set(.floatingPoint, from: registers.storage, at: X86.Storage.floatingPoint)
            return try finish(block, outcome)
        }
        registers = kept
        if case .exception(let exception, let errorCode, _) = outcome, exception != .simdException {
            return try raise(exception, errorCode: errorCode)
        }
        return try body()
    }

    /// Takes over what became of `block`.
    private func finish(_ block: CompletionBlock, _ outcome: UserModeHelper.Outcome) throws(KVMError) -> Outcome {
        var executed = block.steps[...]
        var length = block.length
        if case .failed(let text) = outcome {
            return .stop(failure("the instruction at \(programCounter) could not be completed in user mode: \(text)"))
        }
        if case .exception(_, _, let offset) = outcome {
            executed = block.steps.prefix { $0.offset < offset }
            length = block.steps[executed.count].distance
        }
        let paging = X86.paging(registers)
        for step in executed {
            for piece in step.pieces {
                paging.markAccess(to: piece.linear, isWrite: step.instruction.isWrite, in: machine.guestMemory)
                recordHits(of: step.instruction, piece)
            }
        }
        guard case .exception(let exception, let errorCode, _) = outcome else { return try goBehind(length) }
        X86.advance(&registers, by: length)
        try storeChangedRegisters()
        if exception == .simdException {
            return try raise(X86UnprivilegedInstruction.numericException(registers), errorCode: 0)
        }
        return try raise(exception, errorCode: errorCode)
    }

    private func recordHits(of instruction: X86UnprivilegedInstruction, _ piece: OperandPages.Piece) {
        for isWrite in [false, true] where isWrite ? instruction.isWrite : instruction.isRead {
            recordHits(
                machine.x86.pageTraps.watch.hits(
                    of: piece.count, at: piece.physical, isWrite: isWrite, through: [piece.linear]))
        }
    }

    /// The instruction of `length` bytes is done.
    func goBehind(_ length: Int) throws(KVMError) -> Outcome {
        X86.advance(&registers, by: length)
        X86.setFlags(&registers, to: X86.flagsRegister(registers) & ~X86.resumeFlag)
        try storeChangedRegisters()
        if !accesses.pendingHits.isEmpty, !accesses.isFinishingRepetition { return watchpointStop(and: nil) }
        if debugControl.armed.singleStep { return .stop(StopEvent(.stepped, on: index)) }
        if hasTrapFlag { try queueTrap() }
        return .goOn
    }

    /// The instruction that is next is a fault.
    func raise(_ exception: ExceptionVector, errorCode: UInt32) throws(KVMError) -> Outcome {
        if exception.pushesErrorCode, X86.mode(registers) != .real {
            try vcpu.inject(exception: exception.rawValue, errorCode: errorCode)
        } else {
            try vcpu.injectSoftware(vector: exception.rawValue, asException: true)
        }
        return .goOn
    }
}
