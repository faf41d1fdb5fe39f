import Architecture
import Debugger
import Host
import Interrupts
import KVM
import Primitives
import Synchronization

/// One vCPU with its thread: takes orders from the Gate, runs the guest until something happens, parks.
///
/// - Note: `@unchecked Sendable`: while it moves, everything here is its own thread's; while it is parked, the thread
///   with the baton's. Gate's locks lie between the two.
final class Processor: @unchecked Sendable {
    let index: Int
    let vcpu: VCPU
    unowned let machine: VirtualMachine
    /// Registers as of the last stop.
    var registers: RegisterFile
    var sync = RegisterSync()
    private(set) var debugControl = DebugControl()
    var loop = RunLoop()
    /// Reported at this vCPU's next turns, without running.
    var pendingStops: [PendingStop] = []
    /// What the entry under way is for.
    private(set) var stepping = Stepping.run
    var breakpoints = BreakpointState()
    /// Accesses of the instruction under way to pages that watchpoints trap.
    var accesses = TrappedAccesses()
    var delivery = InterruptDelivery()
    var x86 = X86State()
    var arm64 = ARM64State()
    var counts = Counts()
    let signals = ThreadSignals()

    var isPassing: Bool { loop.passLimit != nil }

    init(_ index: Int, _ vcpu: consuming VCPU, of machine: VirtualMachine) {
        self.index = index
        self.vcpu = vcpu
        self.machine = machine
        registers = RegisterFile(size: machine.architecture.storageSize)
    }

    /// Calls this vCPU's thread out of the guest; from any thread.
    func kick() { signals.kick.withLock { $0?() } }

    /// The thread's whole life. `ready` is called once it can be kicked.
    func live(ready: () -> Void) {
        signals.kick.withLock { $0 = vcpu.adoptCurrentThread() }
        defer {
            signals.kick.withLock { $0 = nil }
            vcpu.releaseCurrentThread()
        }
        loop.thread = Thread.currentID
        loop.alarm = try? Alarm()
        if machine.capabilities.synchronisesRegisters { vcpu.synchroniseRegisters() }
        ready()
        while true {
            switch machine.gate.order(for: index) {
            case .quit: return
            case .attend(let stop): attend(stop)
            case .move(let action, let listening):
                loop.isListening = listening
                if action != .proceed { begin(action) }
                noteDeparture()
                let event = move()
                let isStarved = event == nil && !hasGotSomewhere
                if !machine.gate.arrive(index, with: event, isStarved: isStarved), let event { keep(event) }
            }
        }
    }

    /// Calls this vCPU out of the guest at `moment`, in nanoseconds of Clock.monotonic; on its own thread.
    func setAlarm(_ moment: UInt64) { loop.alarm?.set(moment) }

    /// Serves the debugger, then sets the machine going. A breakpoint that this vCPU stands on is stepped over while
    /// the others still stand.
    private func attend(_ stop: StopEvent) {
        switch machine.attend(stop) {
        case .end(let ending): machine.end(ending)
        case .resume(let plan):
            if plan.actions[index] == .run, pendingStops.isEmpty, let event = passReported() {
                pendingStops = [PendingStop(event: event)]
            }
            machine.gate.release(plan, by: index)
        }
    }

    /// Takes a new order: what is left of the one before is of no use any more.
    private func begin(_ action: ResumePlan.Action) {
        loop.action = action
        x86.pausedRun = nil
        pendingStops.removeAll { !$0.event.cause.happensOnce }
    }

    private func move() -> StopEvent? {
        while !pendingStops.isEmpty {
            let next = pendingStops.removeFirst()
            if let watchpoint = next.watchpoint, !machine.arrangement.watchpoints.contains(watchpoint) { continue }
            return next.event
        }
        signals.isHaltedForGood.store(false, ordering: .relaxed)
        loop.hasRun = true
        machine.gate.enter(index)
        defer { machine.gate.leave(index) }
        // Time goes on: one vCPU hears of the next timer.
        if loop.isListening { machine.setAlarm(of: self) }
        return whileMoving { () throws(KVMError) in
            if loop.isListening, machine.attendant.beginListening(on: loop.thread) {
                return StopEvent(.interrupted, on: index)
            }
            defer { if loop.isListening { machine.attendant.endListening() } }
            switch loop.action {
            case .stay, .proceed: return nil
            case .run:
                // In non-stop mode others may be moving.
                if machine.reportsEach, standsOnReported, let event = try passAlone() { return event }
                return try enter(.run)
            case .step: return try step()
            case .stepRange(let range):
                while true {
                    let event = try step()
                    guard event?.cause == .stepped, range.contains(programCounter),
                        !machine.hasBreakpoint(at: programCounter)
                    else { return event }
                    if machine.gate.isStopping { return nil }
                }
            }
        }
    }

    /// Whether it still stands on what the last stop here was for.
    private var standsOnReported: Bool {
        if let stop = arm64.watchpointStop, stop == programCounter { return true }
        guard let address = breakpoints.reported, address == programCounter else { return false }
        return machine.hasBreakpoint(at: address) || isHandler(address)
    }

    /// Passes the breakpoint that the last stop here was for, while the others still stand.
    private func passReported() -> StopEvent? {
        guard standsOnReported else { return nil }
        return whileMoving { () throws(KVMError) in try passUndisturbed() }
    }

    /// Passes it while no other vCPU runs.
    private func passAlone() throws(KVMError) -> StopEvent? {
        if isPassing { return try pass() }
        return try machine.gate.exclusively(index) { () throws(KVMError) in try passUndisturbed() }
    }

    /// Passes the breakpoint that this vCPU stands on; an event where that came to more than a step.
    private func passUndisturbed() throws(KVMError) -> StopEvent? {
        try withoutLooking { () throws(KVMError) in try pass() }
    }

    /// Runs `body` with kicks put off until it is done.
    private func withoutLooking<R>(_ body: () throws(KVMError) -> R) throws(KVMError) -> R {
        loop.passLimit = PassLimit()
        signals.mayBeStuck.store(true, ordering: .relaxed)
        breakpoints.reported = nil
        defer {
            loop.passLimit = nil
            signals.mayBeStuck.store(false, ordering: .relaxed)
            if loop.hasDeferredKick { vcpu.repeatKick() }
            loop.hasDeferredKick = false
        }
        return try body()
    }

    /// Runs `body`, in the midst of handling an exit, while no other vCPU runs.
    func undisturbed<R>(_ body: () throws(KVMError) -> R) throws(KVMError) -> R {
        // A breakpoint is being passed: the others stand still already.
        if isPassing { return try body() }
        return try machine.gate.exclusively(index) { () throws(KVMError) in try withoutLooking(body) }
    }

    /// Stores changed registers, runs `body`, fetches the registers again; a request that fails is an event.
    private func whileMoving(_ body: () throws(KVMError) -> StopEvent?) -> StopEvent? {
        var event: StopEvent?
        do throws(KVMError) {
            try storeChangedRegisters()
            event = try body()
        } catch {
            event = StopEvent(.hostFailure, on: index, explanation: "vCPU \(index): \(error)")
        }
        counts.exits.stopped()
        // What cannot be fetched stays as it was; the next request on the vCPU says why.
        try? fetchRegisters()
        noteActivity()
        switch event?.cause {
        case .breakpoint(let address): breakpoints.reported = address
        case .caught where isHandler(programCounter): breakpoints.reported = programCounter
        default: break
        }
        return event
    }

    // MARK: - Into the guest and out

    /// Runs as far as `stepping` says: the event that ends it, or nil when the machine is stopping.
    func enter(_ stepping: Stepping) throws(KVMError) -> StopEvent? {
        let outer = self.stepping
        self.stepping = stepping
        defer { self.stepping = outer }
        let isSingle = stepping.isSingle
        breakpoints.reported = nil
        // A step still needs it.
        if !isSingle { arm64.watchpointStop = nil }
        while true {
            if let outcome = try prepareToRun(stepping) {
                guard case .stop(let event) = outcome else { return nil }
                return event
            }
            // A step has looked already: its own breakpoint may be lifted.
            if !isSingle { try watchHandlers(stepping) }
            try arm(guestDebug(stepping))
            counts.exits.entering()
            let exit = try run()
            delivery.isInjected = false
            counts.exits.exited(vcpu.reason(of: exit))
            try forgetCompleted(exit)
            switch try handle(exit) {
            case .goOn:
                // KVM forgets a step when the instruction needed the VMM: it ends here, not one instruction later.
                if !isSingle { try followBreakpoints(after: exit) }
                if isSingle, exit.isAccess, let event = try finishStep(exit) { return event }
            case .pass where stepping.endsInHandler:
                // The instruction faulted: its handler is next.
                return StopEvent(.stepped, on: index)
            case .pass:
                if let event = try passAlone() { return event }
            case .park: return nil
            case .stop(let event):
                guard case .breakpoint(let address) = event.cause else { return event }
                // One that a step leads to is reported when the guest goes on from it.
                if isSingle || stepping.endsInHandler && isHandler(address) { return StopEvent(.stepped, on: index) }
                counts.hits.breakpoints[address, default: HitCounts.Breakpoint()].hits += 1
                guard let programs = machine.arrangement.programs[address], try verdict(of: programs) == .goOn else {
                    return event
                }
                counts.hits.breakpoints[address]!.passed += 1
                if let event = try passAlone() { return event }
            }
        }
    }

    /// Completes a stepped instruction that accessed a device; nil where it came to nothing yet.
    private func finishStep(_ exit: Exit) throws(KVMError) -> StopEvent? {
        let start = exit.isRegisterAccess ? programCounter : nil
        while true {
            let exit = try complete()
            if exit == .interrupted {
                guard let start else { return StopEvent(.stepped, on: index) }
                // Behind a refused register the fault is still to come.
                try fetchRegisters()
                return programCounter == start ? nil : StopEvent(.stepped, on: index)
            }
            switch try handle(exit) {
            case .goOn where exit.isAccess: continue
            case .goOn: return nil
            case .park, .pass: return StopEvent(.stepped, on: index)
            case .stop(let event): return event
            }
        }
    }

    /// What KVM is to be told; a step keeps the breakpoint it stands on from holding it back.
    func x86GuestDebug(_ stepping: Stepping) -> GuestDebug {
        let slots = slots(for: stepping)
        var debug = GuestDebug()
        debug.softwareBreakpoints = machine.plants || !breakpoints.handlers.entries.isEmpty
        debug.addresses = slots.addresses
        if stepping.isSingle {
            let place = programCounter
            debug.control = slots.control(executing: { self.breakpoints.handlers.slots.contains($0) && $0 != place })
            debug.singleStep = true
        } else {
            debug.control = slots.control
        }
        let holds =
            stepping.endsInHandler
            ? machine.arrangement.stepsHoldInterrupts : stepping.trapStep?.passes == true
        debug.blockInterrupts = holds && machine.capabilities.blocksInterrupts
        return debug
    }

    /// Ends KVM's own stepping, which would not let go of the trap flag. `next` is what is entered then.
    func disarmStep(before next: Stepping) throws(KVMError) {
        guard debugControl.armed.singleStep else { return }
        distrustDebugControl()
        try arm(guestDebug(next))
    }

    /// KVM may have lost what KVM_SET_GUEST_DEBUG gave it.
    func distrustDebugControl() { debugControl.isArmed = false }

    func arm(_ debug: GuestDebug) throws(KVMError) {
        if arm64.hasUnfinishedStep {
            try vcpu.setGuestDebug(GuestDebug())
            (arm64.hasUnfinishedStep, debugControl.isArmed) = (false, false)
        }
        guard
            !debugControl.isArmed || debug != debugControl.armed
                || (debug.singleStep && !machine.capabilities.stepPersists)
        else { return }
        // KVM takes the guest's trap flag away with its own.
        let dropsTrapFlag = debugControl.armed.singleStep && !debug.singleStep && sync.isCurrent && hasTrapFlag
        try vcpu.setGuestDebug(debug)
        debugControl.armed = debug
        if dropsTrapFlag {
            registers.changed.formUnion(.general)
            try storeChangedRegisters()
        }
        debugControl.isArmed = true
    }

    enum Outcome {
        case goOn
        /// The instruction here is to be executed although a breakpoint stands on it.
        case pass
        case park
        case stop(StopEvent)
    }

    /// After an exit that was nobody's in the guest: what it was about.
    func interrupted() throws(KVMError) -> Outcome {
        vcpu.clearKick()
        try machine.advance(on: self)
        if let limit = loop.passLimit {
            loop.hasDeferredKick = true
            return limit.isReached ? .stop(stuckEvent) : .goOn
        }
        if machine.gate.isStopping { return .park }
        if machine.gate.goesFirst(index) {
            try fetchRegisters()
            if hasGotSomewhere { machine.gate.letOthersGo(index) }
        }
        machine.gate.makeWay(index)
        if loop.isListening, machine.attendant.wantsStop() { return .stop(StopEvent(.interrupted, on: index)) }
        if let event = try caughtHalt() { return .stop(event) }
        return try machine.haltWatch.examine(self).map { .stop($0) } ?? .goOn
    }

    /// The stop for an instruction that is never done.
    private var stuckEvent: StopEvent {
        try? fetchRegisters()
        let explanation =
            "vCPU \(index) does not get past one instruction: it takes exceptions without end, and is at "
            + "\(programCounter) now; monitor catch exception all stops at each"
        return StopEvent(.exceptionLoop, on: index, explanation: explanation)
    }

    // MARK: - Registers

    var programCounter: VirtualAddress { machine.architecture.programCounter(registers) }

    /// Runs the guest until it exits. `registers` are those of before then.
    private func run() throws(KVMError) -> Exit {
        defer { noteExit() }
        return try vcpu.run()
    }

    /// Completes the instruction whose access the last exit was: what else it needs, or `.interrupted`.
    func complete() throws(KVMError) -> Exit {
        defer { noteExit() }
        return try vcpu.complete()
    }

    /// The run page has the registers and CR8 of now.
    private func noteExit() {
        (sync.isPageStale, sync.isCurrent) = (false, false)
        adoptTaskPriority()
    }
}
