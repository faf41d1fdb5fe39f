/// Where a gdb server listens, as `--gdb` names it.
package enum Endpoint: Equatable, Sendable {
    /// A TCP port on the interface that `host` (an IPv4 address, or `localhost`) names; port 0 picks a free one.
    case tcp(host: String, port: UInt16)
    /// A socket in the file system.
    case unix(path: String)

    /// Reads `HOST:PORT`, `:PORT` (loopback) or `unix:PATH`; nil when it is none of them.
    package init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            if path.isEmpty { return nil }
            self = .unix(path: path)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        let host = String(text[..<colon])
        let isNumeric = host.allSatisfy { $0.isNumber || $0 == "." }
        guard isNumeric || host == "localhost" else { return nil }
        self = .tcp(host: host.isEmpty || host == "localhost" ? "127.0.0.1" : host, port: port)
    }

    /// True where only this machine's users can connect.
    package var isLocal: Bool {
        switch self {
        case .tcp(let host, _): host.hasPrefix("127.")
        case .unix: true
        }
    }
}

extension Endpoint: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tcp(let host, let port): "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
