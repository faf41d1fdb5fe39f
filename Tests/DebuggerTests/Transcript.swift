import Foundation
import Primitives
import Testing

@testable import Architecture
@testable import Debugger

/// A conversation as a text file:
///
///     # a remark
///     -> packet              the client sends it; `Ctrl-C` is the interrupt byte
///     <- reply               what it gets; `...` at the end stands for any rest, `\xNN` for a byte
///     !! processors 2        what the machine is, or does, or is to do (see `Directive`)
struct Transcript: CustomTestStringConvertible, Sendable {
    let name: String
    let lines: [Line]

    struct Line: Sendable {
        let number: Int
        let kind: Kind
    }

    enum Kind: Sendable {
        case sent([UInt8])
        case interrupt
        case received([UInt8], isWhole: Bool)
        case directive([String])
    }

    struct Unreadable: Error {
        let file: String
        let line: Int
    }

    var testDescription: String { name }

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "Transcripts")

    /// All there are, by name.
    static let all: [Transcript] = names.compactMap { try? Transcript(reading: $0) }

    static let names: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.filter { $0.hasSuffix(".txt") }.sorted()
    }()

    init(reading name: String) throws {
        self.name = name
        let text = try String(contentsOf: Self.folder.appendingPathComponent(name), encoding: .utf8)
        var lines: [Line] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard let kind = Self.kind(String(line)) else { throw Unreadable(file: name, line: index + 1) }
            lines.append(Line(number: index + 1, kind: kind))
        }
        self.lines = lines
    }

    private static func kind(_ line: String) -> Kind? {
        let rest = String(line.dropFirst(3))
        switch line.prefix(2) {
        case "->": return rest == "Ctrl-C" ? .interrupt : .sent(bytes(rest))
        case "<-":
            let isWhole = !rest.hasSuffix("...")
            return .received(bytes(isWhole ? rest : String(rest.dropLast(3))), isWhole: isWhole)
        case "!!": return .directive(rest.split(separator: " ").map(String.init))
        default: return nil
        }
    }

    /// Text with `\xNN` for the bytes that are none.
    private static func bytes(_ text: String) -> [UInt8] {
        let parts = text.components(separatedBy: "\\x")
        return parts.dropFirst().reduce(Array(parts[0].utf8)) { done, part in
            done + [UInt8(part.prefix(2), radix: 16) ?? 0] + Array(part.dropFirst(2).utf8)
        }
    }
}

/// Plays a transcript's client and machine to a session.
final class Replayer {
    private let transcript: Transcript
    private let target: SimulatedTarget
    private lazy var client = Conversation(target, features: nil)
    private var received: [Received] = []
    private var demands = 0
    private var line = 0

    init(_ transcript: Transcript) {
        self.transcript = transcript
        let processors = transcript.lines.lazy.compactMap { line -> Int? in
            if case .directive(let words) = line.kind, words.first == "processors" { Int(words[1]) } else { nil }
        }.first
        target = SimulatedTarget(processors: processors ?? 1, memory: [UInt8](repeating: 0, count: 0x11_0000))
    }

    func run() throws {
        for line in transcript.lines {
            self.line = line.number
            switch line.kind {
            case .sent(let packet):
                expectNothingLeft()
                // Acknowledgements are the framing's: the session takes and gives them as long as it must.
                received = client.exchange(frame(packet)).filter { $0 != .ack }
            case .interrupt:
                client.session.feed([0x03])
                let isInterrupted = client.session.interrupts()
                #expect(isInterrupted, "\(place)")
            case .received(let reply, let isWhole): try expect(reply, isWhole)
            case .directive(let words): try obey(words)
            }
        }
        expectNothingLeft()
    }

    private var place: String { "\(transcript.name), line \(line)" }

    private func expectNothingLeft() { #expect(received.isEmpty, "\(place): more than was expected") }

    private func expect(_ reply: [UInt8], _ isWhole: Bool) throws {
        try #require(!received.isEmpty, "\(place): no reply")
        let found = received.removeFirst()
        guard case .packet(let payload) = found else {
            Issue.record("\(place): \(found)")
            return
        }
        let shown = isWhole ? payload : Array(payload.prefix(reply.count))
        #expect(String(decoding: shown, as: UTF8.self) == String(decoding: reply, as: UTF8.self), "\(place)")
    }

    /// What a `!!` line says of the machine. vCPUs are numbered as threads, from 1.
    private func obey(_ words: [String]) throws {
        switch words[0] {
        case "processors": break
        case "memory":
            let address = try #require(UInt64(words[1], radix: 16), "\(place)")
            let data = try #require(bytes(fromHex: Array(words[2].utf8)), "\(place)")
            let isWritten = target.ram.write(PhysicalAddress(address), data[...])
            try #require(isWritten, "\(place)")
        case "registers":
            for word in words.dropFirst(2) {
                let parts = word.split(separator: "=").map(String.init)
                target.set(parts[0], try #require(UInt64(parts[1], radix: 16), "\(place)"), of: try processor(words[1]))
            }
        case "refuse": target.objection = { _ in words.dropFirst().joined(separator: " ") }
        case "grant": target.objection = { _ in nil }
        case "demand": try expectDemand(Array(words.dropFirst()))
        case "stop": try stop(words)
        default: Issue.record("\(place): no such directive")
        }
    }

    private func processor(_ word: String) throws -> Int { try #require(Int(word), "\(place)") - 1 }

    private func expectDemand(_ words: [String]) throws {
        demands += 1
        try #require(client.demands.count == demands, "\(place)")
        let shown: [String] =
            switch client.demands[demands - 1] {
            case .detach: ["detach"]
            case .kill: ["kill"]
            case .resume(let plan): ["resume"] + plan.actions.map(name)
            }
        #expect(shown == words, "\(place)")
    }

    private func name(_ action: ResumePlan.Action) -> String {
        switch action {
        case .stay: "stay"
        case .run: "run"
        case .step: "step"
        case .stepRange: "range"
        case .proceed: "proceed"
        }
    }

    /// `stop PROCESSOR CAUSE [ADDRESS]`, or `stop PROCESSOR CAUSE: the explanation`.
    private func stop(_ words: [String]) throws {
        let address = VirtualAddress(words.count > 3 ? UInt64(words[3], radix: 16) ?? 0 : 0)
        let name = words[2].hasSuffix(":") ? String(words[2].dropLast()) : words[2]
        let causes: [String: StopCause] = [
            "breakpoint": .breakpoint(address), "written": .watchpoint(.write, address),
            "stepped": .stepped, "interrupted": .interrupted, "triplefault": .tripleFault,
        ]
        let cause = try #require(causes[name], "\(place)")
        let explanation = words[2].hasSuffix(":") ? words.dropFirst(3).joined(separator: " ") : nil
        client.session.report(StopEvent(cause, on: try processor(words[1]), explanation: explanation))
        received += client.sent()
    }
}
