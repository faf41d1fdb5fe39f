import Primitives

/// An instruction that always raises an exception or interrupt, in all its forms (Intel SDM volume 2, "INT n/INTO/INT3/
/// INT1", "UD"; section 2.1 for prefixes). Of invalid opcodes it knows UD0, UD1, UD2, LOCK before any of these, and those
/// that neither Intel nor AMD gives a meaning, in 64-bit code also those that 64-bit mode takes away.
package struct X86InterruptInstruction: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// INT3, `cc`.
        case breakpoint
        /// INT n, `cd nn`.
        case interrupt(vector: UInt8)
        /// INT1, `f1`, also called ICEBP.
        case debug
        /// INTO, `ce`: only where the overflow flag is set.
        case overflow
        /// An invalid opcode, of which only the beginning counts.
        case invalid
    }

    package let kind: Kind
    /// Bytes with prefixes; of an invalid one as many as say that it is.
    package let length: Int

    /// Nil for other instructions, and where bytes are missing. `isLong`: 64-bit code.
    package init?(_ bytes: [UInt8], isLong: Bool) {
        var rest = bytes.prefix(X86Instruction.maximumLength)
        var isLocked = false
        while let prefix = rest.first, X86Instruction.prefixes.contains(prefix) {
            if prefix == 0xf0 { isLocked = true }
            rest.removeFirst()
        }
        if isLong, let prefix = rest.first, prefix & 0xf0 == 0x40 { rest.removeFirst() }
        let found: Kind
        switch rest.popFirst() {
        case 0xcc: found = .breakpoint
        case 0xcd:
            guard let vector = rest.popFirst() else { return nil }
            found = .interrupt(vector: vector)
        case 0xf1: found = .debug
        case 0xce: found = isLong ? .invalid : .overflow
        case 0x0f:
            guard let second = rest.popFirst(), Self.isInvalid(second: second) else { return nil }
            found = .invalid
        case let first? where isLong && Self.absentIn64Bit.contains(first): found = .invalid
        default: return nil
        }
        kind = isLocked ? .invalid : found
        length = rest.startIndex
    }

    private static func isInvalid(second: UInt8) -> Bool {
        switch second {
        case 0x0b, 0xb9, 0xff, 0x04, 0x0a, 0x0c, 0x24...0x27, 0x36, 0x39, 0x3b...0x3f, 0x7a, 0x7b: true
        default: false
        }
    }

    /// PUSH and POP of segment registers, decimal adjustments, PUSHA, POPA, opcode 82, far CALL and JMP.
    private static let absentIn64Bit: Set<UInt8> = [
        0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x82, 0x9a, 0xd4, 0xd5, 0xd6,
        0xea,
    ]

    /// What is raised.
    package var vector: UInt8 {
        switch kind {
        case .breakpoint: 3
        case .interrupt(let vector): vector
        case .debug: 1
        case .overflow: 4
        case .invalid: 6
        }
    }

    /// Whether its gate's DPL counts, and the error code of a failed delivery says that a program caused it: INT1 is like
    /// an event from outside.
    package var isSoftware: Bool {
        switch kind {
        case .breakpoint, .interrupt, .overflow: true
        case .debug, .invalid: false
        }
    }
}

extension X86InterruptInstruction {
    /// Decodes by the mode that `file` says the processor is in.
    package init?(_ bytes: [UInt8], _ file: RegisterFile) {
        self.init(bytes, isLong: X86.mode(file) == .long)
    }
}

extension X86Instruction {
    /// Whether an instruction cannot fault once it is fetched: arithmetic, moves and jumps that access no memory, as far
    /// as they are common.
    package static func neverFaults(_ bytes: [UInt8], isLong: Bool) -> Bool {
        let count = prefixCount(bytes, isLong: isLong)
        guard !bytes.prefix(count).contains(0xf0), count < bytes.count else { return false }
        let first = bytes[count]
        let next = count + 1 < bytes.count ? bytes[count + 1] : 0
        let isRegister = next >= 0xc0
        let middle = next >> 3 & 7
        switch first {
        case 0x0f:
            let third = count + 2 < bytes.count ? bytes[count + 2] : 0
            switch next {
            case 0x80...0x8f: return true
            case 0x40...0x4f, 0x90...0x9f, 0xaf, 0xb6, 0xb7, 0xbe, 0xbf: return third >= 0xc0
            default: return false
            }
        case 0x00...0x3f where first & 7 < 4, 0x69, 0x6b, 0x80, 0x81, 0x83, 0x84...0x8b, 0xc0, 0xc1, 0xd0...0xd3:
            return isRegister
        case 0x00...0x3f: return first & 7 < 6
        case 0x40...0x4f, 0x70...0x7f, 0x90...0x99, 0xa8, 0xa9, 0xb0...0xbf, 0xe9, 0xeb, 0xf5, 0xf8, 0xf9, 0xfc, 0xfd:
            return true
        case 0x8d: return !isRegister
        case 0xc6, 0xc7: return isRegister && middle == 0
        case 0xf6, 0xf7: return isRegister && middle < 6
        case 0xfe, 0xff: return isRegister && middle < 2
        default: return false
        }
    }
}
