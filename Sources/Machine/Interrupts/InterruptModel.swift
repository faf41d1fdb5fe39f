import Debugger
import Devices
import Host
import Interrupts
import KVM
import Primitives
import Synchronization

/// The built-in interrupt controllers of a machine whose KVM has none, or only the local APICs: the model behind a lock,
/// its clock, and what its answers mean for the vCPUs and KVM.
///
/// Time is stopped while the machine is, so that a guest's timers do not run down under a debugger. The time stamp
/// counter is the processor's own and is not stopped.
final class InterruptModel: Sendable {
    private let state: Mutex<ModelledControllers>
    /// Nanoseconds that the machine has been stopped, and since when it is now.
    private let pause = Mutex<(total: UInt64, since: UInt64?)>((0, Clock.monotonic))
    unowned let machine: VirtualMachine
    /// The kernel's routes for level-triggered pins; changed only with `state` locked.
    let routes = Mutex<[GSIRoute]>([])
    /// An event that `monitor catch irq` waits for has happened, and no vCPU has reported it yet.
    private let hasHit = Atomic<Bool>(false)

    private struct Watched: Equatable {
        let line: Int
        let kind: InterruptEvent.Kind
    }

    private let watched = Mutex<[Watched]>([])

    /// Which vCPUs' IRQ and FIQ inputs a GIC asserts; changed only with `state` locked.
    private let inputs = Mutex((irq: ProcessorSet(), fiq: ProcessorSet()))

    init(_ controllers: sending ModelledControllers, of machine: VirtualMachine) {
        state = Mutex(controllers)
        self.machine = machine
    }

    // MARK: - Time

    func freeze() { pause.withLock { $0.since = $0.since ?? Clock.monotonic } }

    func thaw() {
        pause.withLock { pause in
            guard let since = pause.since else { return }
            pause.total += Clock.monotonic - since
            pause.since = nil
        }
    }

    /// Now on the model's clock, as `processor` sees it; its time stamp counter only where that is wanted, since it
    /// costs a request.
    func moment(on processor: Processor?, timeStamp: Bool = false) -> ModelTime {
        let now = pause.withLock { ($0.since ?? Clock.monotonic) - $0.total }
        var moment = ModelTime(nanoseconds: now)
        guard let processor else { return moment }
        moment.programCounter = processor.vcpu.synchronisedInstructionPointer
        if timeStamp { moment.timeStamp = (try? processor.vcpu.modelSpecific(Self.timeStampCounter)) ?? 0 }
        return moment
    }

    /// IA32_TIME_STAMP_COUNTER.
    private static let timeStampCounter: UInt32 = 0x10

    /// When `advance` has something to do.
    var nextDeadline: UInt64? { state.withLock { $0.nextDeadline } }

    /// How long the machine has been stopped, in nanoseconds: from model time to Clock.monotonic.
    var pausedTime: UInt64 { pause.withLock { $0.total } }

    // MARK: - Access

    /// Looks at the controllers, or changes what has no consequence.
    func look<R>(_ body: (inout sending ModelledControllers) -> sending R) -> R { state.withLock { body(&$0) } }

    /// Does something to the controllers, and what follows from it to the vCPUs. `processor` is the caller's own, if it
    /// is a vCPU's thread. Nil where `body` gives nil.
    @discardableResult
    func change(
        by processor: Processor? = nil, timeStamp: Bool = false,
        _ body: (inout sending ModelledControllers, ModelTime) -> InterruptOutcome?
    ) -> InterruptOutcome? {
        let now = moment(on: processor, timeStamp: timeStamp)
        let (outcome, deadline, moved, isHit) = state.withLock {
            controller -> (InterruptOutcome?, UInt64?, Bool, Bool) in
            let before = controller.nextDeadline
            var outcome = body(&controller, now)
            if outcome != nil, controller.pc != nil { dispatch(&outcome!, of: &controller.pc!, at: now) }
            if let outcome, !outcome.changed.isEmpty { inputs.withLock { $0 = (outcome.irq, outcome.fiq) } }
            let deadline = controller.nextDeadline
            return (outcome, deadline, deadline != before, controller.journal.hit != nil)
        }
        guard let outcome else { return nil }
        machine.signal(outcome, by: processor)
        if isHit, !hasHit.exchange(true, ordering: .acquiringAndReleasing), processor == nil {
            machine.processors[0].kick()
        }
        if moved, let processor { machine.setAlarm(of: processor, for: deadline) }
        return outcome
    }

    /// An interrupt that a processor takes, and the controllers' state afterwards.
    struct Acknowledgement {
        let vector: UInt8
        /// The processor's CR8 as its local APIC has it; nil where that is not built in.
        let taskPriority: UInt8?
        let isMorePending: Bool
        /// A caught interrupt that is being delivered to its handler.
        var caught: InterruptEvent?
    }

    /// `processor` takes its interrupt, or one that it took before and that KVM had no room for: `queued`. Nil where none
    /// is pending.
    func acknowledge(_ queued: UInt8?, by processor: Processor) -> Acknowledgement? {
        let index = processor.index
        func state(_ controllers: inout ModelledControllers, _ vector: UInt8) -> Acknowledgement {
            Acknowledgement(
                vector: vector, taskPriority: controllers.cr8(index), isMorePending: controllers.pending(index) != nil)
        }
        if let queued { return look { state(&$0, queued) } }
        var taken: Acknowledgement?
        change(by: processor) { controllers, now in
            // What was sent to it before that, an NMI or INIT, comes first: it looks for that again.
            guard controllers.pending(index) != nil, !processor.signals.interruptsChanged.load(ordering: .acquiring)
            else { return nil }
            let (vector, outcome) = controllers.acknowledge(index, at: now)
            taken = vector.map { state(&controllers, $0) }
            if controllers.journal.hit == nil { taken?.caught = controllers.takeArrival() }
            return outcome
        }
        return taken
    }

    /// A device's line changes. `processor` is the caller's own, where its guest made the device do that.
    func raise(_ line: LineChange, by processor: Processor?) {
        change(by: processor) { controllers, now in
            guard let input = controllers.input(of: Int(line.line)) else { return nil }
            return switch line.action {
            case .raise: controllers.setLine(input, true, at: now)
            case .lower: controllers.setLine(input, false, at: now)
            case .pulseLow: controllers.pulseLine(input, at: now)
            }
        }
    }

    /// A machine reset.
    func reset() {
        change { $0.reset(at: $1) }
        state.withLock { if let pc = $0.pc, !pc.configuration.hasLocalAPICs { route(pc) } }
    }

    /// Timers that are due: after any call of the vCPU out of the guest.
    func advance(on processor: Processor) {
        let now = moment(on: nil)
        guard let deadline = nextDeadline, deadline <= now.nanoseconds else { return }
        change(by: processor) { $0.advance(to: $1) }
    }

    // MARK: - Events that a debugger waits for

    /// Makes `catches` all that is waited for. What has happened and is waited for no more is not reported.
    func watch(_ catches: [Catch]) {
        let wanted = catches.compactMap { row -> Watched? in
            if case .interrupt(let line, let kind) = row.kind { Watched(line: line, kind: kind) } else { nil }
        }
        state.withLock { controllers in
            let old = watched.withLock { old in
                defer { old = wanted }
                return old
            }
            for gone in old where !wanted.contains(gone) { controllers.watch(gone.line, for: gone.kind, false) }
            for new in wanted where !old.contains(new) { controllers.watch(new.line, for: new.kind, true) }
        }
    }

    /// The event that was waited for, if there is one; each is given once.
    func takeHit() -> InterruptEvent? {
        guard hasHit.load(ordering: .acquiring) else { return nil }
        return state.withLock { controller in
            hasHit.store(false, ordering: .releasing)
            return controller.journal.takeHit()
        }
    }

    /// arm64: what a vCPU's IRQ and FIQ inputs are now.
    func inputs(of index: Int) -> ArmInputs {
        inputs.withLock { inputs in
            var now: ArmInputs = []
            if inputs.irq.contains(index) { now.insert(.irq) }
            if inputs.fiq.contains(index) { now.insert(.fiq) }
            return now
        }
    }
}

/// What has reached a vCPU besides interrupts, and waits for its thread.
struct InterruptCalls: Sendable {
    var nonMaskable = 0
    var isInitialized = false
    var startUpVector: UInt8?
}
