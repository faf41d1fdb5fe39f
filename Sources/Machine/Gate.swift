import Debugger
import Host
import KVM
import Synchronization

/// How the vCPU threads start and stop together.
///
/// While the machine stands still, one thread has the *baton*: it serves the debugger, and everything is its to read
/// and change. `release` gives every vCPU that is to move its order; what the thread's own vCPU is to do it does
/// itself, so a machine of one vCPU resumes without waking anybody. Of the threads that move, one *listens* to the
/// debugger's socket.
///
/// A vCPU that comes to a stop calls `arrive`. The first one decides why the machine stopped and calls the others out
/// of the guest; each parks as it arrives. The last to arrive gives the baton to the first, on whose vCPU the debugger
/// will look, and step, next. So there is one crossing between threads a resume and one a stop, and none at all where
/// only one vCPU moves.
///
/// A vCPU that must do something while no other runs, such as stepping over a breakpoint that is lifted meanwhile, does
/// it `exclusively`: the others are called out, wait, and go on.
final class Gate: Sendable {
    enum Order: Equatable, Sendable {
        case move(ResumePlan.Action, listening: Bool)
        /// The machine stands still for this: take the baton.
        case attend(StopEvent)
        case quit
    }

    private struct Round: Sendable {
        var moving: Set<Int> = []
        /// How many moved at its beginning.
        var count = 0
        var first: StopEvent?
    }

    private let round = Mutex(Round())
    /// Somebody has arrived: park at the next opportunity. Read by vCPU threads on each interruption.
    private let stopping = Atomic<Bool>(false)
    private struct Presence: Sendable {
        /// Who wants to be alone, or is.
        var holder: Int?
        /// vCPUs that may be in the guest.
        var inside: Set<Int> = []
    }

    private let presence = Condition(Presence())
    /// Somebody wants to be alone: wait at the next opportunity.
    private let held = Atomic<Bool>(false)
    private let mailboxes: [Condition<Order?>]
    /// Calls a vCPU's thread out of the guest.
    private let kick: @Sendable (Int) -> Void

    init(processors count: Int, kick: @escaping @Sendable (Int) -> Void) {
        mailboxes = (0..<count).map { _ in Condition(nil) }
        self.kick = kick
    }

    var isStopping: Bool { stopping.load(ordering: .acquiring) }

    /// vCPUs that are in the guest, or on their way in or out.
    var moving: Set<Int> { round.withLock { $0.moving } }

    /// All that were to move; nil once one of them has come to a stop.
    var allMovers: Set<Int>? { round.withLock { $0.moving.count == $0.count ? $0.moving : nil } }

    /// Sleeps until there is something for the vCPU's thread to do.
    func order(for processor: Int) -> Order {
        mailboxes[processor].wait { order in
            defer { order = nil }
            return order
        }
    }

    func post(_ order: Order, to processor: Int) {
        mailboxes[processor].update { $0 = order }
    }

    /// Sets the machine going. The caller has the baton, and `holder` is its vCPU.
    func release(_ plan: ResumePlan, by holder: Int) {
        let movers = plan.actions.indices.filter { plan.actions[$0] != .stay }
        guard let listener = movers.contains(holder) ? holder : movers.first else {
            return post(.attend(StopEvent(.held, on: holder)), to: holder)
        }
        round.withLock { $0 = Round(moving: Set(movers), count: movers.count) }
        stopping.store(false, ordering: .releasing)
        for mover in movers {
            post(.move(plan.actions[mover], listening: mover == listener), to: mover)
        }
    }

    /// Waits until nobody is or wants to be alone, and goes in.
    func enter(_ processor: Int) {
        guard mailboxes.count > 1 else { return }
        presence.wait { presence -> Void? in
            guard presence.holder == nil else { return nil }
            presence.inside.insert(processor)
            return ()
        }
    }

    func leave(_ processor: Int) {
        guard mailboxes.count > 1 else { return }
        presence.update { _ = $0.inside.remove(processor) }
    }

    /// Makes way for another that wants to be alone, if there is one.
    func makeWay(_ processor: Int) {
        guard held.load(ordering: .acquiring), presence.look({ $0.holder }) != processor else { return }
        leave(processor)
        enter(processor)
    }

    /// Runs `body` on the vCPU's thread, which is inside, while no other vCPU runs.
    func exclusively<R>(_ processor: Int, _ body: () throws(KVMError) -> R) throws(KVMError) -> R {
        guard mailboxes.count > 1 else { return try body() }
        leave(processor)
        let others = presence.wait { presence -> Set<Int>? in
            guard presence.holder == nil else { return nil }
            presence.holder = processor
            held.store(true, ordering: .releasing)
            presence.inside.insert(processor)
            return presence.inside.subtracting([processor])
        }
        others.forEach(kick)
        presence.wait { $0.inside == [processor] ? () : nil }
        defer {
            held.store(false, ordering: .releasing)
            presence.update { $0.holder = nil }
        }
        return try body()
    }

    /// The vCPU has come to a stop: for `event`, or because it was called. False when another's event came first and
    /// this one must be kept for later.
    func arrive(_ processor: Int, with event: StopEvent?) -> Bool {
        let (others, isFirst, last) = round.withLock { round in
            round.moving.remove(processor)
            let isFirst = event != nil && round.first == nil
            if isFirst { round.first = event }
            return (isFirst ? round.moving : [], isFirst, round.moving.isEmpty ? round.first : nil)
        }
        if isFirst { stopping.store(true, ordering: .releasing) }
        others.forEach(kick)
        if let last { post(.attend(last), to: last.processor) }
        return isFirst || event == nil
    }
}
