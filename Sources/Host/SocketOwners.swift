import Glibc

/// Says whose a loopback connection is. The kernel's tables stay open: to open them takes a descriptor, and there may
/// be none left.
final class SocketOwners: Sendable {
    private let tables: [Table]

    private final class Table: Sendable {
        let file: Descriptor

        init(_ path: String) throws(Errno) { file = try Descriptor.open(path, O_RDONLY) }

        func contents() throws(Errno) -> [UInt8] {
            let number = file.number
            try system { lseek(number, 0, SEEK_SET) }
            var bytes: [UInt8] = []
            while true {
                let chunk = try file.read(upTo: 1 << 16)
                if chunk.isEmpty { return bytes }
                bytes += chunk
            }
        }
    }

    init() throws(Errno) {
        var tables = [try Table("/proc/net/tcp")]
        // Absent where IPv6 is switched off.
        if let table = try? Table("/proc/net/tcp6") { tables.append(table) }
        self.tables = tables
    }

    /// The user at the other end of `socket`; nil where that cannot be found out.
    func owner(of socket: Socket) -> UInt32? {
        guard let peer = socket.peerAddress, let server = socket.ownAddress else { return nil }
        // Rows may be passed over while others come and go.
        for _ in 0..<3 {
            for table in tables {
                guard let bytes = try? table.contents() else { continue }
                if let user = TCPTable.owner(of: peer, connectedTo: server, in: bytes) { return user }
            }
        }
        return nil
    }
}
