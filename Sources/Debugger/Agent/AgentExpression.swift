import Primitives

/// A verified agent expression: bytecode that a client sent, to be run where a breakpoint is hit. GDB manual, appendix
/// F.
///
/// Verified means: every opcode is known and whole, every branch goes to an opcode, and the stack's depth is the same
/// on every way to one and never below what the opcode takes. What remains to go wrong when it runs are divisions by
/// zero, memory that is not there, and loops, which are cut off.
package struct AgentExpression: Equatable, Sendable {
    /// One operation with its operand.
    struct Step: Equatable, Sendable {
        let opcode: AgentOpcode
        /// The operand; for branches the index of the step they go to.
        var operand: UInt64
        /// A printf's format, without the terminating zero.
        var format: [UInt8] = []
    }

    /// Why an expression is refused.
    package enum Invalid: Error, Equatable, Sendable {
        case tooLong(Int)
        case unknownOpcode(UInt8, at: Int)
        case unsupported(UInt8, at: Int)
        case truncated(at: Int)
        case badBranch(from: Int, to: Int)
        case stack(at: Int)
        case noEnd
    }

    /// The longest expression taken, in bytes. gdb's own limit for a packet is far below it.
    package static let maximumLength = 0x4000
    /// How many bytes a run prints at most, give or take a field of its last format.
    static let maximumOutput = 0x1_0000
    /// The deepest stack.
    static let maximumDepth = 64

    let steps: [Step]

    package init(_ bytes: ArraySlice<UInt8>) throws(Invalid) {
        guard bytes.count <= Self.maximumLength else { throw .tooLong(bytes.count) }
        var (steps, offsets) = try Self.decode(Array(bytes))
        let indexes = Dictionary(uniqueKeysWithValues: zip(offsets, offsets.indices))
        for i in steps.indices where steps[i].opcode == .branch || steps[i].opcode == .branchIf {
            let target = Int(steps[i].operand)
            guard let index = indexes[target] else { throw .badBranch(from: offsets[i], to: target) }
            steps[i].operand = UInt64(index)
        }
        try Self.checkStack(steps, offsets)
        self.steps = steps
    }

    /// The steps and where each began.
    private static func decode(_ bytes: [UInt8]) throws(Invalid) -> ([Step], [Int]) {
        var steps: [Step] = []
        var offsets: [Int] = []
        var position = 0
        while position < bytes.count {
            let start = position
            guard let opcode = AgentOpcode(rawValue: bytes[start]) else {
                throw .unknownOpcode(bytes[start], at: start)
            }
            guard let shape = opcode.shape else { throw .unsupported(bytes[start], at: start) }
            position += 1
            guard position + shape.operand <= bytes.count else { throw .truncated(at: start) }
            var step = Step(opcode: opcode, operand: bytes[position..<position + shape.operand].bigEndianNumber)
            position += shape.operand
            if opcode == .printf {
                // A length of two bytes, which counts the terminating zero, and the text.
                guard position + 2 <= bytes.count else { throw .truncated(at: start) }
                let length = Int(bytes[position..<position + 2].bigEndianNumber)
                position += 2
                guard length > 0, position + length <= bytes.count else { throw .truncated(at: start) }
                step.format = Array(bytes[position..<position + length].prefix { $0 != 0 })
                position += length
            }
            steps.append(step)
            offsets.append(start)
        }
        return (steps, offsets)
    }

    /// Follows every way through the steps, once each.
    private static func checkStack(_ steps: [Step], _ offsets: [Int]) throws(Invalid) {
        var depths = [Int?](repeating: nil, count: steps.count)
        var work = [(index: 0, depth: 0)]
        while let (index, depth) = work.popLast() {
            guard index < steps.count, let shape = steps[index].opcode.shape else { throw .noEnd }
            if let known = depths[index] {
                guard known == depth else { throw .stack(at: offsets[index]) }
                continue
            }
            depths[index] = depth
            let step = steps[index]
            var pops = shape.pops
            if step.opcode == .printf { pops += Int(step.operand) }
            if step.opcode == .pick { pops = Int(step.operand) + 1 }
            let after = depth - (step.opcode == .pick ? 0 : pops) + shape.pushes
            guard depth >= pops, after <= maximumDepth else { throw .stack(at: offsets[index]) }
            switch step.opcode {
            case .end: continue
            case .branch: work.append((Int(step.operand), after))
            case .branchIf: work += [(Int(step.operand), after), (index + 1, after)]
            default: work.append((index + 1, after))
            }
        }
    }
}

extension ArraySlice where Element == UInt8 {
    fileprivate var bigEndianNumber: UInt64 { reduce(0) { $0 << 8 | UInt64($1) } }
}

extension AgentExpression.Invalid: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLong(let count): "an expression of \(count) bytes is too long"
        case .unknownOpcode(let opcode, let at):
            "there is no opcode \(hexadecimal(opcode)) (byte \(at) of the expression)"
        case .unsupported(let opcode, let at):
            "opcode \(hexadecimal(opcode)) is not supported (byte \(at) of the expression)"
        case .truncated(let at): "the expression ends inside the operation at byte \(at)"
        case .badBranch(let from, let to): "the branch at byte \(from) goes to byte \(to), which is no operation"
        case .stack(let at): "the stack is wrong at byte \(at) of the expression"
        case .noEnd: "the expression does not end with `end`"
        }
    }
}
