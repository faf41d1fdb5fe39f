import Glibc

/// A client's end of a socket.
final class Connection {
    private let number: Int32
    private(set) var hasEnded = false

    /// Connects to HOST:PORT, or to a socket's path.
    init(_ place: String) throws {
        let isPath = place.hasPrefix("/")
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        number = socket(isPath ? AF_UNIX : AF_INET, type, 0)
        guard number >= 0, isPath ? Self.connect(number, path: place) : Self.connect(number, tcp: place) else {
            throw LiveError("cannot connect to \(place): \(String(cString: strerror(errno)))")
        }
        var on: Int32 = 1
        setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { close(number) }

    private static func connect(_ number: Int32, tcp place: String) -> Bool {
        let parts = place.split(separator: ":")
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = (UInt16(parts.last ?? "") ?? 0).bigEndian
        inet_pton(AF_INET, String(parts.first ?? ""), &address.sin_addr)
        return connect(number, &address)
    }

    private static func connect(_ number: Int32, path: String) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // SAFETY: the copy is bounded by the field's size, one byte short of it so the path stays terminated.
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        return connect(number, &address)
    }

    private static func connect<Address>(_ number: Int32, _ address: inout Address) -> Bool {
        // SAFETY: every socket address begins with the fields of sockaddr; its true size goes with it.
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(number, $0, socklen_t(MemoryLayout<Address>.size)) == 0
            }
        }
    }

    /// Sends all of it, or as much as a peer takes that goes away.
    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let done = rest.withUnsafeBytes { Glibc.send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard done > 0 else { return }
            rest = rest.dropFirst(done)
        }
    }

    /// What has arrived, after waiting for it until `deadline`; empty when nothing has, or the peer has gone.
    func receive(until deadline: ContinuousClock.Instant) -> [UInt8] {
        let left = max(ContinuousClock.now.duration(to: deadline), .zero)
        var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, Int32(left / .milliseconds(1)) + 1) > 0 else { return [] }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let got = recv(number, &buffer, buffer.count, 0)
        hasEnded = got <= 0
        return Array(buffer.prefix(max(got, 0)))
    }
}
