/// An IPv4 address and a port.
struct TCPAddress: Equatable, Sendable {
    /// The address as memory has it, in network order.
    var host: UInt32
    var port: UInt16

    /// 127.0.0.1:1234.
    var text: String {
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: UInt32(bigEndian: host) >> UInt32(24 - $0 * 8)) }
        return bytes.map(String.init).joined(separator: ".") + ":\(port)"
    }

    /// As /proc/net/tcp has it, and as /proc/net/tcp6 has it for an IPv6 socket that speaks IPv4.
    fileprivate var spellings: [[UInt8]] {
        let place = Self.hex(host, digits: 8) + ":" + Self.hex(UInt32(port), digits: 4)
        let mapped = "0000000000000000" + Self.hex(UInt32(0xffff).bigEndian, digits: 8) + place
        return [Array(place.utf8), Array(mapped.utf8)]
    }

    private static func hex(_ value: UInt32, digits: Int) -> String {
        let text = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: digits - text.count) + text
    }
}

/// The kernel's table of TCP sockets: proc(5), /proc/net/tcp and /proc/net/tcp6.
enum TCPTable {
    // Columns of a row.
    private static let (local, remote, user, inode, columns) = (1, 2, 7, 9, 10)

    /// The user whose socket is the end `peer` of a connection to `server`; nil where the table has no such socket, or
    /// one that its process has closed: the table shows that as root's.
    static func owner(of peer: TCPAddress, connectedTo server: TCPAddress, in table: [UInt8]) -> UInt32? {
        let (peers, servers) = (peer.spellings, server.spellings)
        for line in table.split(separator: UInt8(ascii: "\n")).dropFirst() {
            let row = line.split(separator: UInt8(ascii: " "), maxSplits: columns)
            guard row.count >= columns,
                zip(peers, servers).contains(where: { row[local].elementsEqual($0) && row[remote].elementsEqual($1) }),
                !row[inode].elementsEqual([UInt8(ascii: "0")])
            else { continue }
            return UInt32(String(decoding: row[user], as: UTF8.self))
        }
        return nil
    }
}
