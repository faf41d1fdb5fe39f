import Glibc
import Synchronization

/// A socket that takes clients, and knows those that this user, or root, has sent.
///
/// Where other machines reach it no client's user is known, and all are accepted. An error of one connection ends only that;
/// where the host has no descriptor left, clients wait in the kernel's queue and are asked for again after a pause.
package final class Listener: Sendable {
    package enum Arrival: Sendable {
        case client(Socket)
        /// Another user's of the host, or one whose user could not be found out; in words.
        case stranger(Socket, String)
    }

    /// Where it really is: port 0 became a number.
    package let endpoint: Endpoint
    private let socket: Socket
    private let path: SocketPath?
    private let owners: SocketOwners?
    private let shortage = Mutex(Shortage())

    /// The corresponding C functions are `socket`, `bind` and `listen`. Throws as SocketPath does, too.
    package init(on asked: Endpoint) throws(Errno) {
        if case .unix(let name) = asked { path = try SocketPath(name) } else { path = nil }
        if case .tcp = asked, asked.isLocal { owners = try SocketOwners() } else { owners = nil }
        socket = try Socket.listen(on: asked)
        path?.appeared()
        endpoint = socket.boundEndpoint(asked)
    }

    /// Takes a unix socket out of the file system, at the end of the program.
    package func remove() { path?.remove() }

    /// The next client that waits, or nil.
    package func accept() -> Arrival? {
        guard shortage.withLock({ $0.pause(at: Clock.monotonic) }) == nil else { return nil }
        do throws(Errno) {
            let client = try socket.accept()
            shortage.withLock { $0 = Shortage() }
            return client.map(judge)
        } catch {
            let isFirst = shortage.withLock { $0.lengthen(at: Clock.monotonic) }
            if isFirst { diagnose(.shortage, "cannot take a client on \(endpoint): \(error); it is asked for again") }
            return nil
        }
    }

    private func judge(_ client: Socket) -> Arrival {
        let user: UInt32?
        switch endpoint {
        case .unix: user = client.peerUser
        case .tcp:
            guard let owners else { return .client(client) }
            user = owners.owner(of: client)
        }
        if let user, user == geteuid() || user == 0 { return .client(client) }
        let who = user.map { "of user \($0)" } ?? "of an unknown user"
        return .stranger(client, client.peerAddress.map { "\(who) at \($0.text)" } ?? who)
    }

    /// What to poll for clients; -1, which poll passes over, while there is no sense in asking.
    package var number: Int32 { patience == -1 ? socket.number : -1 }

    /// Milliseconds after which to ask again, whatever poll says; -1 where its word is enough.
    package var patience: Int32 {
        guard let pause = shortage.withLock({ $0.pause(at: Clock.monotonic) }) else { return -1 }
        return Int32(pause / 1_000_000) + 1
    }

    /// Waits until there is something here, or on one of the others that can be read.
    package func wait(beside others: [Int32] = []) {
        let patience = patience
        _ = waitForInput(others + [patience == -1 ? socket.number : -1], milliseconds: patience)
    }

    /// Whether a client waits, or it is time to ask again.
    package var hasArrival: Bool { waitForInput([number], milliseconds: 0) }

    /// Has arriving clients interrupt `thread` (see `Socket.signal`).
    package func signal(thread: Int32) {
        socket.signal(thread: thread)
        socket.setSignals(true)
    }
}

/// Pauses between attempts to take a client, each twice as long as the one before. Times are nanoseconds.
struct Shortage: Sendable {
    private static let (first, longest): (UInt64, UInt64) = (50_000_000, 1_000_000_000)

    private var length: UInt64 = 0
    private var end: UInt64 = 0

    /// How long the pause lasts; nil where there is none.
    func pause(at now: UInt64) -> UInt64? { now < end ? end - now : nil }

    /// Another attempt has failed. True for the first one.
    mutating func lengthen(at now: UInt64) -> Bool {
        let isFirst = length == 0
        length = isFirst ? Self.first : min(length * 2, Self.longest)
        end = now + length
        return isFirst
    }
}
