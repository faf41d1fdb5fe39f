import Primitives
import RemoteProtocol

// Non-stop mode: each vCPU stops and resumes by itself, and packets are answered while others move. GDB manual, "Remote
// Non-Stop" and "Notification Packets". For the time of its packets the machine pauses, which no client sees: a vCPU
// that the client knows to be moving continues afterwards what it did.

/// What a client in non-stop mode knows of the vCPUs, and the stops that are still to be reported.
struct NonStop {
    enum State: Equatable {
        /// The action is `.proceed` once it has begun.
        case moving(ResumePlan.Action)
        case stopped(StopEvent)
    }

    private(set) var states: [State]
    /// Stops in their order. The first one is sent, and waits for vStopped.
    private(set) var unreported: [StopEvent] = []
    /// The first one is not sent yet: it begins a new round of them.
    private var isNotificationDue = false
    /// The first one was the answer to `?`: the others are not reported in the same round.
    private var isAlone = false
    /// The others are held back until the client first resumes a vCPU.
    private var isHeldBack = false

    init(stopped event: StopEvent, processors count: Int) {
        states = (0..<count).map { .stopped($0 == event.processor ? event : StopEvent(.paused, on: $0)) }
    }

    var isMoving: Bool { states.contains { if case .moving = $0 { true } else { false } } }

    func isMoving(_ processor: Int) -> Bool { if case .moving = states[processor] { true } else { false } }

    /// Only a vCPU that is stopped can be resumed.
    mutating func start(_ processor: Int, _ action: ResumePlan.Action) {
        if !isMoving(processor) { states[processor] = .moving(action) }
    }

    mutating func stop(_ event: StopEvent) {
        states[event.processor] = .stopped(event)
        unreported.append(event)
        if unreported.count == 1 { isNotificationDue = true }
        if isHeldBack { release() }
    }

    /// The machine is at its beginning again, all vCPUs stopped: those that moved are reported.
    mutating func restart(at event: StopEvent) {
        let movers = states.indices.filter { isMoving($0) }
        // One that is sent waits for its answer.
        unreported.removeSubrange((unreported.isEmpty || isNotificationDue ? 0 : 1)...)
        isNotificationDue = false
        for processor in states.indices {
            states[processor] = .stopped(processor == event.processor ? event : StopEvent(.paused, on: processor))
        }
        for processor in movers {
            if case .stopped(let event) = states[processor] { stop(event) }
        }
    }

    /// The stop to send without having been asked, if there is one.
    mutating func takeNotification() -> StopEvent? {
        defer { isNotificationDue = false }
        return isNotificationDue ? unreported.first : nil
    }

    /// vStopped: the client has taken the first; the one to report next, nil where the round is over.
    mutating func acknowledge() -> StopEvent? {
        if !unreported.isEmpty { unreported.removeFirst() }
        if isAlone {
            isAlone = false
            isHeldBack = !unreported.isEmpty
            return nil
        }
        return unreported.first
    }

    /// `?`: every stopped vCPU is reported again; the first of them. The others are a round of their own, and later: gdb
    /// (13 and 16 were tried) gives up with an internal error when it gets more than one report while it connects, asked
    /// or, where it is quick, unasked.
    mutating func tellAgain() -> StopEvent? {
        unreported = states.compactMap { if case .stopped(let event) = $0 { event } else { nil } }
        (isNotificationDue, isHeldBack) = (false, false)
        isAlone = !unreported.isEmpty
        return unreported.first
    }

    /// The client has connected, and resumes a vCPU.
    mutating func release() {
        if isHeldBack { (isNotificationDue, isHeldBack) = (true, false) }
    }

    /// What the machine is to do until the next packet or stop.
    mutating func plan() -> ResumePlan {
        var plan = ResumePlan(actions: [], reportsEach: true)
        for (processor, state) in states.enumerated() {
            switch state {
            case .stopped: plan.actions.append(.stay)
            case .moving(let action):
                plan.actions.append(action)
                states[processor] = .moving(.proceed)
            }
        }
        return plan
    }
}

extension Session {
    /// Whether vCPUs move, in the client's eyes, while packets are answered.
    package var isMoving: Bool {
        switch attachment {
        case .attached: nonStop?.isMoving == true
        case .detached: true
        case .none: false
        }
    }

    /// When all that arrived is answered: what the machine resumes with, nil where nothing moves.
    package func continuation() -> ResumePlan? {
        guard isMoving else { return nil }
        try? target.completeReset()
        replant()
        arrangeChanges()
        guard case .detached(let action) = attachment else { return nonStop?.plan() }
        attachment = .detached(.proceed)
        let actions = [ResumePlan.Action](repeating: action, count: processorCount)
        return ResumePlan(actions: actions, reportsEach: true)
    }

    /// QNonStop. To leave the mode stops everyone.
    func setNonStop(_ on: Bool) {
        if on != (nonStop != nil) {
            nonStop = on ? NonStop(stopped: stop, processors: processorCount) : nil
        }
        reply.ok()
    }

    /// A vCPU stopped, or, where the event is an interruption, something arrived while it moved.
    func notify(_ event: StopEvent) {
        guard event.cause != .interrupted else { return }
        stop = event
        nonStop?.stop(event)
    }

    /// Sends the stop that the client has not asked for, behind the replies to what it has.
    func sendNotification() {
        guard let event = nonStop?.takeNotification() else { return }
        var notification = Reply()
        notification.stopNotification(stopReply(event))
        framer.frameNotification(notification.bytes)
    }

    /// vCont: a vCPU that an action names does it, if it makes a difference.
    func move(_ actions: [ThreadAction]) {
        nonStop?.release()
        for processor in 0..<processorCount {
            guard
                let action = actions.first(where: {
                    $0.thread.matches(process: Self.process, thread: processor + 1)
                })?.action
            else { continue }
            switch planned(action) {
            case .stay: if nonStop?.isMoving(processor) == true { notify(StopEvent(.paused, on: processor)) }
            case let action: nonStop?.start(processor, action)
            }
        }
    }

    /// vCtrlC and 0x03: the first vCPU that moves stops for it.
    func interruptFirst() {
        guard let processor = nonStop?.states.indices.first(where: { nonStop?.isMoving($0) == true }) else { return }
        stop = StopEvent(.interrupted, on: processor)
        nonStop?.stop(stop)
    }

    func answerNextStop() {
        guard let event = nonStop?.acknowledge() else { return reply.ok() }
        reply.stop(stopReply(event))
    }

    /// `?`: in non-stop mode the first of all stopped vCPUs; vStopped asks for the others.
    func answerStopReason() {
        guard attachment == .attached else { return answerNoProcess() }
        guard nonStop != nil else { return reply.stop(stopReply(stop)) }
        guard let event = nonStop?.tellAgain() else { return reply.ok() }
        reply.stop(stopReply(event))
    }
}
