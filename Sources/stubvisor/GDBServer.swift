import Debugger
import Host
import Machine

/// The gdb server: a listening socket, at most one client, and that client's session.
///
/// It has no thread. The vCPU thread that stopped runs `attend`, and one of those that move is interrupted when
/// something arrives (see Gate and Attendant in Machine).
///
/// - Note: `@unchecked Sendable`: used by one vCPU thread at a time, as Attendant says.
final class GDBServer: Attendant, @unchecked Sendable {
    /// Where it listens; nil for a machine without a server.
    var endpoint: Endpoint? { listener?.endpoint }
    private let listener: Listener?
    private var client: Client?
    private var newcomers = Newcomers()
    /// The thread that arriving input interrupts.
    private var listeningThread: Int32 = 0

    init(on asked: Endpoint?) throws(Errno) {
        if let asked { listener = try Listener(on: asked) } else { listener = nil }
    }

    /// Takes the endpoint's socket out of the file system, at the end of the program.
    func remove() { listener?.remove() }

    // MARK: - While the machine is stopped

    func attend(_ stop: StopEvent, on machine: VirtualMachine) -> Verdict {
        var stop = stop
        if let client {
            // A client that has detached gets no report.
            if client.session.isDetached, let reason = stop.explanation { diagnose(reason) }
            client.session.report(stop)
            if case .ended(let ending) = stop.cause, !client.session.outlivesEnd {
                client.finish()
                return .end(ending)
            }
        } else if let verdict = alone(with: stop, processors: machine.processorCount) {
            return verdict
        } else if stop.cause == .interrupted {
            // It was a newcomer who stopped the machine.
            stop = StopEvent(.held, on: stop.processor)
        }
        while true {
            guard let client else {
                wait(for: stop, on: machine)
                continue
            }
            switch client.serve(beside: listener) {
            case .resume(let plan): return .resume(plan)
            case .detach:
                leave()
                return .resume(.run(machine.processorCount))
            case .kill: return .end(client.session.ending ?? .killed)
            case .lost:
                stop = client.session.stop
                let (ending, isDetached) = (client.session.ending, client.session.isDetached)
                leave()
                if let ending { return .end(ending) }
                if isDetached { return .resume(.run(machine.processorCount)) }
            case .newcomer: takeNewcomers()
            }
        }
    }

    /// What a stop comes to when no debugger is there to look: nil to wait for one.
    private func alone(with stop: StopEvent, processors: Int) -> Verdict? {
        switch stop.cause {
        case .ended(let ending): return .end(ending)
        case .tripleFault, .exceptionLoop, .hostFailure, .emulationFailure, .memoryFault:
            return .end(.died(stop.explanation ?? "the guest died"))
        case .reset:
            diagnose(.reset, "\(stop.explanation ?? "the guest asked for a reset"); starting it again")
            return .resume(.run(processors))
        case .haltedForGood:
            let explanation = stop.explanation ?? "the guest halted for good"
            if listener == nil { return .end(.died(explanation)) }
            diagnose(.halt, "\(explanation); a debugger can look")
            return nil
        case .held, .breakpoint, .watchpoint, .caught, .stepped, .interrupted, .paused: return nil
        }
    }

    /// Waits for the next client, who finds the machine as `stop` left it.
    private func wait(for stop: StopEvent, on machine: VirtualMachine) {
        guard let listener else { preconditionFailure("a machine without a server is never held") }
        takeNewcomers()
        guard let socket = newcomers.takeClient() else { return listener.wait(beside: newcomers.numbers) }
        client = Client(socket, Session(machine, stop: stop))
        listeningThread = 0
        if isTaken { newcomers.refuseAll(Self.takenText) }
    }

    private func leave() {
        client?.session.close()
        client = nil
    }

    /// Whether there is a client that stays. One that has sent something and left is served, and then the next one.
    private var isTaken: Bool { client.map { !$0.socket.isClosedByPeer } ?? false }

    private static let takenText = "another debugger is attached to this stubvisor"
    private static let isPrivate = "this stubvisor serves its own user and root alone"

    /// Takes those who have connected: while there is a client they are refused, else one of them may become it. Not all
    /// at once: others may connect faster than they can be refused, and hold the vCPU's thread.
    private func takeNewcomers() {
        for _ in 0..<Newcomers.capacity {
            guard let arrival = listener?.accept() else { return }
            switch arrival {
            case .stranger(let socket, let who):
                diagnose(.refusedClient, "refused a client \(who): only this user and root may connect")
                newcomers.refuse(socket, Self.isPrivate)
            case .client(let socket) where isTaken: newcomers.refuse(socket, Self.takenText)
            case .client(let socket):
                newcomers.append(socket)
                if listeningThread != 0 { newcomers.signal(thread: listeningThread) }
            }
        }
    }

    // MARK: - While the machine moves

    func beginListening(on thread: Int32) -> Bool {
        if listeningThread != thread {
            listeningThread = thread
            listener?.signal(thread: thread)
            newcomers.signal(thread: thread)
            client?.socket.signal(thread: thread)
            // A newcomer from before raised no signal here.
            if wantsStop() { return true }
        }
        guard let client else { return wantsStop() }
        client.socket.setSignals(true)
        // What arrived before that raised no signal.
        return client.asksForStop()
    }

    func show(_ text: [UInt8]) { client?.show(text) }

    func endListening() { client?.socket.setSignals(false) }

    func wantsStop() -> Bool {
        if client?.asksForStop() == true { return true }
        takeNewcomers()
        return client == nil && newcomers.haveClient()
    }
}
