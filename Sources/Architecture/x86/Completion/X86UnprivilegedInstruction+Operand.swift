// How long memory operands are, and which way they go (Intel SDM volume 2, each instruction's "Description"). One table, by
// opcode map; the operand of an unknown opcode counts with the whole width of a vector.

extension X86UnprivilegedInstruction {
    enum Access: Sendable { case read, write, both }

    struct Operand: Sendable {
        let size: Int
        let access: Access

        init(_ size: Int, _ access: Access = .read) { (self.size, self.access) = (size, access) }
    }

    /// An area of extended state counts as 0 bytes here.
    static func operand(of form: X86InstructionForm) -> Operand {
        switch form.map {
        case .oneByte: x87Operand(form)
        case .twoByte: twoByteOperand(form)
        case .threeByte38: operand38(form)
        case .threeByte3A: operand3A(form)
        }
    }

    private static func x87Operand(_ form: X86InstructionForm) -> Operand {
        let isShort = form.mandatory == .operandSize
        switch (form.opcode, form.extended) {
        case (0xd9, 4): return Operand(isShort ? 14 : 28)
        case (0xd9, 5): return Operand(2)
        case (0xd9, 6): return Operand(isShort ? 14 : 28, .write)
        case (0xd9, 7): return Operand(2, .write)
        case (0xd9, 2), (0xd9, 3), (0xdb, 1...3): return Operand(4, .write)
        case (0xdb, 5): return Operand(10)
        case (0xdb, 7): return Operand(10, .write)
        case (0xdd, 4): return Operand(isShort ? 94 : 108)
        case (0xdd, 6): return Operand(isShort ? 94 : 108, .write)
        case (0xdd, 7): return Operand(2, .write)
        case (0xdd, 1...3): return Operand(8, .write)
        case (0xdf, 0): return Operand(2)
        case (0xdf, 1...3): return Operand(2, .write)
        case (0xdf, 4): return Operand(10)
        case (0xdf, 5): return Operand(8)
        case (0xdf, 6): return Operand(10, .write)
        case (0xdf, 7): return Operand(8, .write)
        case (0xdc, _), (0xdd, _): return Operand(8)
        case (0xde, _): return Operand(2)
        default: return Operand(4)
        }
    }

    /// An operand as wide as the registers: MMX, XMM or YMM.
    private static func vector(_ form: X86InstructionForm) -> Int {
        if form.encoding == .vex { return form.vectorLength == 0 ? 16 : 32 }
        let isMMX =
            form.mandatory == .none
            && (form.map != .twoByte || (0x60...0x7f).contains(form.opcode) || form.opcode > 0xd0)
        return isMMX && !isAlwaysWide(form) ? 8 : 16
    }

    /// The SHA instructions have no prefix, and no MMX registers.
    private static func isAlwaysWide(_ form: X86InstructionForm) -> Bool {
        form.map == .threeByte38 && form.opcode >= 0xc8 || form.map == .threeByte3A && form.opcode == 0xcc
    }

    /// As wide as the registers where the instruction is packed, else 4 or 8 bytes.
    private static func scalarOrPacked(_ form: X86InstructionForm) -> Int {
        switch form.mandatory {
        case .none, .operandSize: vector(form)
        case .repeated: 4
        case .repeatedNot: 8
        }
    }

    /// A general register's width, for instructions that have only 4 and 8 bytes.
    private static func word(_ form: X86InstructionForm) -> Int { form.isWide ? 8 : 4 }

    /// The same where prefix 66 makes it 2.
    private static func anyWord(_ form: X86InstructionForm) -> Int {
        form.isWide ? 8 : form.hasOperandSize ? 2 : 4
    }

    private static func twoByteOperand(_ form: X86InstructionForm) -> Operand {
        switch form.opcode {
        case 0x10: return Operand(scalarOrPacked(form))
        case 0x11: return Operand(scalarOrPacked(form), .write)
        case 0x12 where form.mandatory == .repeated, 0x16 where form.mandatory == .repeated:
            return Operand(vector(form))
        case 0x12 where form.mandatory == .repeatedNot && form.vectorLength == 1: return Operand(32)
        case 0x12, 0x16: return Operand(8)
        case 0x13, 0x17: return Operand(8, .write)
        case 0x29, 0x2b: return Operand(vector(form), .write)
        case 0x2a: return Operand(form.mandatory.rawValue < 2 ? 8 : word(form))
        case 0x2c, 0x2d: return Operand([8, 16, 4, 8][Int(form.mandatory.rawValue)])
        case 0x2e, 0x2f: return Operand(form.mandatory == .none ? 4 : 8)
        case 0x5a where form.mandatory == .none, 0xe6 where form.mandatory == .repeated:
            return Operand(form.vectorLength == 0 ? 8 : 16)
        case 0x5b: return Operand(vector(form))
        case 0x51...0x53, 0x58...0x5a, 0x5c...0x5f, 0xc2: return Operand(scalarOrPacked(form))
        case 0x60...0x62: return Operand(form.encoding == .legacy && form.mandatory == .none ? 4 : vector(form))
        case 0x6e: return Operand(word(form))
        case 0x7e: return form.mandatory == .repeated ? Operand(8) : Operand(word(form), .write)
        case 0x7f, 0xe7, 0xf7: return Operand(vector(form), .write)
        case 0xd6: return Operand(8, .write)
        case 0xd1...0xd3, 0xe1, 0xe2, 0xf1...0xf3: return Operand(min(vector(form), 16))
        case 0xb8: return Operand(anyWord(form))
        case 0xc3: return Operand(word(form), .write)
        case 0xc4: return Operand(2)
        case 0x90: return Operand(8)
        case 0x91: return Operand(8, .write)
        case 0xae: return stateOperand(form)
        case 0xc7:
            switch form.extended {
            case 1: return Operand(form.isWide ? 16 : 8, .both)
            case 3: return Operand(0)
            default: return Operand(0, .write)
            }
        default: return Operand(vector(form))
        }
    }

    private static func stateOperand(_ form: X86InstructionForm) -> Operand {
        switch (form.extended, form.mandatory) {
        case (0, _): Operand(512, .write)
        case (1, _): Operand(512)
        case (2, _): Operand(4)
        case (3, _): Operand(4, .write)
        case (4, _): Operand(0, .write)
        case (5, _): Operand(0)
        case (6, .none): Operand(0, .write)
        default: Operand(1)
        }
    }

    private static func operand38(_ form: X86InstructionForm) -> Operand {
        let isLegacy = form.encoding == .legacy
        switch form.opcode {
        case 0x13: return Operand(form.vectorLength == 0 ? 8 : 16)
        case 0x18, 0x58: return Operand(4)
        case 0x19, 0x59: return Operand(8)
        case 0x1a, 0x5a: return Operand(16)
        case 0x20, 0x23, 0x25, 0x30, 0x33, 0x35: return Operand(vector(form) / 2)
        case 0x21, 0x24, 0x31, 0x34: return Operand(vector(form) / 4)
        case 0x22, 0x32: return Operand(vector(form) / 8)
        case 0x2e where !isLegacy, 0x2f where !isLegacy, 0x8e: return Operand(vector(form), .write)
        case 0x78: return Operand(1)
        case 0x79: return Operand(2)
        case 0x99, 0x9b, 0x9d, 0x9f, 0xa9, 0xab, 0xad, 0xaf, 0xb9, 0xbb, 0xbd, 0xbf: return Operand(word(form))
        case 0xf0: return form.mandatory == .repeatedNot ? Operand(1) : Operand(anyWord(form))
        case 0xf1:
            return form.mandatory == .repeatedNot ? Operand(anyWord(form)) : Operand(anyWord(form), .write)
        case 0xf9: return Operand(word(form), .write)
        case 0xf2...0xf7: return Operand(word(form))
        default: return Operand(vector(form))
        }
    }

    private static func operand3A(_ form: X86InstructionForm) -> Operand {
        switch form.opcode {
        case 0x0a: Operand(4)
        case 0x0b: Operand(8)
        case 0x14: Operand(1, .write)
        case 0x15: Operand(2, .write)
        case 0x16: Operand(word(form), .write)
        case 0x17: Operand(4, .write)
        case 0x18, 0x38: Operand(16)
        case 0x19, 0x39: Operand(16, .write)
        case 0x1d: Operand(form.vectorLength == 0 ? 8 : 16, .write)
        case 0x20: Operand(1)
        case 0x21: Operand(4)
        case 0x22, 0xf0: Operand(word(form))
        default: Operand(vector(form))
        }
    }
}
