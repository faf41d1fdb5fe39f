// The bytecode of agent expressions: GDB manual, appendix F, "The GDB Agent Expression Mechanism". Floating point and
// tracing opcodes are known, so that they can be refused by name; gdb emits none of them for conditions and dprintf.

/// One operation, numbered as in the manual.
enum AgentOpcode: UInt8, CaseIterable, Sendable {
    case float = 0x01
    case add, subtract, multiply, divideSigned, divideUnsigned, remainderSigned, remainderUnsigned
    case shiftLeft, shiftRightSigned, shiftRightUnsigned
    case trace, traceQuick
    case logicalNot, bitAnd, bitOr, bitXor, bitNot
    case equal, lessSigned, lessUnsigned
    case signExtend
    case fetch8, fetch16, fetch32, fetch64
    case fetchFloat, fetchDouble, fetchLongDouble, longToDouble, doubleToLong
    case branchIf, branch
    case constant8, constant16, constant32, constant64
    case register
    case end
    case duplicate, pop
    case zeroExtend
    case swap
    case getVariable, setVariable, traceVariable, traceNonzero, trace16
    case pick = 0x32
    case rotate, printf

    /// What an operation takes and leaves.
    struct Shape: Sendable {
        /// Bytes that follow the opcode, big-endian; a printf's format comes behind them.
        let operand: Int
        let pops: Int
        let pushes: Int
    }

    /// Nil for those that are not supported.
    var shape: Shape? {
        switch self {
        case .add, .subtract, .multiply, .divideSigned, .divideUnsigned, .remainderSigned, .remainderUnsigned,
            .shiftLeft, .shiftRightSigned, .shiftRightUnsigned, .bitAnd, .bitOr, .bitXor, .equal, .lessSigned,
            .lessUnsigned:
            Shape(operand: 0, pops: 2, pushes: 1)
        case .logicalNot, .bitNot, .fetch8, .fetch16, .fetch32, .fetch64: Shape(operand: 0, pops: 1, pushes: 1)
        case .signExtend, .zeroExtend: Shape(operand: 1, pops: 1, pushes: 1)
        case .branchIf: Shape(operand: 2, pops: 1, pushes: 0)
        case .branch: Shape(operand: 2, pops: 0, pushes: 0)
        case .constant8: Shape(operand: 1, pops: 0, pushes: 1)
        case .constant16, .register: Shape(operand: 2, pops: 0, pushes: 1)
        case .constant32: Shape(operand: 4, pops: 0, pushes: 1)
        case .constant64: Shape(operand: 8, pops: 0, pushes: 1)
        case .end: Shape(operand: 0, pops: 0, pushes: 0)
        case .duplicate: Shape(operand: 0, pops: 1, pushes: 2)
        case .pop: Shape(operand: 0, pops: 1, pushes: 0)
        case .swap: Shape(operand: 0, pops: 2, pushes: 2)
        case .pick: Shape(operand: 1, pops: 0, pushes: 1)
        case .rotate: Shape(operand: 0, pops: 3, pushes: 3)
        // Function and channel; the arguments below them are counted by the operand.
        case .printf: Shape(operand: 1, pops: 2, pushes: 0)
        case .float, .trace, .traceQuick, .fetchFloat, .fetchDouble, .fetchLongDouble, .longToDouble, .doubleToLong,
            .getVariable, .setVariable, .traceVariable, .traceNonzero, .trace16:
            nil
        }
    }
}
