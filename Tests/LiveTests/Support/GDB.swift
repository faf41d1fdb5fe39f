import Foundation

/// A gdb run in batch mode: what it said to each command.
struct GDB {
    private let program: Program
    private let server: Stubvisor
    private let commands: [String]

    /// Starts gdb with stubvisor's script and the symbols, connects it by `target`, and gives it `commands`. `launcher`
    /// begins its command line, where this checkout is at `package`.
    init(
        _ server: Stubvisor, symbols: String, before: [String] = [], _ commands: [String],
        launcher: [String] = ["gdb"], package: String = Places.package, target: String = "remote"
    ) throws {
        self.server = server
        self.commands = before + ["target \(target) \(server.place)"] + commands
        let marked = self.commands.enumerated().flatMap { ["echo \\n\(Self.mark($0))\\n", $1] }
        let last = "echo \\n\(Self.mark(self.commands.count))\\n"
        program = try Program(
            launcher
                + [
                    "-q", "-nx", "-batch", "-x", package + "/gdb/stubvisor.gdb", "-ex", "set style enabled off", "-ex",
                    "set width 0",
                ]
                + (marked + [last]).flatMap { ["-ex", $0] } + [symbols], merging: true)
    }

    /// Runs all of it.
    static func run(
        _ server: Stubvisor, symbols: String, before: [String] = [], within seconds: Double = 60, _ commands: [String]
    ) throws -> GDB {
        let gdb = try GDB(server, symbols: symbols, before: before, commands)
        try gdb.finish(within: seconds)
        return gdb
    }

    private static func mark(_ number: Int) -> String { "@@\(number)@@" }

    /// Waits until it has said `text`.
    func wait(for text: String, within seconds: Double = 60) throws {
        guard program.read(within: seconds, until: { $0.output.contains(text) }) else {
            throw LiveError("gdb did not say \"\(text)\":\n\(program.output)")
        }
    }

    /// The terminal's Ctrl-C.
    func interrupt() { program.signal(SIGINT) }

    func finish(within seconds: Double = 60) throws {
        _ = try program.end(within: seconds)
    }

    /// Everything it said.
    var transcript: String { program.output }

    /// What it said to the command, or to its n-th occurrence.
    subscript(_ command: String, occurrence: Int = 1) -> String {
        let found = commands.indices.filter { commands[$0] == command }
        precondition(found.count >= occurrence, "the script has no \(command) \(occurrence)")
        return answer(found[occurrence - 1]).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// What it said to each command from the one with this number on, line for line.
    func answers(from first: Int) -> [String] {
        commands.indices[first...].map { answer($0).trimmingCharacters(in: .newlines) }
    }

    private func answer(_ number: Int) -> Substring {
        guard let start = transcript.range(of: Self.mark(number)) else { return "" }
        let rest = transcript[start.upperBound...]
        let end = rest.range(of: Self.mark(number + 1))?.lowerBound ?? rest.endIndex
        return rest[..<end]
    }
}
