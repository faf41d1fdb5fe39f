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
    var statistics = ExitStatistics()
    /// What KVM_SET_GUEST_DEBUG was last told.
    private(set) var armed = GuestDebug()
    var isArmed = true
    /// Told at this vCPU's next turns, without running.
    var pending: [Pending] = []
    /// What it met of breakpoints and watchpoints.
    var hits = HitCounts()
    /// Watched addresses that the instruction under way touched (see `trapped`).
    var touched: [PageWatch.Touch] = []
    /// The last access to a trapped page, and how often it has come again.
    var lastTrapped = Exit.interrupted
    var repetitions = 0
    /// A repeated instruction is being finished, and what it touches gathers in `touched`.
    var isGathering = false
    /// An instruction is being tried again with watched pages in place (see `retry`).
    var isRetrying = false
    /// Where a breakpoint stopped this vCPU: going on from there steps over it first.
    var reported: VirtualAddress?
    private(set) var isListening = false
    /// arm64: where a watchpoint register stopped this vCPU, before the access: going on from there steps over it first.
    var watchedPlace: VirtualAddress?
    /// arm64: what is run as one step (see `stepExclusive`).
    var exclusiveRun: ExclusiveRun?
    /// arm64: a step did not come to its end, and KVM still has it.
    var owesDisarm = false
    /// arm64: it was switched off when it last stood still; another processor may switch it on.
    var isOff = false
    /// arm64: the levels of its own devices that the built-in interrupt controller knows.
    var deviceLevels: DeviceInterrupts = []
    /// arm64: its interrupt inputs as KVM has them.
    var drivenInputs: ArmInputs = []
    /// It has run since it was last marked as stopped (see PauseMark).
    var hasRun = false
    /// The kernel's id of this vCPU's thread.
    private var thread: Int32 = 0
    /// Where a step that must run began and ends (see `run(from:to:)`).
    var journey: (from: VirtualAddress, to: VirtualAddress)?
    /// One that a pause of the machine has interrupted.
    var pausedJourney: (from: VirtualAddress, to: VirtualAddress)?
    /// What it was told to do last.
    private var order = ResumePlan.Action.stay
    /// Where the guest's own instruction lies in place of a planted one now.
    var lifted: VirtualAddress?
    /// Set while one instruction is being passed: that is one step, and nothing comes between until the limit is reached.
    private var passLimit: PassLimit?
    var isPassing: Bool { passLimit != nil }
    /// The same for other threads: HaltWatch calls a vCPU that passes an instruction, so that the limit is looked at.
    let mayBeStuck = Atomic<Bool>(false)
    /// The page tables for which breakpoints were looked after last.
    var followedPaging: X86Paging?
    /// The general registers when the machine was last set going, where others may move too.
    var departure: [UInt8] = []
    /// A step over MOV SS met an INT3, which exits before the step's trap: the processor keeps that for the next entry
    /// (Intel SDM volume 3, sections 6.8.3 and 27.3.4), where it is nobody's.
    var trapWaits = false
    /// The registers in the run page are older than KVM's: also before the first exit, which brings some.
    var isPageStale = true
    /// `registers` has the general and system ones of the last exit.
    var isCurrent = false
    /// A step under way ends at the first instruction of any exception's handler.
    var isLanding = false
    /// The guest's own trap flag asks for a debug exception behind the instruction that was stepped.
    var isTrapDue = false
    /// An INT n that was completed here, until the guest is seen to have gone on.
    var completed: (instruction: X86InterruptInstruction, at: VirtualAddress)?
    /// Hidden breakpoints on the guest's exception handlers.
    var handlers = HandlerWatch()
    /// The user-mode step that waits for the trap flag's exception.
    var trapStep: TrapStep?
    /// A user-mode step ended otherwise, and flags that the guest has saved still have the trap flag.
    var owesTrap = false
    /// The guest's own INT3 under a breakpoint that is being passed.
    var ownBreakpoint: VirtualAddress?
    /// A breakpoint whose instruction faulted while it was passed: it is not told again when the instruction is retried
    /// with the same stack.
    var interruptedPass: (at: VirtualAddress, stack: UInt64)?
    /// `monitor catch hlt`: where this vCPU was last told to be halted, while it has not moved since. On arm64, where it
    /// stood at the last look.
    var lastHalt: VirtualAddress?
    /// A caught register's access is being executed by the guest itself (see `accessUnfiltered`).
    var isUnfiltered = false
    /// A kick that came meanwhile.
    private var owesLook = false
    /// It was found halted with interrupts off (see HaltWatch).
    let sleepsForGood = Atomic<Bool>(false)
    /// Set before any other thread may want it (see `live`).
    let kickHandle = Mutex<Kick?>(nil)

    // With the built-in interrupt controllers only (see InterruptDelivery+x86.swift).
    /// Whether it runs, sleeps or waits to be started.
    var rest = VCPU.Activity.runnable
    /// The controllers have something new for it.
    let attention = Atomic<Bool>(true)
    let interruptCalls = Mutex(InterruptCalls())
    /// An interrupt waits that it could not take yet.
    var wantsLook = true
    /// KVM has one that it has not taken to the guest.
    var hasQueued = false
    /// The vector of an interrupt that was acknowledged and that KVM had no room for yet.
    var owed: UInt8?
    /// CR8 as KVM and the model both have it.
    var knownPriority: UInt8 = 0
    private var alarm: Alarm?
    /// An interrupt that was waited for and is on its way to its handler.
    var arriving: InterruptEvent?

    init(_ index: Int, _ vcpu: consuming VCPU, of machine: VirtualMachine) {
        self.index = index
        self.vcpu = vcpu
        self.machine = machine
        registers = RegisterFile(size: machine.architecture.storageSize)
    }

    /// Calls this vCPU's thread out of the guest; from any thread.
    func kick() { kickHandle.withLock { $0?() } }

    /// The thread's whole life. `ready` is called once it can be kicked.
    func live(ready: () -> Void) {
        kickHandle.withLock { $0 = vcpu.adoptCurrentThread() }
        defer {
            kickHandle.withLock { $0 = nil }
            vcpu.releaseCurrentThread()
        }
        thread = Thread.currentID
        alarm = try? Alarm()
        if machine.capabilities.synchronisesRegisters { vcpu.synchroniseRegisters() }
        ready()
        while true {
            switch machine.gate.order(for: index) {
            case .quit: return
            case .attend(let stop): attend(stop)
            case .move(let action, let listening):
                isListening = listening
                if action != .proceed { begin(action) }
                noteDeparture()
                let event = move()
                let isStarved = event == nil && !hasGotSomewhere
                if !machine.gate.arrive(index, with: event, isStarved: isStarved), let event { keep(event) }
            }
        }
    }

    /// Calls this vCPU out of the guest at `moment`, in nanoseconds of Clock.monotonic; on its own thread.
    func setAlarm(_ moment: UInt64) { alarm?.set(moment) }

    /// Serves the debugger, then sets the machine going. A breakpoint that this vCPU stands on is stepped over while
    /// the others still stand.
    private func attend(_ stop: StopEvent) {
        switch machine.attend(stop) {
        case .end(let ending): machine.end(ending)
        case .resume(let plan):
            if plan.actions[index] == .run, pending.isEmpty, let event = passReported() {
                pending = [Pending(event: event)]
            }
            machine.gate.release(plan, by: index)
        }
    }

    /// Takes a new order: what is left of the one before is of no use any more.
    private func begin(_ action: ResumePlan.Action) {
        order = action
        pausedJourney = nil
        pending.removeAll { !$0.event.cause.happensOnce }
    }

    private func move() -> StopEvent? {
        while !pending.isEmpty {
            let next = pending.removeFirst()
            if let watchpoint = next.watchpoint, !machine.arrangement.watchpoints.contains(watchpoint) { continue }
            return next.event
        }
        sleepsForGood.store(false, ordering: .relaxed)
        hasRun = true
        machine.gate.enter(index)
        defer { machine.gate.leave(index) }
        // Time goes on: one vCPU hears of the next timer.
        if isListening { machine.setAlarm(of: self) }
        return whileMoving { () throws(KVMError) in
            if isListening, machine.attendant.beginListening(on: thread) { return StopEvent(.interrupted, on: index) }
            defer { if isListening { machine.attendant.endListening() } }
            switch order {
            case .stay, .proceed: return nil
            case .run:
                // In non-stop mode others may be moving.
                if machine.tellsEach, standsOnReported, let event = try passAlone() { return event }
                return try enter(.running)
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
        if let watchedPlace, watchedPlace == programCounter { return true }
        guard let address = reported, address == programCounter else { return false }
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
        passLimit = PassLimit()
        mayBeStuck.store(true, ordering: .relaxed)
        reported = nil
        defer {
            passLimit = nil
            mayBeStuck.store(false, ordering: .relaxed)
            if owesLook { vcpu.repeatKick() }
            owesLook = false
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
            event = StopEvent(.hostFailure, on: index, account: "vCPU \(index): \(error)")
        }
        statistics.stopped()
        // What cannot be fetched stays as it was; the next request on the vCPU says why.
        try? fetchRegisters()
        noteActivity()
        switch event?.cause {
        case .breakpoint(let address): reported = address
        case .caught where isHandler(programCounter): reported = programCounter
        default: break
        }
        return event
    }

    // MARK: - Into the guest and out

    enum Pace { case running, stepping }

    /// Runs until an event, or nil when the machine is stopping.
    func enter(_ pace: Pace) throws(KVMError) -> StopEvent? {
        reported = nil
        // A step still needs it.
        if pace == .running { watchedPlace = nil }
        while true {
            if let outcome = try prepareToRun(pace) {
                guard case .stop(let event) = outcome else { return nil }
                return event
            }
            // A step has looked already: its own breakpoint may be lifted.
            if pace == .running { try watchHandlers() }
            try arm(guestDebug(pace))
            statistics.entering()
            let exit = try run()
            hasQueued = false
            statistics.exited(vcpu.reason(of: exit))
            try forgetCompleted(exit)
            switch try handle(exit) {
            case .goOn:
                // KVM forgets a step when the instruction needed the VMM: it ends here, not one instruction later.
                if pace == .running { try followBreakpoints(after: exit) }
                if pace == .stepping, exit.isAccess, let event = try finishStep(exit) { return event }
            case .pass where pace == .stepping || isLanding:
                // The instruction faulted: its handler is next.
                return StopEvent(.stepped, on: index)
            case .pass:
                if let event = try passAlone() { return event }
            case .park: return nil
            case .stop(let event):
                guard case .breakpoint(let address) = event.cause else { return event }
                // One that a step leads to is reported when the guest goes on from it.
                if pace == .stepping || isLanding && isHandler(address) { return StopEvent(.stepped, on: index) }
                hits.breakpoints[address, default: HitCounts.Breakpoint()].hits += 1
                guard let programs = machine.arrangement.programs[address], try verdict(of: programs) == .goOn else {
                    return event
                }
                hits.breakpoints[address]!.passed += 1
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
    func x86GuestDebug(_ pace: Pace) -> GuestDebug {
        let slots = currentSlots
        var debug = GuestDebug()
        debug.softwareBreakpoints = machine.plants || !handlers.entries.isEmpty
        debug.addresses = slots.addresses
        switch pace {
        case .running: debug.control = slots.control
        case .stepping:
            let place = programCounter
            debug.control = slots.control(executing: { self.handlers.slots.contains($0) && $0 != place })
            debug.singleStep = true
        }
        let isStep = pace == .stepping || isLanding
        let holds = isStep ? machine.arrangement.stepsHoldInterrupts : trapStep?.passes == true
        debug.blockInterrupts = holds && machine.capabilities.blocksInterrupts
        return debug
    }

    /// Ends KVM's own stepping, which would not let go of the trap flag.
    func disarmStep() throws(KVMError) {
        guard armed.singleStep else { return }
        isArmed = false
        try arm(guestDebug(.running))
    }

    func arm(_ debug: GuestDebug) throws(KVMError) {
        if owesDisarm {
            try vcpu.setGuestDebug(GuestDebug())
            (owesDisarm, isArmed) = (false, false)
        }
        guard !isArmed || debug != armed || (debug.singleStep && !machine.capabilities.stepPersists) else { return }
        // KVM takes the guest's trap flag away with its own.
        let dropsTrapFlag = armed.singleStep && !debug.singleStep && isCurrent && hasTrapFlag
        try vcpu.setGuestDebug(debug)
        armed = debug
        if dropsTrapFlag {
            registers.changed.formUnion(.general)
            try storeChangedRegisters()
        }
        isArmed = true
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
        if let passLimit {
            owesLook = true
            return passLimit.isReached ? .stop(stuckEvent) : .goOn
        }
        if machine.gate.isStopping { return .park }
        if machine.gate.goesFirst(index) {
            try fetchRegisters()
            if hasGotSomewhere { machine.gate.letOthersGo(index) }
        }
        machine.gate.makeWay(index)
        if isListening, machine.attendant.wantsStop() { return .stop(StopEvent(.interrupted, on: index)) }
        if let event = try caughtHalt() { return .stop(event) }
        return try machine.haltWatch.examine(self).map { .stop($0) } ?? .goOn
    }

    /// The stop for an instruction that is never done.
    private var stuckEvent: StopEvent {
        try? fetchRegisters()
        let account =
            "vCPU \(index) does not get past one instruction: it takes exceptions without end, and is at "
            + "\(programCounter) now; monitor catch exception all stops at each"
        return StopEvent(.exceptionLoop, on: index, account: account)
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
        (isPageStale, isCurrent) = (false, false)
        adoptTaskPriority()
    }
}
