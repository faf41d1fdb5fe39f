import Primitives

extension X86MemoryOperand {
    /// An access to memory.
    package struct Access: Equatable, Sendable {
        package let address: VirtualAddress
        /// Bytes.
        package let size: Int
        package let isWrite: Bool

        package init(address: VirtualAddress, size: Int, isWrite: Bool) {
            (self.address, self.size, self.isWrite) = (address, size, isWrite)
        }
    }

    /// What an instruction of `length` bytes, executed from the state `file`, accesses through its explicit operand or
    /// as a string instruction. 32-bit and 64-bit code. An operand of unknown width counts with the width of the
    /// operand size; what is pushed and popped is left out.
    package static func accesses(_ instruction: [UInt8], _ file: RegisterFile, length: Int) -> [Access] {
        guard let operand = X86MemoryOperand(instruction, file) else { return [] }
        let size = operand.size
        if operand.opcode <= 0xff, let string = operand.stringAccesses(size) { return string }
        guard var address = operand.address else { return [] }
        // The operand was read as if the instruction had 6 bytes.
        if operand.isRelative { address = address + (length - 6) }
        guard operand.touchesMemory else { return [] }
        return operand.directions.map { Access(address: address, size: size, isWrite: $0) }
    }

    /// Bytes of the operand.
    private var size: Int {
        switch opcode {
        case 0x00...0x3f, 0x80...0x8b, 0xa4...0xaf, 0xc0...0xc7, 0xd0...0xd3, 0xf6...0xff:
            opcode & 1 == 0 && opcode != 0x8e ? 1 : operandSize
        case 0x0fb6, 0x0fbe, 0x0fb0, 0x0fc0, 0x0f90...0x0f9f: 1
        case 0x0fb7, 0x0fbf: 2
        case 0x0f10...0x0f17, 0x0f28...0x0f2f, 0x0f50...0x0f7f: hasOperandPrefix || opcode & 0xf0 != 0x60 ? 16 : 8
        case 0xd8...0xdf: opcode & 4 != 0 ? 8 : 4
        default: operandSize
        }
    }

    private var operandSize: Int { isWide ? 8 : hasOperandPrefix ? 2 : 4 }

    /// LEA and NOP name memory that they do not access.
    private var touchesMemory: Bool { opcode != 0x8d && opcode != 0x0f0d && !(0x0f18...0x0f1f).contains(opcode) }

    /// Whether each access is a write, in their order.
    private var directions: [Bool] {
        switch opcode {
        case 0x88, 0x89, 0x8c, 0x8f, 0xc6, 0xc7, 0x0f11, 0x0f13, 0x0f17, 0x0f29, 0x0f2b, 0x0f7e, 0x0f7f,
            0x0f90...0x0f9f,
            0x0fc3, 0x0fd6, 0x0fe7:
            [true]
        case 0x00...0x37: opcode & 2 == 0 ? [false, true] : [false]
        case 0x80, 0x81, 0x83: extended == 7 ? [false] : [false, true]
        case 0x86, 0x87, 0xc0, 0xc1, 0xd0...0xd3, 0xfe, 0x0fab, 0x0fb0, 0x0fb1, 0x0fb3, 0x0fbb, 0x0fc0, 0x0fc1, 0x0fc7:
            [false, true]
        case 0xf6, 0xf7: extended == 2 || extended == 3 ? [false, true] : [false]
        case 0xff: extended < 2 ? [false, true] : [false]
        case 0x0fba: extended == 4 ? [false] : [false, true]
        default: [false]
        }
    }

    /// Whether it is a string instruction.
    package var isString: Bool { opcode <= 0xff && stringAccesses(1) != nil }

    /// MOVS, CMPS, STOS, LODS, SCAS; nil for other instructions.
    private func stringAccesses(_ size: Int) -> [Access]? {
        let source = Access(address: VirtualAddress(value(of: 6)), size: size, isWrite: false)
        let target = VirtualAddress(value(of: 7))
        switch opcode {
        case 0xa4, 0xa5: return [source, Access(address: target, size: size, isWrite: true)]
        case 0xa6, 0xa7: return [source, Access(address: target, size: size, isWrite: false)]
        case 0xaa, 0xab: return [Access(address: target, size: size, isWrite: true)]
        case 0xac, 0xad: return [source]
        case 0xae, 0xaf: return [Access(address: target, size: size, isWrite: false)]
        default: return nil
        }
    }
}
