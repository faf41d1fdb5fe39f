import Architecture
import Debugger
import Host
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
    var registers = RegisterFile(size: X86.Storage.size)
    var statistics = ExitStatistics()
    /// What KVM_SET_GUEST_DEBUG was last told.
    private(set) var armed = GuestDebug()
    var isArmed = true
    /// A stop of this vCPU that another's came before: told at its next turn, without running.
    var pending: StopEvent?
    /// Where a breakpoint stopped this vCPU: going on from there steps over it first.
    var reported: VirtualAddress?
    private(set) var isListening = false
    /// The kernel's id of this vCPU's thread.
    private var thread: Int32 = 0
    /// Where a step that must run began and ends (see `run(to:)`).
    var journey: (from: VirtualAddress, to: VirtualAddress)?
    /// A breakpoint that does not stop is being passed: that is one step, and nothing comes between.
    var isPassing = false
    /// The registers in the run page are older than KVM's.
    private var isPageStale = false
    /// `registers` has the general and system ones of the last exit.
    private var isCurrent = false
    /// An INT n that was completed here, until the guest is seen to have gone on.
    var completed: (instruction: X86Instruction, at: VirtualAddress)?
    /// A kick that came meanwhile.
    private var owesLook = false
    /// It was found halted with interrupts off (see HaltWatch).
    let sleepsForGood = Atomic<Bool>(false)
    /// Set before any other thread may want it (see `start`).
    private let kickHandle = Mutex<Kick?>(nil)

    init(_ index: Int, _ vcpu: consuming VCPU, of machine: VirtualMachine) {
        self.index = index
        self.vcpu = vcpu
        self.machine = machine
    }

    /// Calls this vCPU's thread out of the guest; from any thread.
    func kick() { kickHandle.withLock { $0?() } }

    /// The thread's whole life. `ready` is called once it can be kicked.
    func live(ready: () -> Void) {
        kickHandle.withLock { $0 = vcpu.adoptCurrentThread() }
        thread = Thread.currentID
        if machine.capabilities.synchronisesRegisters { vcpu.synchroniseRegisters() }
        ready()
        while true {
            switch machine.gate.order(for: index) {
            case .quit: return
            case .attend(let stop): attend(stop)
            case .move(let action, let listening):
                isListening = listening
                let event = move(action)
                if !machine.gate.arrive(index, with: event), let event, event.cause.happensOnce { pending = event }
            }
        }
    }

    /// Serves the debugger, then sets the machine going. A breakpoint that this vCPU stands on is stepped over while
    /// the others still stand.
    private func attend(_ stop: StopEvent) {
        switch machine.attend(stop) {
        case .end(let ending): machine.end(ending)
        case .resume(let plan):
            if plan.actions[index] == .run { pending = passReported() ?? pending }
            machine.gate.release(plan, by: index)
        }
    }

    private func move(_ action: ResumePlan.Action) -> StopEvent? {
        if let event = pending {
            pending = nil
            return event
        }
        sleepsForGood.store(false, ordering: .relaxed)
        machine.gate.enter(index)
        defer { machine.gate.leave(index) }
        return whileMoving { () throws(KVMError) in
            if isListening, machine.attendant.beginListening(on: thread) { return StopEvent(.interrupted, on: index) }
            defer { if isListening { machine.attendant.endListening() } }
            switch action {
            case .stay: return nil
            case .run: return try enter(machine.armed)
            case .step: return try step()
            case .stepRange(let range):
                while true {
                    let event = try step()
                    guard event?.cause == .stepped, range.contains(programCounter), !machine.gate.isStopping,
                        !machine.hasBreakpoint(at: programCounter)
                    else { return event }
                }
            }
        }
    }

    /// Passes the breakpoint that the last stop here was for, while the others still stand.
    private func passReported() -> StopEvent? {
        guard let address = reported, address == programCounter, machine.hasBreakpoint(at: address) else { return nil }
        return whileMoving { () throws(KVMError) in try passUndisturbed() }
    }

    /// Passes the breakpoint that this vCPU stands on; an event where that came to more than a step.
    private func passUndisturbed() throws(KVMError) -> StopEvent? {
        isPassing = true
        defer {
            isPassing = false
            if owesLook { vcpu.repeatKick() }
            owesLook = false
        }
        return try pass()
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
        reported = if case .breakpoint(let address) = event?.cause { address } else { nil }
        return event
    }

    // MARK: - Into the guest and out

    /// Runs with `debug` armed until an event, or nil when the machine is stopping.
    func enter(_ debug: GuestDebug) throws(KVMError) -> StopEvent? {
        try arm(debug)
        while true {
            statistics.entering()
            let exit = try vcpu.run()
            (isPageStale, isCurrent) = (false, false)
            statistics.exited(vcpu.reason(of: exit))
            switch try handle(exit) {
            case .goOn:
                // KVM forgets a step when the instruction needed the VMM: it ends here, not one instruction later.
                if debug.singleStep, exit.isAccess, let event = try finishStep() { return event }
            case .park: return nil
            case .stop(let event):
                guard case .breakpoint(let address) = event.cause, let programs = machine.arrangement.programs[address],
                    try verdict(of: programs) == .goOn
                else { return event }
                let event = try machine.gate.exclusively(index) { () throws(KVMError) in try passUndisturbed() }
                if let event { return event }
                try arm(debug)
            }
        }
    }

    /// Completes a stepped instruction that accessed a device; nil where it came to nothing yet.
    private func finishStep() throws(KVMError) -> StopEvent? {
        while true {
            let exit = try vcpu.complete()
            (isPageStale, isCurrent) = (false, false)
            if exit == .interrupted { return StopEvent(.stepped, on: index) }
            switch try handle(exit) {
            case .goOn where exit.isAccess: continue
            case .goOn: return nil
            case .park: return StopEvent(.stepped, on: index)
            case .stop(let event): return event
            }
        }
    }

    private func arm(_ debug: GuestDebug) throws(KVMError) {
        guard !isArmed || debug != armed || (debug.singleStep && !machine.capabilities.stepPersists) else { return }
        try vcpu.setGuestDebug(debug)
        armed = debug
        isArmed = true
    }

    enum Outcome {
        case goOn
        case park
        case stop(StopEvent)
    }

    /// After an exit that was nobody's in the guest: what it was about.
    func interrupted() throws(KVMError) -> Outcome {
        vcpu.clearKick()
        if isPassing {
            owesLook = true
            return .goOn
        }
        if machine.gate.isStopping { return .park }
        machine.gate.makeWay(index)
        if isListening, machine.attendant.wantsStop() { return .stop(StopEvent(.interrupted, on: index)) }
        return try machine.haltWatch.examine(self).map { .stop($0) } ?? .goOn
    }

    // MARK: - Registers

    var programCounter: VirtualAddress { X86.programCounter(registers) }

    /// General and system registers, without a request where they came with the exit, and once for each exit.
    func fetchRegisters() throws(KVMError) {
        if isCurrent { return }
        if machine.capabilities.synchronisesRegisters, !isPageStale {
            vcpu.copySynchronised(
                general: X86.Storage.general, system: X86.Storage.system, into: &registers.storage)
        } else {
            try vcpu.get(.general, into: &registers.storage, at: X86.Storage.general)
            try vcpu.get(.system, into: &registers.storage, at: X86.Storage.system)
        }
        registers.present = .ofEveryExit
        registers.changed = []
        isCurrent = true
    }

    /// Gives KVM the general registers that were changed while parked; the others went at once (see `take`).
    func storeChangedRegisters() throws(KVMError) {
        guard !registers.changed.isEmpty else { return }
        try vcpu.set(.general, from: registers.storage, at: X86.Storage.general)
        registers.changed = []
        // KVM keeps the trap flag in the registers just replaced, and the run page has the old ones.
        isArmed = false
        isPageStale = true
    }
}

extension StopCause {
    /// Whether the stop would be lost if it were not told: a breakpoint is simply hit again.
    fileprivate var happensOnce: Bool {
        switch self {
        case .held, .breakpoint, .stepped, .interrupted, .emulationFailure: false
        case .watchpoint, .caught, .tripleFault, .hostFailure, .haltedForGood, .memoryFault, .reset, .ended: true
        }
    }
}
