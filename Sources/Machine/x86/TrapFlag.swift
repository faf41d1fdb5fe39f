import Architecture
import Debugger
import KVM
import Primitives

// The guest's own trap flag while KVM steps (Intel SDM volume 3, section 18.3.1.4). KVM leaves the flag out of the registers
// that it gives while it steps by itself, drops it when it is to step no more, and keeps the debug exception that the
// flag asks for. A processor that KVM steps by the trap flag also stores that one wherever an instruction stores the flags.
// So the flag is followed here: what each instruction makes of it, and what is stored.

/// What must be known about an instruction before it is stepped.
struct StepStart {
    let instruction: X86StepInstruction
    let frame: X86InterruptFrame.Origin
    let stackPointer: UInt64
    /// The guest's trap flag before the instruction, and the one that the instruction loads.
    let hadTrapFlag: Bool
    let loadsTrapFlag: Bool
}

extension Processor {
    var hasTrapFlag: Bool { X86.flagsRegister(registers) & X86.trapFlag != 0 }

    func stepStart(_ instruction: X86StepInstruction) -> StepStart {
        let distance: Int? =
            switch instruction {
            case .popFlags: 0
            case .interruptReturn(let wordSize): 2 * wordSize
            default: nil
            }
        let loaded = distance.flatMap { read(X86.stackTop(registers) + ($0 + 1), count: 1) }
        return StepStart(
            instruction: instruction, frame: X86InterruptFrame.Origin(registers),
            stackPointer: X86.stackPointer(registers), hadTrapFlag: hasTrapFlag,
            loadsTrapFlag: loaded.map { $0[0][bit: 0] } ?? false)
    }

    /// Makes the guest's trap flag what the stepped instruction makes of it, in the registers and where it was stored. True
    /// where the flag asks for a debug exception behind the instruction.
    func keepTrapFlag(_ start: StepStart, _ event: StopEvent?, endsInHandler: Bool) throws(KVMError) -> Bool {
        let had = start.hadTrapFlag
        let shows = machine.capabilities.step.showsTrapFlag
        guard had || start.loadsTrapFlag || shows && (start.instruction.storesFlags || endsInHandler) else {
            return false
        }
        try fetchRegisters()
        if let frame = interruptFrame(of: start.frame) {
            // It faulted: the handler runs without the flag.
            setStoredTrapFlag(had, at: frame.flagsAddress)
            return false
        }
        let isDone = event?.cause == .stepped || programCounter != start.frame.place
        guard isDone else {
            if had { X86.setFlags(&registers, to: X86.flagsRegister(registers) | X86.trapFlag) }
            return false
        }
        var has = had
        switch start.instruction {
        case .pushFlags:
            let pushed = start.stackPointer &- X86.stackPointer(registers)
            if [2, 4, 8].contains(pushed) { setStoredTrapFlag(had, at: X86.stackTop(registers)) }
        case .systemCall:
            let saved = X86.savedFlags(registers) & ~X86.trapFlag
            X86.setSavedFlags(&registers, to: had ? saved | X86.trapFlag : saved)
            let mask = try vcpu.modelSpecific(X86.SystemCall.flagMask) ?? 0
            has = had && mask & X86.trapFlag == 0
        case .popFlags, .interruptReturn: has = start.loadsTrapFlag
        default: break
        }
        let flags = X86.flagsRegister(registers) & ~X86.trapFlag
        X86.setFlags(&registers, to: has ? flags | X86.trapFlag : flags)
        return had
    }

    private func setStoredTrapFlag(_ isSet: Bool, at flags: VirtualAddress) {
        let place = flags + 1
        guard let high = read(place, count: 1), let physical = machine.physical(place, seenBy: self) else { return }
        let flag = UInt8(X86.trapFlag >> 8)
        let value = isSet ? high[0] | flag : high[0] & ~flag
        if value != high[0] { _ = machine.hidden.write(physical, [value]) }
    }

    /// The frame that a fault of the instruction at `origin` pushed, where its handler is next.
    func interruptFrame(of origin: X86InterruptFrame.Origin) -> X86InterruptFrame? {
        let wordSize = interruptTable.mode == .long ? 8 : interruptTable.mode == .protected ? 4 : 2
        let frames = [false, true].compactMap {
            X86InterruptFrame(
                at: X86.stackTop(registers), wordSize: wordSize, hasErrorCode: $0, read: { self.read($0, count: $1) })
        }
        guard programCounter != origin.place else { return nil }
        return frames.first { origin.matches($0, wordSize: wordSize) }
    }

    /// Queues the debug exception of the guest's trap flag.
    func queueTrap() throws(KVMError) {
        try disarmStep(before: .toHandler)
        try storeChangedRegisters()
        try queueDebugException(status: X86DebugRegisters.stepStatus)
    }

    /// Queues a debug exception of the guest's own; `status` are its bits of DR6.
    func queueDebugException(status: UInt64) throws(KVMError) {
        var block = try vcpu.get(.debug)
        let old: UInt64 = block.number(at: 32, count: 8)
        block.store(X86DebugRegisters.status(old, adding: status), at: 32, count: 8)
        try vcpu.set(.debug, from: block, at: 0)
        registers.present.subtract(.debug)
        try vcpu.injectSoftware(vector: 1, asException: true)
    }
}
