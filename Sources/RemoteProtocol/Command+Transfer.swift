// Whole documents in pieces: target description, memory map, thread list.
// GDB manual, "Remote Serial Protocol", General Query Packets: qXfer. Left out: writing, of which none can be written.

/// The documents to be had; others make the packet `.unknown`.
package enum TransferObject: CaseIterable, Hashable, Sendable {
    /// The annex is a file name, first `target.xml`.
    case features
    case memoryMap
    case threads

    /// As in `qXfer:name:read` and in the `qSupported` reply.
    package var name: String {
        switch self {
        case .features: "features"
        case .memoryMap: "memory-map"
        case .threads: "threads"
        }
    }
}

extension Command {
    static let transferNames: [NamedPacket] = [NamedPacket("qXfer:", then: transfer)]

    private static let objects = TransferObject.allCases.map { (name: Array($0.name.utf8), object: $0) }
    private static let read = Array("read".utf8)

    /// `qXfer:object:read:annex:offset,count`.
    private static func transfer(_ reader: inout PacketReader) throws(Malformed) -> Command {
        let name = reader.field(until: ":")
        guard let object = objects.first(where: { $0.name[...] == name })?.object,
            reader.field(until: ":") == read[...]
        else {
            _ = reader.rest()
            return .unknown
        }
        let annex = reader.field(until: ":")
        let offset = try reader.count()
        try reader.expect(",")
        return .transfer(object, annex: annex, offset: offset, count: try reader.count())
    }
}
