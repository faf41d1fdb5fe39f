import Foundation
import Primitives
import TestSupport
import Testing

@testable import Debugger

/// Registers 0 to 7 hold their number times 0x1111; memory from 0x1000 holds each address's low byte.
private struct Context: AgentContext {
    var text: [UInt8] = []

    func register(_ number: Int) -> UInt64? { number < 8 ? UInt64(number) * 0x1111 : nil }

    func number(at address: VirtualAddress, size: Int) -> UInt64? {
        if address.rawValue >= 0x9000, address.rawValue < 0x9000 + UInt64(text.count) {
            return UInt64(text[Int(address.rawValue - 0x9000)])
        }
        guard (0x1000..<0x2000).contains(address.rawValue) else { return nil }
        return (0..<size).reduce(0) { $0 | UInt64(UInt8(truncatingIfNeeded: Int(address.rawValue) + $1)) << ($1 * 8) }
    }
}

private func constant(_ value: UInt64) -> [UInt8] {
    [0x25] + (0..<8).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
}

private func evaluate(_ bytes: [UInt8], text: String = "") throws -> (value: UInt64, output: String) {
    var output: [UInt8] = []
    let context = Context(text: Array(text.utf8) + [0])
    let value = try AgentExpression(bytes[...]).evaluate(in: context, output: &output)
    return (value, String(decoding: output, as: UTF8.self))
}

@Suite("Agent expressions")
struct AgentExpressionTests {
    private static let samples: [UInt64] = [
        0, 1, 2, 63, 64, 0x7f, 0x80, 0xffff_ffff, 1 << 63, .max, .max - 1, 0x1234_5678_9abc_def0,
    ]

    /// The manual's arithmetic, one line an opcode.
    private static let operations: [(opcode: UInt8, meaning: @Sendable (UInt64, UInt64) -> UInt64?)] = [
        (0x02, { $0 &+ $1 }), (0x03, { $0 &- $1 }), (0x04, { $0 &* $1 }),
        (0x05, { $1 == 0 ? nil : UInt64(bitPattern: Int64(bitPattern: $0) / Int64(bitPattern: $1)) }),
        (0x06, { $1 == 0 ? nil : $0 / $1 }), (0x08, { $1 == 0 ? nil : $0 % $1 }),
        (0x09, { $1 > 63 ? 0 : $0 << $1 }), (0x0b, { $1 > 63 ? 0 : $0 >> $1 }),
        (0x0a, { UInt64(bitPattern: Int64(bitPattern: $0) >> Int64(min($1, 63))) }),
        (0x0f, { $0 & $1 }), (0x10, { $0 | $1 }), (0x11, { $0 ^ $1 }), (0x13, { $0 == $1 ? 1 : 0 }),
        (0x14, { Int64(bitPattern: $0) < Int64(bitPattern: $1) ? 1 : 0 }), (0x15, { $0 < $1 ? 1 : 0 }),
    ]

    @Test("each operation on two values is the manual's", arguments: operations.indices)
    func binary(_ index: Int) throws {
        let (opcode, meaning) = Self.operations[index]
        for left in Self.samples {
            for right in Self.samples where !(opcode == 0x05 && left == 1 << 63 && right == .max) {
                let bytes = constant(left) + constant(right) + [opcode, 0x27]
                guard let expected = meaning(left, right) else {
                    #expect(throws: AgentExpression.Failure.divisionByZero) { try evaluate(bytes) }
                    continue
                }
                #expect(try evaluate(bytes).value == expected, "\(opcode): \(left), \(right)")
            }
        }
    }

    @Test("the one signed quotient that does not fit does not trap")
    func overflowingQuotient() throws {
        #expect(try evaluate(constant(1 << 63) + constant(.max) + [0x05, 0x27]).value == 1 << 63)
        #expect(try evaluate(constant(1 << 63) + constant(.max) + [0x07, 0x27]).value == 0)
    }

    @Test(
        "the stack is moved as the manual says",
        arguments: [
            ([0x22, 1, 0x22, 2, 0x2b, 0x03, 0x27], 1 as UInt64),  // swap: 2 - 1
            ([0x22, 5, 0x28, 0x04, 0x27], 25),  // dup: 5 * 5
            ([0x22, 5, 0x22, 6, 0x29, 0x27], 5),  // pop
            ([0x22, 7, 0x22, 8, 0x22, 9, 0x32, 2, 0x27], 7),  // pick the third from the top
            ([0x22, 1, 0x22, 2, 0x22, 3, 0x33, 0x27], 2),  // rotate: 3 1 2
            ([0x22, 0x80, 0x16, 8, 0x27], 0xffff_ffff_ffff_ff80),  // sign extension from 8 bits
            ([0x23, 0x12, 0x80, 0x2a, 8, 0x27], 0x80),  // zero extension from 8 bits
            ([0x22, 0, 0x0e, 0x27], 1), ([0x22, 3, 0x0e, 0x27], 0), ([0x22, 0, 0x12, 0x27], .max),
            ([0x26, 0, 3, 0x27], 0x3333),  // register 3
            ([0x23, 0x10, 0x20, 0x17, 0x27], 0x20), ([0x23, 0x10, 0x20, 0x19, 0x27], 0x2322_2120),
            ([0x22, 1, 0x20, 0, 8, 0x22, 5, 0x27, 0x22, 6, 0x27], 6),  // a branch that is taken
            ([0x22, 0, 0x20, 0, 8, 0x22, 5, 0x27, 0x22, 6, 0x27], 5),  // and one that is not
            ([0x27], 0),
        ] as [([UInt8], UInt64)])
    func stack(_ bytes: [UInt8], _ value: UInt64) throws {
        #expect(try evaluate(bytes).value == value)
    }

    @Test(
        "what cannot be run safely is refused",
        arguments: [
            ([], .noEnd), ([0x22, 1], .noEnd), ([0x22], .truncated(at: 0)), ([0x02, 0x27], .stack(at: 0)),
            ([0x0c, 0x27], .unsupported(0x0c, at: 0)), ([0xee, 0x27], .unknownOpcode(0xee, at: 0)),
            ([0x21, 0, 2, 0x27], .badBranch(from: 0, to: 2)), ([0x21, 0, 9, 0x27], .badBranch(from: 0, to: 9)),
            // One way leaves a value more than the other.
            ([0x22, 1, 0x20, 0, 7, 0x22, 5, 0x27], .stack(at: 7)),
            // A loop that grows the stack.
            ([0x22, 1, 0x21, 0, 0, 0x27], .stack(at: 0)), ([0x32, 0, 0x27], .stack(at: 0)),
            ([0x34, 1, 0, 1, 0, 0x27], .stack(at: 0)),
            ([0x22, 0, 0x22, 0, 0x34, 0, 0, 9, 65, 0x27], .truncated(at: 4)),
        ] as [([UInt8], AgentExpression.Invalid)])
    func refused(_ bytes: [UInt8], _ reason: AgentExpression.Invalid) {
        #expect(throws: reason) { try AgentExpression(bytes[...]) }
    }

    @Test("a loop without an end is cut off, and missing memory and registers are said")
    func failures() {
        #expect(throws: AgentExpression.Failure.tooManySteps) { try evaluate([0x21, 0, 0, 0x27]) }
        #expect(throws: AgentExpression.Failure.noMemory(VirtualAddress(5))) { try evaluate([0x22, 5, 0x1a, 0x27]) }
        #expect(throws: AgentExpression.Failure.noRegister(9)) { try evaluate([0x26, 0, 9, 0x27]) }
    }

    @Test("a hundred thousand random programs do no harm", arguments: [1, 2] as [UInt64])
    func random(_ seed: UInt64) {
        var random = Seeded(seed)
        var valid = 0
        for _ in 0..<50_000 {
            let count = Int.random(in: 0..<24, using: &random)
            // Mostly opcodes, so that some programs pass.
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...0x36, using: &random) } + [0x27]
            guard let expression = try? AgentExpression(bytes[...]) else { continue }
            valid += 1
            var output: [UInt8] = []
            _ = try? expression.evaluate(in: Context(), output: &output)
        }
        #expect(valid > 100, "seed \(seed)")
    }

    /// A printf with function and channel 0; the first argument is pushed last.
    private func printf(_ format: String, _ arguments: [UInt64]) -> [UInt8] {
        let text = Array(format.utf8) + [0]
        var bytes = arguments.reversed().flatMap(constant)
        bytes += [0x22, 0, 0x22, 0, 0x34, UInt8(arguments.count), UInt8(text.count >> 8), UInt8(text.count & 0xff)]
        return bytes + text + [0x27]
    }

    @Test(
        "integers are formatted as by C",
        arguments: [
            "%d", "%5d|", "%-5d|", "%05d", "%+d", "% d", "%.4d", "%u", "%x", "%X", "%#x", "%08x", "%o", "%ld", "%lu",
            "%lx", "%#lx", "%20lx|", "%-20ld|", "%hhd", "%hu", "%%", "%c", "a%db",
        ])
    func formats(_ format: String) throws {
        for value in Self.samples where !(format == "%c" && (value & 0xff == 0 || value & 0xff > 0x7e)) {
            let expected =
                format.contains("l")
                ? String(format: format, Int(truncatingIfNeeded: value))
                : String(format: format, Int32(truncatingIfNeeded: value))
            #expect(try evaluate(printf(format, [value])).output == expected, "\(format) of \(value)")
        }
    }

    @Test("strings come from memory, escapes are undone, and missing arguments count as 0")
    func strings() throws {
        #expect(try evaluate(printf(#"<%s>\n"#, [0x9000]), text: "stubvisor").output == "<stubvisor>\n")
        #expect(try evaluate(printf("%.4s|%12s|", [0x9000, 0x9000]), text: "stubvisor").output == "stub|   stubvisor|")
        #expect(try evaluate(printf(#"\t\\\101\x"#, [])).output == "\t\\Ax")
        #expect(try evaluate(printf("%d %d", [7])).output == "7 0")
        #expect(try evaluate(printf("%p", [0x10])).output == "0x10")
        #expect(try evaluate(printf("%*d|", [4, 7])).output == "   7|")
        // An int, whatever is above it: a negative width aligns left, a negative precision is none.
        #expect(try evaluate(printf("%*d|", [0xffff_fffc, 7])).output == "7   |")
        #expect(try evaluate(printf("%*d|", [1 << 63, 7])).output == "7|")
        #expect(try evaluate(printf("%.*d|", [UInt64(bitPattern: -3), 7])).output == "7|")
        #expect(try evaluate(printf("%.*s|", [.max, 0x9000]), text: "stubvisor").output == "stubvisor|")
    }
}
