import Primitives

/// What an expression can ask of the vCPU that it runs for.
package protocol AgentContext {
    /// A register by its number in the remote protocol, its lowest 64 bits.
    func register(_ number: Int) -> UInt64?
    /// The little-endian number in `size` bytes, 1 to 8, of virtual memory.
    func number(at address: VirtualAddress, size: Int) -> UInt64?
}

extension AgentExpression {
    /// Why a run failed.
    package enum Failure: Error, Equatable, Sendable {
        case noRegister(Int)
        case noMemory(VirtualAddress)
        case divisionByZero
        case tooManySteps
        case tooMuchOutput
    }

    /// How many operations a run may take.
    static let maximumSteps = 10_000

    /// Runs the expression: the top of its stack at the end, 0 where the stack is empty. Formatted output, about
    /// `maximumOutput` bytes at most, is appended to `output`.
    package func evaluate(
        in context: some AgentContext, output: inout [UInt8]
    ) throws(Failure) -> UInt64 {
        let maximum = output.count + Self.maximumOutput
        var stack: [UInt64] = []
        var next = 0
        for _ in 0..<Self.maximumSteps {
            let step = steps[next]
            next += 1
            switch step.opcode {
            case .end: return stack.last ?? 0
            case .branch: next = Int(step.operand)
            case .branchIf: if stack.removeLast() != 0 { next = Int(step.operand) }
            case .constant8, .constant16, .constant32, .constant64: stack.append(step.operand)
            case .register:
                guard let value = context.register(Int(step.operand)) else { throw .noRegister(Int(step.operand)) }
                stack.append(value)
            case .fetch8, .fetch16, .fetch32, .fetch64:
                let address = VirtualAddress(stack.removeLast())
                let size = 1 << (step.opcode.rawValue - AgentOpcode.fetch8.rawValue)
                guard let value = context.number(at: address, size: size) else { throw .noMemory(address) }
                stack.append(value)
            case .signExtend: stack.append(Self.extend(stack.removeLast(), step.operand, signed: true))
            case .zeroExtend: stack.append(Self.extend(stack.removeLast(), step.operand, signed: false))
            case .logicalNot: stack.append(stack.removeLast() == 0 ? 1 : 0)
            case .bitNot: stack.append(~stack.removeLast())
            case .duplicate: stack.append(stack[stack.count - 1])
            case .pop: stack.removeLast()
            case .swap: stack.swapAt(stack.count - 1, stack.count - 2)
            case .pick: stack.append(stack[stack.count - 1 - Int(step.operand)])
            // The top goes below the two under it.
            case .rotate: stack.insert(stack.removeLast(), at: stack.count - 2)
            case .printf:
                Self.printf(step, &stack, context, &output, maximum)
                guard output.count < maximum else { throw .tooMuchOutput }
            default:
                let right = stack.removeLast()
                let left = stack.removeLast()
                stack.append(try Self.combine(step.opcode, left, right))
            }
        }
        throw .tooManySteps
    }

    private static func combine(
        _ opcode: AgentOpcode, _ left: UInt64, _ right: UInt64
    ) throws(Failure) -> UInt64 {
        let (a, b) = (Int64(bitPattern: left), Int64(bitPattern: right))
        switch opcode {
        case .add: return left &+ right
        case .subtract: return left &- right
        case .multiply: return left &* right
        case .divideSigned, .remainderSigned:
            guard b != 0 else { throw .divisionByZero }
            // The one quotient that does not fit is the dividend itself.
            let quotient = a.dividedReportingOverflow(by: b).partialValue
            let remainder = a.remainderReportingOverflow(dividingBy: b).partialValue
            return UInt64(bitPattern: opcode == .divideSigned ? quotient : remainder)
        case .divideUnsigned, .remainderUnsigned:
            guard right != 0 else { throw .divisionByZero }
            return opcode == .divideUnsigned ? left / right : left % right
        case .shiftLeft: return left << right
        case .shiftRightSigned: return UInt64(bitPattern: a >> min(right, 63))
        case .shiftRightUnsigned: return left >> right
        case .bitAnd: return left & right
        case .bitOr: return left | right
        case .bitXor: return left ^ right
        case .equal: return left == right ? 1 : 0
        case .lessSigned: return a < b ? 1 : 0
        case .lessUnsigned: return left < right ? 1 : 0
        default: preconditionFailure("\(opcode) does not combine two values")
        }
    }

    /// The lowest `bits` of a value as a number of 64 bits.
    private static func extend(_ value: UInt64, _ bits: UInt64, signed: Bool) -> UInt64 {
        guard bits > 0, bits < 64 else { return value }
        let low = value & .mask(Int(bits))
        return signed && low[bit: Int(bits) - 1] ? low | ~.mask(Int(bits)) : low
    }

    private static func printf(
        _ step: Step, _ stack: inout [UInt64], _ context: some AgentContext, _ output: inout [UInt8],
        _ maximum: Int
    ) {
        stack.removeLast(2)
        let count = Int(step.operand)
        let arguments = stack.suffix(count)
        // The first argument is on top.
        var formatter = AgentFormat(step.format, arguments: Array(arguments.reversed()))
        stack.removeLast(count)
        formatter.append(to: &output, maximum: maximum) {
            context.number(at: $0, size: 1).map(UInt8.init(truncatingIfNeeded:))
        }
    }
}
