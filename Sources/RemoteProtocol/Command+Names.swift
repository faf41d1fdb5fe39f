// Packets with a name: `q` queries, `Q` settings, `v` and `j` packets. Each family lists its own; this finds them.

/// A row of a family's list.
struct NamedPacket: Sendable {
    typealias Parser = @Sendable (inout PacketReader) throws(Malformed) -> Command

    let name: [UInt8]
    let meaning: Meaning

    enum Meaning: Sendable {
        /// The name is the whole packet.
        case command(Command)
        /// Fields follow; the parser begins behind the name and reads to the end.
        case fields(Parser)
    }

    init(_ name: StaticString, _ command: Command) {
        self.name = Array(name.description.utf8)
        meaning = .command(command)
    }

    init(_ name: StaticString, then parser: @escaping Parser) {
        self.name = Array(name.description.utf8)
        meaning = .fields(parser)
    }
}

extension Command {
    /// All families, the one in the way of every step first. No name with fields is the beginning of another name.
    static let names =
        resumeNames + threadNames + memoryNames + transferNames + sessionNames + debuggerExtensionNames + emulatorNames

    /// The packet `reader` stands at, or nil with `reader` unmoved when it has no name of the list.
    static func named(_ reader: inout PacketReader) throws(Malformed) -> Command? {
        switch reader.peek {
        case "q", "Q", "v", "j": break
        default: return nil
        }
        for row in names {
            var fields = reader
            guard fields.skip(row.name) else { continue }
            switch row.meaning {
            case .command(let command):
                if fields.isAtEnd { return command }
            case .fields(let parser):
                let command = try parser(&fields)
                try fields.expectEnd()
                return command
            }
        }
        return nil
    }
}
