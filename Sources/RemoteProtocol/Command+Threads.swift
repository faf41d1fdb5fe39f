// Threads: one per processor. GDB manual, "Remote Serial Protocol": Packets (`H`, `T`), General Query Packets.

/// What `H` selects a thread for.
package enum ThreadOperation: Hashable, Sendable {
    /// `c` and `s`, superseded by vCont.
    case resume
    /// Registers, memory and the rest.
    case other
}

extension Command {
    static let threadNames: [NamedPacket] = [
        NamedPacket("qC", .currentThread),
        NamedPacket("qfThreadInfo", .firstThreads),
        NamedPacket("qsThreadInfo", .nextThreads),
        NamedPacket(
            "qThreadExtraInfo,",
            then: { (reader) throws(Malformed) in
                .threadExtraInfo(try reader.thread())
            }),
    ]

    /// `Hc` or `Hg` and a thread. The manual names further letters as possible in the future.
    static func selectThread(_ reader: inout PacketReader) throws(Malformed) -> Command {
        switch reader.character() {
        case "c": .selectThread(.resume, try lastThread(&reader))
        case "g": .selectThread(.other, try lastThread(&reader))
        default: .unknown
        }
    }

    /// A thread and nothing behind it.
    static func lastThread(_ reader: inout PacketReader) throws(Malformed) -> ThreadID {
        let thread = try reader.thread()
        try reader.expectEnd()
        return thread
    }
}
