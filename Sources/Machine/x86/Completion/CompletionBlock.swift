import Architecture
import Primitives

/// Instructions of kernel mode that are executed in user mode at once, one behind the other: entering the helper takes longer
/// than dozens of them.
struct CompletionBlock {
    struct Step {
        let instruction: X86UnprivilegedInstruction
        let pieces: [OperandPages.Piece]
        /// Where the helper sees the operand.
        let operand: UInt64?
        /// Where the instruction begins in `code`, and in the guest's code.
        let offset: Int
        let distance: Int
    }

    private(set) var code: [UInt8] = []
    private(set) var steps: [Step] = []
    /// Bytes of the guest's instructions.
    private(set) var length = 0

    /// The code page has room for as many, whatever they are.
    static let limit = 64

    var usesExtendedState: Bool { steps.contains { $0.instruction.usesExtendedState } }

    /// Appends an instruction whose operand the helper sees at `operand`. `registers` are those before the block: no
    /// instruction before this one changes any that it depends on.
    mutating func append(
        _ instruction: X86UnprivilegedInstruction, operand: UInt64?, _ pieces: [OperandPages.Piece],
        _ registers: RegisterFile
    ) {
        let base = operand == nil ? nil : instruction.form.baseRegister
        if let base, let operand { load(base, operand) }
        steps.append(
            Step(
                instruction: instruction, pieces: pieces, operand: operand, offset: code.count, distance: length))
        code += instruction.code
        if let base { load(base, X86.general(base, registers)) }
        length += instruction.length
    }

    /// MOV of 64 bits to a register whose number is below 8.
    private mutating func load(_ register: UInt8, _ value: UInt64) {
        code += [0x48, 0xb8 | register]
        code.append(littleEndian: value)
    }
}
