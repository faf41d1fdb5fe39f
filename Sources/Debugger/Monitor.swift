import Architecture
import Primitives
import RemoteProtocol

/// A `monitor` command. Names may be of several words; each can be abbreviated as long as it is unique.
struct MonitorCommand: Sendable {
    let name: String
    /// What follows the name, for help.
    let arguments: String
    /// One line.
    let summary: String
    /// QEMU's spelling of another command: works, but is not listed.
    var isAlias = false
    let run: @Sendable (Session, [Substring]) throws(Refusal) -> String
}

extension Session {
    /// The commands that this machine has.
    var commands: [MonitorCommand] {
        hasGIC ? MonitorCommand.gicTable : MonitorCommand.table
    }

    /// Answers `monitor TEXT`: the output, then `OK`. A refusal is output too: gdb shows no error's text here.
    func monitor(_ text: ArraySlice<UInt8>) {
        var words = String(decoding: text, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        // A format sticks to its command, as in `xp/8xw`.
        if let first = words.first, let slash = first.firstIndex(of: "/") {
            words.replaceSubrange(0...0, with: [first[..<slash], first[slash...]])
        }
        let output: String
        do throws(Refusal) {
            let (command, rest) = try MonitorCommand.find(words, in: commands)
            if !command.isAlias, command.arguments.isEmpty, let extra = rest.first {
                throw Refusal("\(command.name) takes nothing behind it, found \(extra)")
            }
            output = try command.run(self, rest)
        } catch {
            output = "error: \(error.reason)"
        }
        if !output.isEmpty { console(output + "\n") }
        reply.ok()
    }
}

extension MonitorCommand {
    /// The command of `table` that `words` begin with, and the words after its name.
    static func find(_ words: [Substring], in table: [MonitorCommand]) throws(Refusal) -> (MonitorCommand, [Substring])
    {
        guard let first = words.first else { return (table[0], []) }
        var candidates: [MonitorCommand] = []
        var best = 0
        for command in table {
            let names = command.name.split(separator: " ")
            let matching = zip(names, words).prefix { $0.hasPrefix($1) }.count
            guard matching == names.count else { continue }
            // A name spelled out beats others that it is the beginning of.
            if zip(names, words).allSatisfy({ $0 == $1 }) {
                if names.count >= best { return (command, Array(words.dropFirst(names.count))) }
            }
            if matching > best {
                candidates = []
                best = matching
            }
            if matching == best { candidates.append(command) }
        }
        let listed = candidates.filter { !$0.isAlias }
        let choice = listed.isEmpty ? candidates : listed
        if choice.count == 1 { return (choice[0], Array(words.dropFirst(best))) }
        if choice.isEmpty {
            let group = table.filter { !$0.isAlias && $0.name.hasPrefix(first + " ") }.map(\.name)
            let hint = group.isEmpty ? "" : " (there are: \(group.joined(separator: ", ")))"
            throw Refusal("no command \"\(words.joined(separator: " "))\"\(hint); try: monitor help")
        }
        let names = choice.map(\.name).joined(separator: ", ")
        throw Refusal("\"\(first)\" is short for \(names)")
    }
}
