import Debugger
import Host
import KVM
import Synchronization

/// How the vCPU threads start and stop together.
///
/// While the machine is stopped, one thread has the *baton*: it serves the debugger, and everything is its to read
/// and change. `release` gives every vCPU that is to move its order; what the thread's own vCPU is to do it does
/// itself, so a machine of one vCPU resumes without waking another thread. Of the threads that move, one *listens* to the
/// debugger's socket.
///
/// A vCPU that stops calls `arrive`. The first one decides why the machine stopped and calls the others out
/// of the guest; each parks as it arrives. The last to arrive gives the baton to the first, on whose vCPU the debugger
/// will look, and step, next. So there is one crossing between threads a resume and one a stop, and none at all where
/// only one vCPU moves.
///
/// Of several vCPUs that reach breakpoints the same one could be the first each time, and the others called back before
/// they have executed anything. So a vCPU that got nowhere goes first the next time: the others enter the guest once it has
/// executed something, stopped, or taken too long.
///
/// A vCPU that must do something while no other runs, such as stepping over a breakpoint that is lifted meanwhile, does
/// it `exclusively`: the others are called out, wait, and continue.
final class Gate: Sendable {
    enum Order: Equatable, Sendable {
        case move(ResumePlan.Action, listening: Bool)
        /// The machine is stopped for this: take the baton.
        case serve(StopEvent)
        case quit
    }

    private struct Round: Sendable {
        var moving: Set<Int> = []
        /// How many moved at its beginning.
        var count = 0
        var first: StopEvent?
        /// vCPUs that were called out before they got anywhere, or whose stop came second.
        var starved: Set<Int> = []
        /// How many stops in a row were the last one's vCPU's, where others moved too. Steps do not count.
        var streak = (processor: 0, count: 0)
    }

    private let round = Mutex(Round())
    /// A vCPU has arrived: park at the next opportunity. Read by vCPU threads on each interruption.
    private let stopping = Atomic<Bool>(false)
    private struct Presence: Sendable {
        /// The vCPU that wants to run alone, or does.
        var holder: Int?
        /// vCPUs that may be in the guest.
        var inside: Set<Int> = []
        /// Those that the others let go first, until they have got somewhere.
        var ahead: Set<Int> = []
        /// They have a whole turn, and not just until they have got somewhere.
        var isLongTurn = false
    }

    /// Stops in a row of one vCPU after which the others get a long turn: they may be far from where they would stop.
    private static let longestStreak = 8
    /// How often, and how many milliseconds each time, the others wait for those that go first.
    private static let (turns, turn) = (4, 1)

    private let presence = Condition(Presence())
    /// A vCPU wants to run alone: wait at the next opportunity.
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

    /// All that were to move; nil once one of them has stopped.
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

    /// Resumes the machine. The caller has the baton, and `holder` is its vCPU.
    func release(_ plan: ResumePlan, by holder: Int) {
        let movers = plan.actions.indices.filter { plan.actions[$0] != .stay }
        guard let listener = movers.contains(holder) ? holder : movers.first else {
            return post(.serve(StopEvent(.held, on: holder)), to: holder)
        }
        let (starved, isLongTurn) = round.withLock { round -> (Set<Int>, Bool) in
            defer { round = Round(moving: Set(movers), count: movers.count, streak: round.streak) }
            guard movers.count > 1 else { return ([], false) }
            let streak = round.streak
            if streak.count >= Self.longestStreak, plan.actions[streak.processor] == .run {
                return (Set(movers).subtracting([streak.processor]), true)
            }
            return (round.starved.intersection(movers), false)
        }
        if movers.count > 1 {
            presence.update {
                $0.ahead = starved.count < movers.count ? starved : []
                $0.isLongTurn = isLongTurn
            }
        }
        stopping.store(false, ordering: .releasing)
        for mover in movers {
            post(.move(plan.actions[mover], listening: mover == listener), to: mover)
        }
    }

    /// Waits until no vCPU runs alone or wants to, and enters.
    func enter(_ processor: Int) {
        guard mailboxes.count > 1 else { return }
        let enter = { (presence: inout Presence) -> Void? in
            guard presence.holder == nil, presence.ahead.isEmpty || presence.ahead.contains(processor) else {
                return nil
            }
            presence.inside.insert(processor)
            return ()
        }
        for _ in 0..<Self.turns {
            if presence.look({ $0.ahead.isEmpty || $0.ahead.contains(processor) }) { break }
            if presence.wait(milliseconds: Self.turn, until: enter) != nil { return }
            // They say whether they have got somewhere.
            presence.look(\.ahead).forEach(kick)
        }
        presence.update { if !$0.ahead.contains(processor) { $0.ahead = [] } }
        presence.wait(until: enter)
    }

    /// Whether others wait until this vCPU has got somewhere.
    func goesFirst(_ processor: Int) -> Bool {
        mailboxes.count > 1 && presence.look { $0.ahead.contains(processor) }
    }

    /// Whether those that go first have a whole turn.
    var isLongTurn: Bool { presence.look(\.isLongTurn) }

    /// The vCPU has got somewhere, or never will: the others need not wait for it.
    func letOthersGo(_ processor: Int) {
        guard goesFirst(processor) else { return }
        presence.update { _ = $0.ahead.remove(processor) }
    }

    func leave(_ processor: Int) {
        guard mailboxes.count > 1 else { return }
        presence.update { _ = $0.inside.remove(processor) }
    }

    /// Lets another run exclusively, if one wants to.
    func yieldExclusivity(_ processor: Int) {
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

    /// The vCPU has stopped: for `event`, or because it was called. False when another's event came first and
    /// this one must be kept for later. `isStarved`: it got nowhere since the machine was resumed.
    func arrive(_ processor: Int, with event: StopEvent?, isStarved: Bool = false) -> Bool {
        letOthersGo(processor)
        let (others, isFirst, last) = round.withLock { round in
            round.moving.remove(processor)
            let isFirst = event != nil && round.first == nil
            if isFirst { round.first = event }
            // What a client does with one vCPU between two resumes of all changes nothing.
            if isFirst, round.count > 1, event?.cause != .stepped {
                let count = round.streak.processor == processor ? round.streak.count : 0
                round.streak = (processor, count + 1)
            }
            if isStarved || event != nil && !isFirst { round.starved.insert(processor) }
            return (isFirst ? round.moving : [], isFirst, round.moving.isEmpty ? round.first : nil)
        }
        if isFirst { stopping.store(true, ordering: .releasing) }
        others.forEach(kick)
        if let last { post(.serve(last), to: last.processor) }
        return isFirst || event == nil
    }
}
