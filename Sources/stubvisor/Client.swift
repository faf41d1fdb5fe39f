import Debugger
import Host
import RemoteProtocol
import Synchronization

/// A connected debugger: its socket and its session.
final class Client {
    /// What served packets came to.
    enum Outcome {
        case resume(ResumePlan)
        case detach
        case kill
        /// The connection has ended.
        case lost
        /// Somebody else wants to connect.
        case newcomer
    }

    let socket: Socket
    let session: Session
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)
    private var isLost = false
    /// Keeps packets whole: vCPU threads may `show` something at the same time.
    private let output = Mutex(())
    /// Nanoseconds to look for input before sleeping. A sleeping thread costs 30 to 60 microseconds to wake, several
    /// times what the request it wakes for does; so who is asked quickly stays awake a little, and who is not, sleeps.
    private var patience: UInt64 = Client.leastPatience

    private static let leastPatience: UInt64 = 20_000
    private static let mostPatience: UInt64 = 200_000

    init(_ socket: Socket, _ session: Session) {
        self.socket = socket
        self.session = session
    }

    /// Serves until the client wants something of the machine or is gone.
    func serve(beside listener: Listener?) -> Outcome {
        while true {
            if isLost { return .lost }
            let demand = session.next()
            flush()
            switch demand {
            case .resume(let plan): return .resume(plan)
            case .detach: return .detach
            case .kill: return .kill
            case nil: break
            }
            if isLost || session.isBehind { continue }
            // Whoever moves is not kept waiting for a client that may be slow, or ask for ever.
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
        return session.interrupts() || isLost
    }

    /// Sends what the session owes.
    func flush() {
        guard !session.framer.outgoing.isEmpty else { return }
        let sent = output.withLock { _ in (try? socket.send(session.framer.outgoing[...])) != nil }
        if !sent { isLost = true }
        session.sent(session.framer.outgoing.count)
    }

    /// Sends console output, in a packet of its own: while the machine runs nothing else is owed.
    func show(_ text: [UInt8]) {
        guard session.takesConsoleOutput else { return diagnose(String(decoding: text, as: UTF8.self)) }
        var reply = Reply()
        reply.console(text[...])
        var framer = Framer()
        framer.frame(reply.bytes)
        output.withLock { _ in try? socket.send(framer.outgoing[...]) }
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
