import Primitives
import TestSupport

@testable import Debugger

/// A vCPU with registers and memory of all kinds: every other 64 KiB are missing, bytes are not 0 for long stretches.
private struct AnyContext: AgentContext {
    func register(_ number: Int) -> UInt64? {
        guard number < 110 else { return nil }
        return [0, 1, .max, 1 << 63, 0x7fff_ffff, UInt64(number)][number % 6]
    }

    func number(at address: VirtualAddress, size: Int) -> UInt64? {
        guard address.rawValue & 0x10000 == 0 else { return nil }
        return (address.rawValue &* 0x9e37_79b9_7f4a_7c15 | 0x0101_0101_0101_0101) & .mask(size * 8)
    }
}

/// A printf with `arguments` arguments, function and channel, and its format.
private func printf(_ format: String, arguments: UInt8) -> [UInt8] {
    let text = Array(format.utf8) + [0]
    return [0x34, arguments, UInt8(text.count >> 8), UInt8(text.count & 255)] + text
}

private let expressions: [[UInt8]] = [
    [0x22, 0, 0x27],
    // reg rax == 700
    [0x26, 0, 0, 0x23, 2, 0xbc, 0x13, 0x27],
    // ref64 of a constant, sign-extended, less than another
    [0x25, 0, 0, 0, 0, 0, 0, 0x10, 0, 0x1a, 0x16, 32, 0x22, 5, 0x14, 0x27],
    // Arithmetic with pick, rotate and swap
    [0x22, 9, 0x22, 3, 0x22, 2, 0x33, 0x2b, 0x32, 1, 0x04, 0x05, 0x02, 0x29, 0x27],
    // Divisions and remainders of the extremes
    [0x26, 0, 3, 0x26, 0, 2, 0x05, 0x26, 0, 3, 0x26, 0, 2, 0x07, 0x0f, 0x27],
    // if a constant goto the end, else go round forever
    [0x22, 1, 0x20, 0, 8, 0x21, 0, 0, 0x22, 7, 0x27],
    [0x21, 0, 0],
    [0x22, 1, 0x26, 0, 2, 0x22, 3, 0x22, 0, 0x22, 0] + printf("%d %lu %s\\n", arguments: 3) + [0x27],
    [0x26, 0, 3, 0x22, 0, 0x22, 0] + printf("%-08.3lx%%%c", arguments: 1) + [0x27],
    [0x26, 0, 3, 0x26, 0, 2, 0x22, 0, 0x22, 0] + printf("%*d|%.*s", arguments: 2) + [0x27],
    // A printf that goes round forever
    [0x22, 0, 0x22, 0, 0x22, 0] + printf("%1024s", arguments: 1) + [0x21, 0, 0],
]

/// Every operation, with an operand where it takes one.
private let operations: [[UInt8]] =
    AgentOpcode.allCases.map { opcode in
        [opcode.rawValue] + [UInt8](repeating: 1, count: opcode.shape?.operand ?? 0)
    } + ["%s", "%1024d", "%*d", "%-5c", "%.9s", "\\", "%"].map { Array($0.utf8) }

extension FuzzEntry {
    /// An expression's bytes, parsed and evaluated.
    static let agentExpression = FuzzEntry(
        name: "agent-expression", quick: 5000, seeds: expressions, words: operations
    ) { input in
        guard let expression = try? AgentExpression(input[...]) else { return nil }
        var output: [UInt8] = []
        _ = try? expression.evaluate(in: AnyContext(), output: &output)
        return output.count <= AgentExpression.maximumOutput + 2048 ? nil : "it printed \(output.count) bytes"
    }

    /// What follows the length in a `Z` packet.
    static let breakpointProgram = FuzzEntry(
        name: "breakpoint-program", quick: 5000,
        seeds: expressions.map { expression in
            let bytes = expression.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            let text = "X\(String(expression.count, radix: 16)),\(bytes)"
            return Array(";\(text)\(text);cmds:0,\(text)".utf8)
        },
        words: [";", "X", ",", "cmds:", "X1,27", "X3,220127", "0", "7fffffffffffffff"].map { Array($0.utf8) }
    ) { input in
        guard let program = try? BreakpointProgram(parsing: input[...]) else { return nil }
        var output: [UInt8] = []
        _ = program.verdict(in: AnyContext(), output: &output)
        let limit = (program.conditions.count + program.commands.count) * (AgentExpression.maximumOutput + 2048)
        return output.count <= limit ? nil : "it printed \(output.count) bytes"
    }
}
