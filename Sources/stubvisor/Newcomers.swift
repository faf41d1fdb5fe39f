import Host
import RemoteProtocol

/// Connections that are no client: those that have not said anything yet, which stop nothing and delay nothing, and
/// those that were refused.
struct Newcomers {
    /// What a client of the protocol may send first: an ack, a nak, a packet, a notification, an interrupt.
    private static let openings = Set("+-$%\u{3}".utf8)
    /// Of each kind; the oldest goes.
    static let capacity = 8

    private var silent: [Socket] = []
    private var refused: [Socket] = []

    /// Descriptors that can be read when one of them is to be looked at.
    var numbers: [Int32] { silent.map(\.number) }

    mutating func append(_ socket: Socket) {
        silent.append(socket)
        if silent.count > Self.capacity { silent.removeFirst() }
    }

    /// Has what they send interrupt `thread` (see `Socket.signal`).
    func signal(thread: Int32) {
        for socket in silent {
            socket.signal(thread: thread)
            socket.setSignals(true)
        }
    }

    /// Whether one has begun to speak the protocol. Those that have said something else, or have gone, are closed.
    mutating func haveClient() -> Bool { firstClient() != nil }

    /// That one, to be the client. Nothing of what it has sent is taken yet.
    mutating func takeClient() -> Socket? {
        guard let index = firstClient() else { return nil }
        let socket = silent.remove(at: index)
        socket.setSignals(false)
        return socket
    }

    private mutating func firstClient() -> Int? {
        silent.removeAll { socket in
            switch socket.peek() {
            case .none: return false
            case .ended: return true
            case .byte(let byte):
                if Self.openings.contains(byte) { return false }
                let code = String(byte, radix: 16)
                diagnose(
                    .refusedClient, "closed a connection that does not speak gdb's protocol: it began with 0x\(code)")
                return true
            }
        }
        return silent.firstIndex { $0.peek() != .none }
    }

    /// Answers all that are there that they are not served.
    mutating func refuseAll(_ why: String) {
        let sockets = silent
        silent = []
        for socket in sockets { refuse(socket, why) }
    }

    /// Answers its first packet with the reason why it is not served. Its connection is kept for a while: to close
    /// one that has sent something unread would reset it, and the message would be lost.
    mutating func refuse(_ socket: Socket, _ why: String) {
        var framer = Framer()
        framer.frame(Array("E.\(why)".utf8))
        try? socket.send((Array("+".utf8) + framer.outgoing)[...])
        socket.endSending()
        refused.append(socket)
        if refused.count > Self.capacity { refused.removeFirst() }
    }
}
