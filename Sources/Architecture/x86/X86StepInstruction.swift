import Primitives

/// What a step must know of the instruction that it executes (Intel SDM volume 2; volume 3, section 18.3.1.4): which
/// ones enter handlers, and which ones read or write the flags that a step borrows.
package enum X86StepInstruction: Equatable, Sendable {
    /// INT n, INT3, INT1, INTO, of this many bytes: goes to a handler and comes back behind itself.
    case interrupt(length: Int)
    /// SYSCALL: the same through LSTAR, in 2 bytes.
    case systemCall
    /// PUSHF: the flags are on the stack's top afterwards.
    case pushFlags
    /// POPF: all flags are new afterwards, the trap flag too.
    case popFlags
    /// IRET, with operands of this many bytes (2, 4 or 8).
    case interruptReturn(wordSize: Int)
    /// SYSRET to 64-bit code.
    case systemReturn
    case clearInterrupts
    case setInterrupts
    case other

    /// `isLong`: 64-bit code, where 0x40 to 0x4f are prefixes. `defaultSize`: bytes of an operand without prefixes.
    package init(_ bytes: [UInt8], isLong: Bool, defaultSize: Int) {
        var rest = bytes[...]
        var size = defaultSize
        var prefixes = 0
        while let prefix = rest.first, X86Instruction.prefixes.contains(prefix) {
            if prefix == 0x66 { size = defaultSize == 2 ? 4 : 2 }
            rest.removeFirst()
            prefixes += 1
        }
        if isLong, let rex = rest.first, rex & 0xf0 == 0x40 {
            if rex & 8 != 0 { size = 8 }
            rest.removeFirst()
            prefixes += 1
        }
        let first = rest.popFirst()
        switch (first, rest.first) {
        case (0xcc, _), (0xf1, _), (0xce, _): self = .interrupt(length: prefixes + 1)
        case (0xcd, .some): self = .interrupt(length: prefixes + 2)
        case (0x0f, 0x05): self = .systemCall
        case (0x0f, 0x07) where size == 8: self = .systemReturn
        case (0x9c, _): self = .pushFlags
        case (0x9d, _): self = .popFlags
        case (0xcf, _): self = .interruptReturn(wordSize: size)
        case (0xfa, _): self = .clearInterrupts
        case (0xfb, _): self = .setInterrupts
        default: self = .other
        }
    }
}

extension X86StepInstruction {
    /// Whether the flags can be read afterwards where it has stored them.
    package var storesFlags: Bool { self == .pushFlags || self == .systemCall }

    /// Decodes by the mode that `file` says the processor is in.
    package init(_ bytes: [UInt8], _ file: RegisterFile) {
        let mode = X86.mode(file)
        let size =
            switch mode {
            case .real, .virtual8086, .protected16: 2
            case .long, .protected32: 4
            case .compatibility: file.storage[X86.Field.codeSegment + 17] != 0 ? 4 : 2
            }
        self.init(bytes, isLong: mode == .long, defaultSize: size)
    }
}

extension X86StepInstruction {
    /// RFLAGS.IF as it is to be after this instruction was executed with IF cleared for the length of a step. `before`
    /// and `after` are RFLAGS, `level` the privilege level it began in, `mask` SYSCALL's flag mask.
    package func takesInterrupts(before: UInt64, after: UInt64, level: Int, mask: UInt64) -> Bool {
        let had = before & X86.interruptFlag != 0
        let has = after & X86.interruptFlag != 0
        let isAllowed = level <= Int(before[bits: 12...13])
        switch self {
        case .clearInterrupts, .setInterrupts, .popFlags, .interruptReturn: return isAllowed ? has : had
        case .systemReturn: return has
        case .systemCall: return had && mask & X86.interruptFlag == 0
        case .interrupt, .pushFlags, .other: return had
        }
    }
}
