import Primitives

// What a step with interrupts masked leaves behind, and an exception taken by hand (Arm ARM, AArch64.TakeException): a
// debugger does both to registers alone.

extension Arm64 {
    /// Puts right what a step with interrupts masked, of `instruction` at `start`, left behind. `before` is PSTATE
    /// without that.
    package static func release(
        _ file: inout RegisterFile, heldSince before: Arm64State, at start: VirtualAddress,
        _ instruction: Arm64Instruction
    ) {
        var after = state(file)
        guard programCounter(file) != start else {
            // It was not executed.
            (after.masksIRQ, after.masksFIQ) = (before.masksIRQ, before.masksFIQ)
            return setState(&file, to: after)
        }
        if tookException(file, at: start) {
            var saved = savedState(file)
            (saved.masksIRQ, saved.masksFIQ) = (before.masksIRQ, before.masksFIQ)
            return setSavedState(&file, to: saved)
        }
        if case .readMasks(let register) = instruction, register < 31 {
            let row = layout[name: "x\(register)"]!
            var value = file.number(row)
            (value[bit: 7], value[bit: 6]) = (before.masksIRQ, before.masksFIQ)
            file.set(row, to: value)
        }
        after.masksIRQ = instruction.masksInterrupts(before: before, after: after, tookException: false)
        switch instruction {
        case .setMasks(let masks): after.masksFIQ = before.masksFIQ || masks[bit: 0]
        case .clearMasks(let masks): after.masksFIQ = before.masksFIQ && !masks[bit: 0]
        case .writeMasks, .exceptionReturn: break
        default: after.masksFIQ = before.masksFIQ
        }
        setState(&file, to: after)
    }

    /// The exception of a stepped instruction at `start` saves the bit by which KVM steps as if it were the guest's: takes
    /// it away, if it was not set `before`.
    package static func forgetStep(_ file: inout RegisterFile, since before: Arm64State, at start: VirtualAddress) {
        var saved = savedState(file)
        guard tookException(file, at: start), saved.isStepping, !before.isStepping else { return }
        saved.isStepping = false
        setSavedState(&file, to: saved)
    }

    private static func tookException(_ file: RegisterFile, at start: VirtualAddress) -> Bool {
        let (after, link) = (state(file), exceptionLink(file))
        return after.usesOwnStack && after.masksIRQ && after.masksFIQ && isVector(programCounter(file))
            && (link == start || link == start + Arm64Instruction.length)
    }

    /// Whether an address is that of a vector for synchronous exceptions, wherever the table is: all are multiples of
    /// 0x200.
    private static func isVector(_ address: VirtualAddress) -> Bool { address.rawValue & 0x1ff == 0 }

    /// Takes a synchronous exception to EL1. Takes the `.control` block.
    package static func takeException(_ file: inout RegisterFile, _ syndrome: Arm64Syndrome) {
        let old = state(file)
        let origin: Arm64ExceptionVector.Origin =
            old.isNarrow ? .narrowUser : old.exceptionLevel == 0 ? .user : old.usesOwnStack ? .ownStack : .sharedStack
        setSavedState(&file, to: old)
        file.set(layout[name: "elr_el1"]!, to: programCounter(file).rawValue)
        file.set(layout[name: "esr_el1"]!, to: syndrome.rawValue & 0xffff_ffff)
        // NZCV and DIT stay; PAN as SCTLR_EL1.SPAN has it, SSBS as SCTLR_EL1.DSSBS.
        let control = file.number(layout[name: "sctlr_el1"]!)
        var new: UInt64 = old.rawValue & (0xf << 28 | 1 << 24 | 1 << 22) | Arm64State.entry.rawValue
        if !control[bit: 23] { new[bit: 22] = true }
        new[bit: 12] = control[bit: 44]
        setState(&file, to: Arm64State(rawValue: new))
        let vector = Arm64ExceptionVector(.synchronous, from: origin)
        setProgramCounter(&file, to: VirtualAddress(vectorBase(file).rawValue &+ vector.offset))
    }
}
