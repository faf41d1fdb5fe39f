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
    let endpoint: Endpoint?
    private let listener: Socket?
    private var client: Client?
    /// Those who came while there was a client, the last few.
    private var refused: [Socket] = []
    /// The thread that arriving input interrupts.
    private var listeningThread: Int32 = 0

    init(on asked: Endpoint?) throws(Errno) {
        guard let asked else {
            endpoint = nil
            listener = nil
            return
        }
        let socket = try Socket.listen(on: asked)
        endpoint = socket.boundEndpoint(asked)
        listener = socket
    }

    // MARK: - While the machine stands still

    func attend(_ stop: StopEvent, on machine: VirtualMachine) -> Verdict {
        var stop = stop
        if let client {
            // A client that has detached is not told.
            if client.session.isDetached, let reason = stop.account { diagnose(reason) }
            client.session.report(stop)
            if case .ended(let ending) = stop.cause, !client.session.outlivesEnd {
                client.flush()
                return .end(ending)
            }
        } else if let verdict = alone(with: stop, processors: machine.traits.processorCount) {
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
            switch client.serve(listener: listener?.number ?? -1) {
            case .resume(let plan): return .resume(plan)
            case .detach:
                leave()
                return .resume(.run(machine.traits.processorCount))
            case .kill: return .end(client.session.ending ?? .killed)
            case .lost:
                stop = client.session.stop
                let (ending, isDetached) = (client.session.ending, client.session.isDetached)
                leave()
                if let ending { return .end(ending) }
                if isDetached { return .resume(.run(machine.traits.processorCount)) }
            case .newcomer: refuseNewcomers()
            }
        }
    }

    /// What a stop comes to when no debugger is there to look: nil to wait for one.
    private func alone(with stop: StopEvent, processors: Int) -> Verdict? {
        switch stop.cause {
        case .ended(let ending): return .end(ending)
        case .tripleFault, .hostFailure, .emulationFailure, .memoryFault:
            return .end(.died(stop.account ?? "the guest died"))
        case .reset:
            diagnose("\(stop.account ?? "the guest asked for a reset"); starting it again")
            return .resume(.run(processors))
        case .haltedForGood:
            let account = stop.account ?? "the guest halted for good"
            if listener == nil { return .end(.died(account)) }
            diagnose("\(account); a debugger can look")
            return nil
        case .held, .breakpoint, .watchpoint, .caught, .stepped, .interrupted, .paused: return nil
        }
    }

    /// Waits for the next client, who finds the machine as `stop` left it.
    private func wait(for stop: StopEvent, on machine: VirtualMachine) {
        guard let listener else { preconditionFailure("a machine without a server is never held") }
        _ = waitForInput([listener.number])
        if let socket = try? listener.accept() {
            client = Client(socket, Session(machine, stop: stop))
            listeningThread = 0
        }
    }

    private func leave() {
        client?.session.close()
        client = nil
    }

    /// Tells each that it is not served, in answer to whatever it asks first. Its connection is kept for a while: to
    /// close one that has sent something unread would reset it, and the message would be lost.
    private func refuseNewcomers() {
        while let newcomer = try? listener?.accept() {
            try? newcomer.send(Array("+$E.another debugger is attached to this stubvisor#0f".utf8)[...])
            newcomer.endSending()
            refused.append(newcomer)
            if refused.count > 8 { refused.removeFirst() }
        }
    }

    // MARK: - While the machine moves

    func beginListening(on thread: Int32) -> Bool {
        if listeningThread != thread {
            listeningThread = thread
            listener?.signal(thread: thread)
            listener?.setSignals(true)
            client?.socket.signal(thread: thread)
            // A newcomer from before raised no signal here.
            if wantsStop() { return true }
        }
        guard let client else { return false }
        client.socket.setSignals(true)
        // What arrived before that raised no signal.
        return client.asksForStop()
    }

    func show(_ text: [UInt8]) { client?.show(text) }

    func endListening() { client?.socket.setSignals(false) }

    func wantsStop() -> Bool {
        guard let client else { return listener.map { waitForInput([$0.number], milliseconds: 0) } ?? false }
        if client.asksForStop() { return true }
        refuseNewcomers()
        return false
    }
}
