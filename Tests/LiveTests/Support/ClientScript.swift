import Foundation
import Testing

/// A debugger's session as a text file: `(gdb) ` or `(lldb) ` before each command, below it what the debugger says, and
/// at the end what the guest printed. Lines that begin with `#` come first; one names the compiler of the guest, whose
/// addresses are in the text.
///
/// To renew the files, after a change that is meant, or with a command more: write the commands into them and run
///
///     STUBVISOR_RENEW_TRANSCRIPTS=1 swift test --filter ClientTranscripts
///
/// The test then writes what the first client of each script says, and passes; what changed is for `git diff`.
struct ClientScript: CustomTestStringConvertible, Sendable {
    let name: String
    let guest: String
    var options: [String] = []
    let clients: [ScriptedClient]

    /// Which client runs which script. The first one's words are the ones that are kept.
    static let all = [
        ClientScript(name: "hello-gdb", guest: "hello", clients: [.gdb, .gdb16]),
        ClientScript(name: "smp-gdb", guest: "smp", options: ["--cpus", "2"], clients: [.gdb, .gdb16]),
        ClientScript(name: "hello-lldb", guest: "hello", clients: [.lldb]),
        ClientScript(name: "smp-lldb", guest: "smp", options: ["--cpus", "2"], clients: [.lldb]),
        ClientScript(name: "loop32-lldb", guest: "loop32", clients: [.lldb]),
    ]

    static func all(of client: ScriptedClient) -> [ClientScript] { all.filter { $0.clients.contains(client) } }

    static let renews = ProcessInfo.processInfo.environment["STUBVISOR_RENEW_TRANSCRIPTS"] == "1"

    private static let consoleTitle = "The guest printed:"

    var testDescription: String { name }

    var path: String { Places.package + "/Tests/LiveTests/Transcripts/\(name).txt" }

    private var prompt: String { clients[0] == .lldb ? "(lldb) " : "(gdb) " }

    func text() throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    private func lines() throws -> [Substring] { try text().split(separator: "\n", omittingEmptySubsequences: false) }

    func commands() throws -> [String] {
        try lines().filter { $0.hasPrefix(prompt) }.map { String($0.dropFirst(prompt.count)) }
    }

    /// The compiler that the guest must come from.
    func compiler() throws -> String? { try lines().first { $0.hasPrefix("# clang") }.map { String($0.dropFirst(2)) } }

    /// The file as this session makes it.
    func text(answers: [String], console: String) throws -> String {
        var result = try lines().prefix { $0.hasPrefix("#") && !$0.hasPrefix("# clang") }.joined(separator: "\n")
        result += "\n# \(try Guest.compiler(guest))\n\n"
        for (command, answer) in zip(try commands(), answers) {
            result += "\(prompt)\(command)\n" + (answer.isEmpty ? "" : answer + "\n")
        }
        result += "\n\(Self.consoleTitle)\n\(console)"
        // Nobody sees blanks at the end of a line, and editors take them away.
        return result.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.replacing(#/[ \t]+$/#, with: "") }.joined(separator: "\n")
    }
}

/// A debugger that plays a script.
enum ScriptedClient: String, Sendable {
    /// The host's own.
    case gdb
    /// Debian trixie's 16.3.
    case gdb16
    case lldb

    /// What gdb 16 says where gdb 13 says something else.
    private static let wordings = [
        (gdb16: "No breakpoints, watchpoints, tracepoints, or catchpoints.", gdb13: "No breakpoints or watchpoints.")
    ]

    /// Plays `commands`, where SERVER stands for the server's place: what is said to each.
    func play(_ commands: [String], to server: Stubvisor, guest: String) throws -> [String] {
        let commands = commands.map { $0.replacingOccurrences(of: "SERVER", with: server.place) }
        switch self {
        case .gdb: return try playGDB(commands, server, guest, launcher: ["gdb"], package: Places.package)
        case .gdb16:
            return try playGDB(
                commands, server, guest, launcher: Trixie.prefix + ["gdb"], package: Trixie.package)
        case .lldb: return try playLLDB(commands, guest)
        }
    }

    private func playGDB(
        _ commands: [String], _ server: Stubvisor, _ guest: String, launcher: [String], package: String
    ) throws -> [String] {
        let symbols = try Guest.symbols(guest).replacingOccurrences(of: Places.package, with: package)
        let first = "set substitute-path \(Places.package) \(package)"
        // The first command of the script is `target remote`, which GDB brings along.
        let gdb = try GDB(
            server, symbols: symbols, before: [first], Array(commands.dropFirst()), launcher: launcher,
            package: package)
        try gdb.finish(within: 120)
        return gdb.answers(from: 1).map { answer in
            Self.wordings.reduce(answer) { $0.replacingOccurrences(of: $1.gdb16, with: $1.gdb13) }
        }
    }

    /// LLDB echoes each command behind its prompt. Unlike commands on its command line, those of a file are all tried.
    private func playLLDB(_ commands: [String], _ guest: String) throws -> [String] {
        let script = try Places.file("\(guest).lldb", Array((commands.joined(separator: "\n") + "\n").utf8))
        let lldb = try Program(
            [
                "lldb-19", "--no-lldbinit", "--batch", "--no-use-colors", "-o",
                "command source --stop-on-error false \(script)", try Guest.symbols(guest),
            ], merging: true)
        let said = try lldb.end(within: 120).output
        var rest = said[...]
        var answers: [String] = []
        for (index, command) in commands.enumerated() {
            guard let echo = rest.range(of: "(lldb) \(command)\n") else {
                throw LiveError("lldb did not come to \"\(command)\":\n\(said)")
            }
            rest = rest[echo.upperBound...]
            let next = index + 1 < commands.count ? rest.range(of: "(lldb) \(commands[index + 1])\n") : nil
            let answer = rest[..<(next?.lowerBound ?? rest.endIndex)]
            answers.append(
                answer.replacingOccurrences(of: Places.package + "/", with: "").trimmingCharacters(in: .newlines))
        }
        return answers
    }
}

/// The Debian trixie root of Tests/Lab/trixie.
enum Trixie {
    static let script = Places.package + "/Tests/Lab/trixie"
    /// Runs what follows in the root.
    static let prefix = [script, "run"]
    /// Where this checkout is there.
    static let package = "/mnt"

    /// Why gdb 16 cannot be had, or nil. The first use may make the root, which takes a minute or more.
    static let missing: String? = {
        guard let attempt = try? Program.run([script, "install", "gdb"], within: 900) else {
            return "making the Debian trixie root took too long"
        }
        if attempt.status == 0 { return nil }
        return attempt.errors.split(separator: "\n").last.map(String.init) ?? "Tests/Lab/trixie failed"
    }()
}
