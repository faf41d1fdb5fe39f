import Debugger
import Host
import RemoteProtocol
import Synchronization

/// A connected debugger: its socket and its session.
///
/// Nothing here waits for a client to read but the stopped machine, and that ends where another client comes. A client
/// that does not read gets no more answers, so what is kept for it is bounded.
final class Client {
    /// What served packets came to.
    enum Outcome {
        case resume(ResumePlan)
        case detach
        case kill
        /// The connection has ended.
        case lost
        /// Another client wants to connect.
        case newcomer
    }

    private struct Backlog: Sendable {
        /// What the socket had no room for.
        var bytes: [UInt8] = []
        /// Text was dropped since there was last none.
        var lostText = false
    }

    let socket: Socket
    let session: Session
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)
    private var isLost = false
    /// Keeps packets whole and in order: vCPU threads may `show` something at the same time.
    private let backlog = Mutex(Backlog())
    /// Nanoseconds to look for input before sleeping. A sleeping thread costs 30 to 60 microseconds to wake, several
    /// times what the request it wakes for does; so who is asked quickly stays awake a little, and who is not, sleeps.
    private var patience: UInt64 = Client.leastPatience

    private static let leastPatience: UInt64 = 20_000
    private static let mostPatience: UInt64 = 200_000
    /// Bytes of backlog from which on text of the guest's is dropped.
    private static let mostText = 1 << 20

    init(_ socket: Socket, _ session: Session) {
        self.socket = socket
        self.session = session
    }

    /// Serves until the client wants something of the machine or is gone.
    func serve(beside listener: Listener?) -> Outcome {
        while true {
            if isLost { return .lost }
            if isBehind {
                flush()
                guard isBehind, !isLost else { continue }
                if session.isMoving, let plan = session.continuation() { return .resume(plan) }
                waitForRoom(in: socket.number, orInput: listener?.number ?? -1)
                if listener?.hasArrival == true { return .newcomer }
                continue
            }
            let demand = session.next()
            flush()
            switch demand {
            case .resume(let plan): return .resume(plan)
            case .detach: return .detach
            case .kill: return .kill
            case nil: break
            }
            if isLost || isBehind || session.isBehind { continue }
            // vCPUs that move do not wait for a client that may be slow, or ask forever.
            if session.isMoving {
                if !takeInput(), let plan = session.continuation() { return .resume(plan) }
            } else if !receive() {
                listener?.wait(beside: [socket.number])
                // The end of this connection counts before the next one.
                if !takeInput(), listener?.hasArrival == true { return .newcomer }
            }
        }
    }

    /// While the machine runs: takes what has arrived, and says whether it asks for a stop.
    func asksForStop() -> Bool {
        _ = takeInput()
        if isBehind { flush() }
        return session.interrupts() || isLost
    }

    /// Sends what the session has for the client, as far as it takes it.
    func flush() {
        let isSent = backlog.withLock { backlog in
            do throws(Errno) {
                try send(session.framer.outgoing[...], &backlog)
                return true
            } catch {
                return false
            }
        }
        if !isSent { isLost = true }
        session.sent(session.framer.outgoing.count)
    }

    /// The same, waiting a moment for a client that does not read.
    func finish() {
        repeat { flush() } while isBehind && !isLost && waitForOutput(socket.number, milliseconds: 500)
    }

    /// Sends console output, in a packet of its own: while the machine runs nothing else is to be sent. A client that
    /// does not read loses it.
    func show(_ text: [UInt8]) {
        guard session.takesConsoleOutput else { return diagnose(String(decoding: text, as: UTF8.self)) }
        var reply = Reply()
        reply.console(text[...])
        var framer = Framer()
        framer.frame(reply.bytes)
        let isFirstLoss = backlog.withLock { backlog in
            guard backlog.bytes.count < Self.mostText else {
                defer { backlog.lostText = true }
                return !backlog.lostText
            }
            // Whether the connection has ended, the thread that listens learns.
            try? send(framer.outgoing[...], &backlog)
            return false
        }
        if isFirstLoss { diagnose("the debugger does not read: text for it is dropped") }
    }

    /// Bytes wait for the client to read.
    private var isBehind: Bool { backlog.withLock { !$0.bytes.isEmpty } }

    private func send(_ bytes: ArraySlice<UInt8>, _ backlog: inout Backlog) throws(Errno) {
        guard !backlog.bytes.isEmpty else {
            if bytes.isEmpty { return }
            backlog.bytes += bytes.dropFirst(try socket.sendSome(bytes))
            return
        }
        backlog.bytes += bytes
        backlog.bytes.removeFirst(try socket.sendSome(backlog.bytes[...]))
        if backlog.bytes.isEmpty { backlog.lostText = false }
    }

    /// Looks for input a little while; false when there was none.
    private func receive() -> Bool {
        let deadline = Clock.monotonic + patience
        repeat {
            if takeInput() {
                patience = min(patience * 2, Self.mostPatience)
                return true
            }
        } while Clock.monotonic < deadline
        patience = Self.leastPatience
        return false
    }

    /// Feeds the session what is there; false when nothing is.
    private func takeInput() -> Bool {
        do throws(Errno) {
            guard let got = try socket.receive(into: &buffer) else { return false }
            if got == 0 { isLost = true }
            session.feed(buffer[..<got])
        } catch {
            isLost = true
        }
        return true
    }
}
