// The conversation itself: what both sides can do, attaching, ending, monitor commands.
// GDB manual, "Remote Serial Protocol": Packets, General Query Packets.

extension Command {
    static let sessionNames: [NamedPacket] = [
        NamedPacket("qRcmd,", then: monitor),
        NamedPacket("qSupported:", then: supported),
        NamedPacket("qSupported", .supported([])),
        NamedPacket("QStartNoAckMode", .startNoAckMode),
        NamedPacket("QNonStop:", then: { (reader) throws(Malformed) in .nonStop(try reader.flag()) }),
        NamedPacket("qAttached:", then: { (reader) throws(Malformed) in .attached(process: try process(&reader)) }),
        NamedPacket("qAttached", .attached(process: nil)),
        NamedPacket("vKill;", then: { (reader) throws(Malformed) in .killProcess(try process(&reader)) }),
        NamedPacket("vAttach;", then: { (reader) throws(Malformed) in .attach(process: try process(&reader)) }),
        NamedPacket("vRun;", then: run),
        NamedPacket("vMustReplyEmpty", .mustReplyEmpty),
        NamedPacket("qSymbol:", then: symbols),
        NamedPacket("qTStatus", .traceStatus),
        NamedPacket("qOffsets", .sectionOffsets),
    ]

    static func process(_ reader: inout PacketReader) throws(Malformed) -> Int { try reader.number(as: Int.self) }

    /// `D` or `D;pid`.
    static func detach(_ reader: inout PacketReader) throws(Malformed) -> Command {
        guard !reader.isAtEnd else { return .detach(process: nil) }
        try reader.expect(";")
        let process = try process(&reader)
        try reader.expectEnd()
        return .detach(process: process)
    }

    /// `qRcmd,hexadecimal`.
    private static func monitor(_ reader: inout PacketReader) throws(Malformed) -> Command {
        .monitor(try decoded(reader.rest()))
    }

    /// `qSupported:feature;feature...`.
    private static func supported(_ reader: inout PacketReader) throws(Malformed) -> Command {
        var features: ClientFeatures = []
        while !reader.isAtEnd { features.insert(ClientFeatures(named: reader.field(until: ";"))) }
        return .supported(features)
    }

    /// `vRun;program;argument...`, each in hexadecimal.
    private static func run(_ reader: inout PacketReader) throws(Malformed) -> Command {
        var words = [try decoded(reader.field(until: ";"))]
        while !reader.isAtEnd { words.append(try decoded(reader.field(until: ";"))) }
        return .run(words)
    }

    /// `qSymbol::` offers to look symbols up; `qSymbol:value:name` answers a question that is never asked.
    private static func symbols(_ reader: inout PacketReader) throws(Malformed) -> Command {
        _ = reader.rest()
        return .symbols
    }
}
