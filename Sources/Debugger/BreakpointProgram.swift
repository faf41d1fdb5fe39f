import Primitives
import RemoteProtocol

/// What a client wants evaluated where a breakpoint is hit, before the hit is reported: GDB manual, "Z0" packet, `cond_list` and
/// `cmds`.
package struct BreakpointProgram: Equatable, Sendable {
    /// The breakpoint counts when one of these is not zero, or when there are none.
    package private(set) var conditions: [AgentExpression] = []
    /// What is run, instead of stopping, when it counts.
    package private(set) var commands: [AgentExpression] = []

    package init() {}

    /// Reads what follows the length in a `Z` packet: `X3,hex...X2,hex...;cmds:0,X4,hex...`.
    init(parsing tail: ArraySlice<UInt8>) throws(Refusal) {
        for part in tail.split(separator: UInt8(ascii: ";")) {
            let prefix = Array("cmds:".utf8)
            guard part.starts(with: prefix) else {
                conditions += try Self.expressions(part)
                continue
            }
            // Whether they stay when the client leaves; they never do here.
            let list = part.dropFirst(prefix.count).drop { $0 != UInt8(ascii: ",") }.dropFirst()
            commands += try Self.expressions(list)
        }
    }

    /// `X` and a length in bytes, a comma, and that many bytes in hexadecimal, over and over.
    private static func expressions(_ text: ArraySlice<UInt8>) throws(Refusal) -> [AgentExpression] {
        var rest = text
        var result: [AgentExpression] = []
        while !rest.isEmpty {
            guard rest.popFirst() == UInt8(ascii: "X"), let comma = rest.firstIndex(of: UInt8(ascii: ",")),
                let count = Int(String(decoding: rest[..<comma], as: UTF8.self), radix: 16), count >= 0,
                count <= AgentExpression.maximumLength, rest.distance(from: comma + 1, to: rest.endIndex) >= 2 * count,
                let bytes = Primitives.bytes(fromHex: rest[(comma + 1)..<(comma + 1 + 2 * count)])
            else { throw Refusal("a breakpoint's condition or command cannot be read") }
            do throws(AgentExpression.Invalid) { result.append(try AgentExpression(bytes[...])) } catch {
                throw Refusal("\(error)")
            }
            rest = rest[(comma + 1 + 2 * count)...]
        }
        return result
    }

    /// What a hit comes to.
    package enum Verdict: Equatable, Sendable {
        case stop
        case goOn
    }

    /// Evaluates the conditions and runs the commands. What cannot be evaluated stops: the user must know.
    package func verdict(in context: some AgentContext, output: inout [UInt8]) -> Verdict {
        var counts = conditions.isEmpty
        for condition in conditions where !counts {
            var ignored: [UInt8] = []
            do throws(AgentExpression.Failure) {
                counts = try condition.evaluate(in: context, output: &ignored) != 0
            } catch {
                output += Array("a breakpoint's condition could not be evaluated: \(error)\n".utf8)
                return .stop
            }
        }
        guard counts else { return .goOn }
        guard !commands.isEmpty else { return .stop }
        for command in commands {
            do throws(AgentExpression.Failure) { _ = try command.evaluate(in: context, output: &output) } catch {
                output += Array("a breakpoint's command could not be run: \(error)\n".utf8)
            }
        }
        return .goOn
    }
}

extension AgentExpression.Failure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noRegister(let number): "there is no register \(number)"
        case .noMemory(let address): "\(address) is not mapped"
        case .divisionByZero: "division by zero"
        case .tooManySteps: "it takes more than \(AgentExpression.maximumSteps) steps"
        case .tooMuchOutput: "it prints more than \(AgentExpression.maximumOutput) bytes"
        }
    }
}
