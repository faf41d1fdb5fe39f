// Reads a device tree blob as the Devicetree Specification v0.4, chapter 5, describes it; shares nothing with the writer.

/// A node as read: the blob's own order of properties and children.
struct ReadNode {
    var name: String
    var properties: [String: [UInt8]] = [:]
    var children: [ReadNode] = []

    /// The node at a path below this one: `cpus/cpu@0`.
    subscript(path: String) -> ReadNode? {
        path.split(separator: "/").reduce(self as ReadNode?) { node, part in
            node?.children.first { $0.name == part }
        }
    }

    /// Big-endian words of 32 bits.
    func cells(_ name: String) -> [UInt32]? {
        properties[name].map { bytes in
            stride(from: 0, to: bytes.count, by: 4).map { DeviceTreeReader.word(bytes, $0) }
        }
    }

    /// Strings that each end with a zero.
    func texts(_ name: String) -> [String]? {
        guard let bytes = properties[name], bytes.last == 0 else { return nil }
        return bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }
}

struct DeviceTreeReader {
    struct Malformed: Error {
        let what: String
    }

    let root: ReadNode

    static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    init(_ blob: [UInt8]) throws {
        func require(_ condition: Bool, _ what: String) throws {
            if !condition { throw Malformed(what: what) }
        }
        try require(blob.count >= 40, "no header")
        let header = (0..<10).map { Int(Self.word(blob, $0 * 4)) }
        try require(header[0] == 0xd00d_feed, "magic")
        try require(header[1] == blob.count, "total size")
        try require(header[5] == 17 && header[6] <= 17, "version")
        let (structure, strings, reservations) = (header[2], header[3], header[4])
        try require(structure % 4 == 0 && structure + header[9] <= blob.count, "structure block")
        try require(strings + header[8] <= blob.count, "strings block")
        try require(reservations % 8 == 0 && reservations >= 40, "reservations")
        try require(blob[reservations..<reservations + 16].allSatisfy { $0 == 0 }, "a reservation")
        var (offset, open): (Int, [ReadNode]) = (structure, [])
        func text(at start: Int) -> String {
            String(decoding: blob[start...].prefix { $0 != 0 }, as: UTF8.self)
        }
        while true {
            try require(offset + 4 <= structure + header[9], "no end")
            let token = Self.word(blob, offset)
            offset += 4
            switch token {
            case 1:
                let name = text(at: offset)
                open.append(ReadNode(name: name))
                offset += (name.utf8.count + 1 + 3) / 4 * 4
            case 3:
                let (count, name) = (Int(Self.word(blob, offset)), Int(Self.word(blob, offset + 4)))
                try require(name < header[8], "a name outside of the strings")
                try require(!open.isEmpty && open[open.count - 1].children.isEmpty, "a property behind a node")
                let key = text(at: strings + name)
                try require(open[open.count - 1].properties[key] == nil, "\(key) twice")
                open[open.count - 1].properties[key] = Array(blob[offset + 8..<offset + 8 + count])
                offset += 8 + (count + 3) / 4 * 4
            case 2:
                let node = open.removeLast()
                guard !open.isEmpty else {
                    try require(node.name.isEmpty, "the root has a name")
                    try require(Self.word(blob, offset) == 9, "no end behind the root")
                    try require(offset + 4 == structure + header[9], "something behind the end")
                    root = node
                    return
                }
                open[open.count - 1].children.append(node)
            default: throw Malformed(what: "token \(token)")
            }
        }
    }
}
