import Primitives

/// Where an instruction's explicit operand and its stack are in memory: enough to see whether a page fault's address
/// can be its own (Intel SDM volume 2, sections 2.1, 2.2 and appendix A). 32-bit and 64-bit code; string instructions,
/// VEX and EVEX are left out, and count as touching nothing known.
package struct X86MemoryOperand: Sendable {
    /// The opcode: one byte, or 0x0f00 and the second one.
    package private(set) var opcode: UInt16 = 0
    /// The middle field of the ModRM byte, which completes some opcodes; 0 where there is none.
    package private(set) var extended: UInt8 = 0
    /// The same where it names a register: with REX's bit.
    package var extendedRegister: UInt8 { extended | (rex >> 2 & 1) << 3 }
    /// Bytes of an operand that REX.W widens.
    package var isWide: Bool { rex & 8 != 0 }
    /// The register that is the operand, where it is none in memory; by its number in the instruction encoding.
    package private(set) var register: UInt8?
    /// The memory operand's linear address, but for segment bases other than FS and GS.
    package private(set) var address: VirtualAddress?

    /// The address is relative to the next instruction, and was reckoned as if this one had 6 bytes.
    package private(set) var isRelative = false
    /// Prefix 66.
    package private(set) var hasOperandPrefix = false

    /// What follows: an immediate, and the next instruction. Its first index is the count of bytes before.
    private var bytes: ArraySlice<UInt8>
    private var rex: UInt8 = 0
    private let isLong: Bool
    private let file: RegisterFile

    /// Nil where the bytes are no whole instruction of the kind described.
    package init?(_ instruction: [UInt8], _ file: RegisterFile) {
        bytes = instruction[...]
        self.file = file
        isLong = X86.mode(file) == .long
        guard isLong || X86.mode(file) == .protected32 || X86.mode(file) == .compatibility else { return nil }
        var segmentBase: UInt64 = 0
        while let prefix = bytes.first, X86Instruction.prefixes.contains(prefix) {
            if prefix == 0x64 { segmentBase = file.field(X86.Field.codeSegment + 72) }
            if prefix == 0x66 { hasOperandPrefix = true }
            if prefix == 0x65 { segmentBase = file.field(X86.Field.codeSegment + 96) }
            bytes.removeFirst()
        }
        if isLong, let first = bytes.first, first & 0xf0 == 0x40 {
            rex = first
            bytes.removeFirst()
        }
        guard let first = bytes.popFirst() else { return nil }
        opcode = UInt16(first)
        if first == 0x0f {
            guard let second = bytes.popFirst() else { return nil }
            opcode = 0x0f00 | UInt16(second)
        }
        guard Self.hasModRM(opcode) else { return }
        guard let modrm = bytes.popFirst() else { return nil }
        extended = modrm >> 3 & 7
        if modrm >> 6 == 3 {
            register = modrm & 7 | (rex & 1) << 3
        } else {
            guard let offset = effectiveAddress(modrm) else { return nil }
            address = VirtualAddress((offset &+ segmentBase) & (isLong ? .max : 0xffff_ffff))
        }
    }

    /// Bytes of the whole instruction.
    package var length: Int { bytes.startIndex + immediateSize }

    /// Bytes of the immediate operand behind ModRM and displacement.
    private var immediateSize: Int {
        let word = hasOperandPrefix ? 2 : 4
        switch opcode {
        case 0x00...0x3f where opcode & 7 == 4, 0x6a, 0x6b, 0x70...0x7f, 0x80, 0x82, 0x83, 0xa8, 0xb0...0xb7, 0xc0,
            0xc1,
            0xc6, 0xcd, 0xe0...0xe7, 0xeb, 0x0f70...0x0f73, 0x0fa4, 0x0fac, 0x0fba, 0x0fc2, 0x0fc4...0x0fc6:
            return 1
        case 0x00...0x3f where opcode & 7 == 5, 0x68, 0x69, 0x81, 0xa9, 0xc7: return word
        case 0xe8, 0xe9, 0x0f80...0x0f8f: return isLong ? 4 : word
        case 0xa0...0xa3: return isLong ? 8 : 4
        case 0xb8...0xbf: return isWide ? 8 : word
        case 0xc2, 0xca: return 2
        case 0xc8: return 3
        case 0xf6: return extended < 2 ? 1 : 0
        case 0xf7: return extended < 2 ? word : 0
        default: return 0
        }
    }

    /// The value of a general register by its number in the instruction encoding.
    package func value(of number: UInt8) -> UInt64 {
        // rax rcx rdx rbx rsp rbp rsi rdi, in the order of `struct kvm_regs`.
        let order = [0, 2, 3, 1, 6, 7, 4, 5]
        let place = number < 8 ? order[Int(number)] : Int(number)
        return file.field(X86.Storage.general + place * 8)
    }

    private static func hasModRM(_ opcode: UInt16) -> Bool {
        switch opcode {
        case 0x00...0x3f: opcode & 7 < 4
        case 0x63, 0x69, 0x6b, 0x80...0x8f, 0xc0, 0xc1, 0xc6, 0xc7, 0xd0...0xd3, 0xd8...0xdf, 0xf6, 0xf7, 0xfe, 0xff:
            true
        case 0x0f00...0x0f03, 0x0f0d, 0x0f10...0x0f2f, 0x0f40...0x0f76, 0x0f90...0x0f9f, 0x0fa3...0x0fa5,
            0x0fab...0x0fc7:
            true
        default: false
        }
    }

    /// ModRM, SIB and displacement.
    private mutating func effectiveAddress(_ modrm: UInt8) -> UInt64? {
        let mode = modrm >> 6
        var sum: UInt64 = 0
        var hasDisplacement32 = mode == 2
        if modrm & 7 == 4 {
            guard let sib = bytes.popFirst() else { return nil }
            let index = sib >> 3 & 7 | (rex >> 1 & 1) << 3
            if index != 4 { sum = value(of: index) << UInt64(sib >> 6) }
            if sib & 7 == 5 && mode == 0 {
                hasDisplacement32 = true
            } else {
                sum &+= value(of: sib & 7 | (rex & 1) << 3)
            }
        } else if modrm & 7 == 5 && mode == 0 {
            // Relative to the next instruction, whose place is a few bytes further on than known here.
            hasDisplacement32 = true
            if isLong {
                sum = X86.programCounter(file).rawValue &+ 6
                isRelative = true
            }
        } else {
            sum = value(of: modrm & 7 | (rex & 1) << 3)
        }
        if mode == 1 {
            guard let byte = bytes.popFirst() else { return nil }
            return sum &+ UInt64(bitPattern: Int64(Int8(bitPattern: byte)))
        }
        guard hasDisplacement32 else { return sum }
        guard bytes.count >= 4 else { return nil }
        let displacement: UInt32 = Array(bytes.prefix(4)).number(at: 0, count: 4)
        bytes.removeFirst(4)
        return sum &+ UInt64(bitPattern: Int64(Int32(bitPattern: displacement)))
    }

    /// Whether an access by this instruction can have reached `place`: near its operand, or near its stack.
    package func canTouch(_ place: VirtualAddress) -> Bool {
        // An operand has at most 64 bytes, and 16 more are for what `effectiveAddress` does not know.
        if let address, place.rawValue &- address.rawValue &+ 16 < 96 { return true }
        let stack = value(of: 4)
        return usesStack && place.rawValue &- stack &+ 64 < 128
    }

    /// PUSH, POP, CALL, RET, ENTER, LEAVE, PUSHF, POPF, IRET.
    package var usesStack: Bool {
        switch opcode {
        case 0x50...0x5f, 0x68, 0x6a, 0x8f, 0x9a, 0x9c, 0x9d, 0xc2, 0xc3, 0xc8...0xcb, 0xcf, 0xe8, 0x0fa0, 0x0fa1,
            0x0fa8,
            0x0fa9:
            true
        case 0xff: extended == 2 || extended == 3 || extended == 6
        default: false
        }
    }

    /// Whether it is DIV or IDIV.
    package var isDivision: Bool { (opcode == 0xf6 || opcode == 0xf7) && extended >= 6 }
}
