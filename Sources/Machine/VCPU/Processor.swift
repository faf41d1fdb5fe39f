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
    var debugControl = DebugControl()
    var loop = RunLoop()
    /// What the entry under way is for.
    var stepping = Stepping.run
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

    /// Whether this vCPU was called out of the guest, and has not come out yet.
    var isKicked: Bool { signals.kick.withLock { $0?.isPending ?? false } }

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
            case .serve(let stop): serve(stop)
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

    /// Serves the debugger, then resumes the machine. A breakpoint at this vCPU's program counter is stepped over while
    /// the others are still stopped.
    private func serve(_ stop: StopEvent) {
        guard let plan = machine.serve(stop) else { return }
        if plan.actions[index] == .run, loop.pendingStops.isEmpty, let event = passReported() {
            loop.pendingStops = [PendingStop(event: event)]
        }
        machine.gate.release(plan, by: index)
    }

    /// Takes a new order, and drops what is left of the one before.
    private func begin(_ action: ResumePlan.Action) {
        loop.action = action
        x86.pausedRun = nil
        loop.pendingStops.removeAll { !$0.event.cause.happensOnce }
    }

    private func move() -> StopEvent? {
        while !loop.pendingStops.isEmpty {
            let next = loop.pendingStops.removeFirst()
            if let watchpoint = next.watchpoint, !machine.arrangement.watchpoints.contains(watchpoint) { continue }
            return next.event
        }
        signals.isHaltedForGood.store(false, ordering: .relaxed)
        loop.hasRun = true
        machine.gate.enter(index)
        defer { machine.gate.leave(index) }
        // Model time continues: one vCPU's alarm is for the next timer.
        if loop.isListening { machine.setAlarm(of: self) }
        return whileMoving { () throws(KVMError) in
            if loop.isListening, machine.server.beginListening(on: loop.thread) {
                return StopEvent(.interrupted, on: index)
            }
            defer { if loop.isListening { machine.server.endListening() } }
            switch loop.action {
            case .stay, .proceed: return nil
            case .run:
                // In non-stop mode others may be moving.
                if machine.runState.reportsEachStop, isAtReported, let event = try passAlone() { return event }
                try storeChangedRegisters()
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

    /// Runs `body`, fetches the registers again; a request that fails is an event.
    func whileMoving(_ body: () throws(KVMError) -> StopEvent?) -> StopEvent? {
        var event: StopEvent?
        do throws(KVMError) {
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

    var programCounter: VirtualAddress { machine.architecture.programCounter(registers) }

    /// Runs the guest until it exits. `registers` are those of before then.
    func run() throws(KVMError) -> Exit {
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
        machine.interruptController.adoptTaskPriority(of: self)
    }
}
