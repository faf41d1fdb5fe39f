import CLinux
import Glibc

/// A stream socket: one end of a connection, or a listener. Never blocks but to send.
/// Closed with its last reference.
package final class Socket: Sendable {
    private let descriptor: Descriptor

    package var number: Int32 { descriptor.number }

    /// Starts listening (see Listener). A unix socket's file is for its owner alone from its first moment: the socket
    /// has these rights before it has a name. The corresponding C functions are `socket`, `bind` and `listen`.
    package static func listen(on endpoint: Endpoint) throws(Errno) -> Socket {
        let family = if case .unix = endpoint { AF_UNIX } else { AF_INET }
        let socket = try Socket(family)
        if case .unix = endpoint { fchmod(socket.number, 0o600) }
        var on: Int32 = 1
        setsockopt(socket.number, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        let number = socket.number
        try withAddress(of: endpoint) { address, count in bind(number, address, count) }
        try system { Glibc.listen(number, 8) }
        try socket.stopBlocking()
        return socket
    }

    /// Connects to a listener, waiting until it answers. The corresponding C function is `connect`.
    package static func connect(to endpoint: Endpoint) throws(Errno) -> Socket {
        let family = if case .unix = endpoint { AF_UNIX } else { AF_INET }
        let socket = try Socket(family)
        let number = socket.number
        try withAddress(of: endpoint) { address, count in Glibc.connect(number, address, count) }
        try socket.stopBlocking()
        socket.sendAtOnce()
        return socket
    }

    private init(_ family: Int32, _ type: Int32 = Int32(SOCK_STREAM.rawValue)) throws(Errno) {
        let type = type | CLINUX_SOCK_CLOEXEC
        descriptor = Descriptor(owning: try Host.system { socket(family, type, 0) })
    }

    private init(accepted number: Int32) { descriptor = Descriptor(owning: number) }

    /// The next client that waits, or nil. A client that has failed meanwhile is passed over (accept(2), "Error
    /// handling"); what is thrown is the host's own lack, and the client waits on. The corresponding C function is
    /// `accept`.
    package func accept() throws(Errno) -> Socket? {
        let listener = number
        var attempts = 64
        while true {
            do throws(Errno) {
                let client = Socket(accepted: try uninterrupted { Glibc.accept(listener, nil, nil) })
                _ = clinux_fcntl(client.number, F_SETFD, FD_CLOEXEC)
                try client.stopBlocking()
                client.sendAtOnce()
                return client
            } catch {
                if error == .tryAgain { return nil }
                attempts -= 1
                guard error.isOfOneConnection, attempts > 0 else { throw error }
            }
        }
    }

    /// What a newcomer has sent first.
    package enum FirstByte: Equatable, Sendable {
        case none
        case ended
        case byte(UInt8)
    }

    /// Looks at the first byte that has arrived and leaves it there. The corresponding C function is `recv` with
    /// `MSG_PEEK`.
    package func peek() -> FirstByte {
        var byte: UInt8 = 0
        let socket = number
        do throws(Errno) {
            let got = try uninterrupted { recv(socket, &byte, 1, Int32(MSG_PEEK)) }
            return got == 0 ? .ended : .byte(byte)
        } catch {
            return error == .tryAgain ? .none : .ended
        }
    }

    /// Whether the peer has ended its side, also while some of what it sent is still unread. The corresponding C function
    /// is `poll` with `POLLRDHUP`.
    package var isClosedByPeer: Bool {
        var entry = pollfd(fd: number, events: CLINUX_POLLRDHUP, revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    /// Fills `buffer` from its start with what has arrived: how many bytes, 0 at the end of the stream, nil when
    /// nothing is there yet. The corresponding C function is `recv`.
    package func receive(into buffer: inout [UInt8]) throws(Errno) -> Int? {
        let socket = number
        do throws(Errno) {
            return try uninterrupted { buffer.withUnsafeMutableBytes { recv(socket, $0.baseAddress, $0.count, 0) } }
        } catch {
            if error == .tryAgain { return nil }
            throw error
        }
    }

    /// Sends all of `bytes`, waiting for the peer to take them. The corresponding C function is `send`.
    package func send(_ bytes: ArraySlice<UInt8>) throws(Errno) {
        var rest = bytes
        while !rest.isEmpty {
            let done = try sendSome(rest)
            if done == 0 { _ = waitForOutput(number) }
            rest = rest.dropFirst(done)
        }
    }

    /// Sends what the peer has room for, without waiting: how many bytes. The corresponding C function is `send`.
    package func sendSome(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
        let socket = number
        do throws(Errno) {
            return try uninterrupted {
                bytes.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            }
        } catch {
            if error == .tryAgain { return 0 }
            throw error
        }
    }

    /// Says that nothing more will be sent. The corresponding C function is `shutdown`.
    package func endSending() { shutdown(number, Int32(SHUT_WR)) }

    /// The endpoint a listener really has: port 0 became a number.
    package func boundEndpoint(_ asked: Endpoint) -> Endpoint {
        guard case .tcp(let host, _) = asked, let address = ownAddress else { return asked }
        return .tcp(host: host, port: address.port)
    }

    /// This end of a TCP connection; nil for other sockets. The corresponding C function is `getsockname`.
    var ownAddress: TCPAddress? { address(getsockname) }

    /// The other end. The corresponding C function is `getpeername`.
    var peerAddress: TCPAddress? { address(getpeername) }

    private func address(
        _ get: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> TCPAddress? {
        var address = sockaddr_in()
        var count = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = number
        // SAFETY: the call gets the size of what it may fill; another family's address is cut off there.
        let failed = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { get(socket, $0, &count) }
        }
        guard failed == 0, address.sin_family == sa_family_t(AF_INET) else { return nil }
        return TCPAddress(host: address.sin_addr.s_addr, port: UInt16(bigEndian: address.sin_port))
    }

    /// The user who connected a unix socket. The corresponding option is `SO_PEERCRED`.
    var peerUser: UInt32? {
        var user: UInt32 = 0
        return clinux_peer_user(number, &user) == 0 ? user : nil
    }

    /// Whether no process has the socket file at `path` open any more. A listener there does not see the question: a socket
    /// of another type is refused before anything is queued (EPROTOTYPE), one without an owner with ECONNREFUSED.
    static func isAbandoned(_ path: String) -> Bool {
        guard let probe = try? Socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue)) else { return false }
        let number = probe.number
        do throws(Errno) {
            try withAddress(of: .unix(path: path)) { address, count in Glibc.connect(number, address, count) }
            return false
        } catch {
            return error == Errno(ECONNREFUSED)
        }
    }

    private func stopBlocking() throws(Errno) {
        let socket = number
        try Host.system { clinux_fcntl(socket, F_SETFL, CLINUX_O_NONBLOCK) }
    }

    /// No waiting for more to send (TCP_NODELAY): every packet is a whole message. Unix sockets have no such option.
    private func sendAtOnce() {
        var on: Int32 = 1
        setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }
}

// Arriving input as a signal: how a client reaches a thread that is inside KVM_RUN.
extension Socket {
    /// Says which thread SIGIO goes to when something arrives here and `setSignals` is on. The corresponding request
    /// is `F_SETOWN_EX`.
    package func signal(thread: Int32) { _ = clinux_own_by_thread(number, thread) }

    /// Whether arriving input raises SIGIO. The corresponding request is `F_SETFL` with `O_ASYNC`.
    package func setSignals(_ on: Bool) {
        _ = clinux_fcntl(number, F_SETFL, CLINUX_O_NONBLOCK | (on ? CLINUX_O_ASYNC : 0))
    }
}

/// Waits until one of the descriptors can be read or has ended; `milliseconds` -1 waits without limit. True when one
/// can. Negative descriptors are passed over. A signal ends the wait early. The corresponding C function is `poll`.
package func waitForInput(_ descriptors: [Int32], milliseconds: Int32 = -1) -> Bool {
    var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    return poll(&entries, nfds_t(entries.count), milliseconds) > 0
}

/// Waits until `descriptor` takes output or has ended; `milliseconds` -1 waits without limit. False when neither. A
/// signal ends the wait early. The corresponding C function is `poll`.
package func waitForOutput(_ descriptor: Int32, milliseconds: Int32 = -1) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    return poll(&entry, 1, milliseconds) > 0
}

/// Waits until `descriptor` takes output or has ended, or `input` can be read. The corresponding C function is `poll`.
package func waitForRoom(in descriptor: Int32, orInput input: Int32) {
    var entries = [
        pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0),
        pollfd(fd: input, events: Int16(POLLIN), revents: 0),
    ]
    _ = poll(&entries, nfds_t(entries.count), -1)
}

extension Errno {
    /// Of errors that `accept` returns: those of a connection that has failed already.
    fileprivate var isOfOneConnection: Bool {
        [
            ECONNABORTED, ECONNRESET, EPROTO, EPERM, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP,
            ENETUNREACH, ETIMEDOUT,
        ].contains(code)
    }
}

/// Calls `body` with the socket address of `endpoint`.
private func withAddress(
    of endpoint: Endpoint, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) throws(Errno) {
    switch endpoint {
    case .tcp(let host, let port):
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else { throw Errno(EADDRNOTAVAIL) }
        try call(body, &address)
    case .unix(let path):
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array(path.utf8)
        // SAFETY: the copy is bounded by the field's size, one byte short of it so the path stays terminated.
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { field in
            guard name.count < field.count else { return false }
            field.copyBytes(from: name)
            return true
        }
        guard fits else { throw Errno(ENAMETOOLONG) }
        try call(body, &address)
    }
}

private func call<Address>(
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32, _ address: inout Address
) throws(Errno) {
    // SAFETY: every socket address begins with the fields of sockaddr; its true size goes with it.
    try uninterrupted {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<Address>.size)) }
        }
    }
}
