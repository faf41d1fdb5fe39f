import Architecture
import Debugger
import Devices
import Host
import Interrupts
import KVM
import Primitives

// A vCPU whose local APIC is the built-in model: before each entry it takes what is pending for it, and where there is nothing
// to run it sleeps here (Documentation/virt/kvm/api.rst, KVM_INTERRUPT). Where the kernel has the local APICs, all that is
// left is what the 8259 pair has for the boot processor: KVM_INTERRUPT brings it to LINT0, and the run page shows whether
// that lets it through.
extension Processor {
    /// Whether its local APIC is the kernel's.
    var hasKernelAPIC: Bool { machine.interruptController.hasKernelAPICs }

    /// Makes the vCPU ready to run, however long that takes; an outcome where the machine wants something else first.
    func makeReadyX86(_ stepping: Stepping) throws(KVMError) -> Outcome? {
        guard let model = machine.model else { return nil }
        while true {
            if let outcome = try takeCalls() { return outcome }
            if let hit = model.takeHit() { return .stop(stop(for: hit)) }
            if delivery.activity == .runnable || delivery.activity == .halted { try takeInterrupt(model, stepping) }
            if signals.interruptsChanged.load(ordering: .relaxed) { continue }
            if delivery.activity == .runnable { return nil }
            signals.kick.withLock { $0 }?.sleep()
            switch try interrupted() {
            case .goOn, .pass: continue
            case let outcome: return outcome
            }
        }
    }

    /// The stop for an event that was waited for, on the vCPU that sees it first.
    func stop(for event: InterruptEvent) -> StopEvent {
        let what =
            switch event.kind {
            case .pend: "became pending"
            case .endOfInterrupt: "was ended by the guest"
            // A PC's processor takes the vector then; on a GIC the handler runs already.
            case .acknowledge where machine.interruptController.gicInterrupts != nil: "was acknowledged"
            case .deliver, .acknowledge: "reached its handler"
            default: event.kind.name
            }
        let vector = event.vector == 0 ? "" : " (vector \(hexadecimal(event.vector)))"
        let cause = event.cause.text.isEmpty ? "" : ", \(event.cause.text)"
        return StopEvent(
            .caught, on: index,
            explanation:
                "vCPU \(event.processor ?? index): interrupt \(event.number)\(vector) \(what)\(cause)")
    }

    /// What is not an interrupt: INIT, start-up, NMI. INIT sends the boot processor to its firmware, which begins anew:
    /// without any, that is the machine's reset.
    private func takeCalls() throws(KVMError) -> Outcome? {
        guard signals.interruptsChanged.exchange(false, ordering: .acquiringAndReleasing) else { return nil }
        delivery.mayHavePending = true
        let calls = signals.interruptCalls.withLock { calls in
            defer { calls = InterruptCalls() }
            return calls
        }
        if calls.isInitialized {
            guard index != 0 else { return .stop(resetByInit) }
            try initialize()
        }
        if let page = calls.startUpVector, delivery.activity == .initReceived { try start(at: page) }
        guard calls.nonMaskable > 0, delivery.activity != .initReceived else { return nil }
        for _ in 0..<calls.nonMaskable { try vcpu.interruptNonMaskably() }
        delivery.mayHaveNMI = true
        // In an NMI's own handler the next one is pending, and HLT continues.
        if delivery.activity == .halted, try vcpu.nonMaskable().isBlocked { return nil }
        delivery.activity = .runnable
        return nil
    }

    /// Something but an interrupt has reached it, and its thread has not seen it yet.
    var hasCalls: Bool {
        signals.interruptCalls.withLock { $0.nonMaskable > 0 || $0.isInitialized || $0.startUpVector != nil }
    }

    var resetByInit: StopEvent {
        StopEvent(.reset, on: index, explanation: "vCPU 0 received INIT, which resets the machine")
    }

    /// INIT: an application processor waits in the state of a reset (Intel SDM volume 3, section 9.4).
    private func initialize() throws(KVMError) {
        try machine.x86.snapshot.initialize(self)
        resetInterrupts()
        offerLocalAPIC()
    }

    /// CPUID.1:EDX.APIC follows the enable bit of IA32_APIC_BASE (Intel SDM volume 3, section 11.4.3): KVM does that by its
    /// own copy, and the guest's accesses do not reach it.
    func offerLocalAPIC() {
        guard let base = machine.model?.look({ $0.pc?.locals[index].base }) else { return }
        _ = try? vcpu.setModelSpecific(LocalAPIC.baseRegister, to: base)
    }

    /// As after power-up.
    func resetInterrupts() {
        delivery = InterruptDelivery()
        if index > 0, !hasKernelAPIC { delivery.activity = .initReceived }
        vcpu.taskPriority = 0
        vcpu.requestInterruptWindow(false)
    }

    /// The start-up message: real mode at `page << 12`.
    private func start(at page: UInt8) throws(KVMError) {
        registers.present = []
        registers.forgetMissing(.all)
        fetch([.general, .system])
        X86.startUp(&registers, page: page)
        try storeAll()
        delivery.activity = .runnable
    }

    /// Queues the interrupt that waits, if the processor can take it; else asks for an exit when it can.
    private func takeInterrupt(_ model: InterruptModel, _ stepping: Stepping) throws(KVMError) {
        let followsPriority = missesLoweredPriority && !stepping.isSingle && !isPassing
        guard delivery.mayHavePending else { return vcpu.requestInterruptWindow(followsPriority) }
        let holds = isPassing || stepping.isSingle && machine.arrangement.stepsHoldInterrupts
        guard !holds else { return vcpu.requestInterruptWindow(followsPriority) }
        if machine.slowsTicks, let end = tickDelay(model) {
            machine.setAlarm(of: self, noLaterThan: end)
            return vcpu.requestInterruptWindow(followsPriority)
        }
        // Halted it can always take one: HLT shadows nothing. Registers or events that were replaced since the exit
        // make the page's answer old: the window's exit has a new one.
        let accepts = delivery.activity == .halted ? takesInterrupts : vcpu.acceptsInterrupt && !sync.isPageStale
        guard accepts, !delivery.isInjected, try !yieldsToNMI() else {
            let isPending = delivery.queuedVector != nil || model.look { $0.pending(index) } != nil
            if !isPending { delivery.mayHavePending = false }
            return vcpu.requestInterruptWindow(isPending ? delivery.activity == .runnable : followsPriority)
        }
        guard let taken = model.acknowledge(delivery.queuedVector, by: self) else {
            delivery.mayHavePending = false
            return vcpu.requestInterruptWindow(followsPriority)
        }
        if taken.vector == X86LinuxKernel.localTimerVector { delivery.tickTaken = Clock.monotonic }
        if let hit = model.takeHit() ?? taken.caught { delivery.caught = hit }
        delivery.queuedVector = try vcpu.interrupt(taken.vector) ? nil : taken.vector
        delivery.isInjected = true
        delivery.activity = .runnable
        if let priority = taken.taskPriority { (delivery.taskPriority, vcpu.taskPriority) = (priority, priority) }
        let more = delivery.queuedVector != nil || taken.isMorePending
        delivery.mayHavePending = more
        vcpu.requestInterruptWindow(more || followsPriority)
    }

    /// Whether an NMI that KVM has not taken to the guest yet comes first (Intel SDM volume 3, section 6.9): KVM would deliver
    /// an interrupt that is given to it before that.
    private func yieldsToNMI() throws(KVMError) -> Bool {
        guard delivery.mayHaveNMI else { return false }
        let event = try vcpu.nonMaskable()
        delivery.mayHaveNMI = event.isPending
        return event.isPending && !event.isBlocked
    }

    /// Where kernel mode is emulated, Linux's tick takes milliseconds: 250 of them a second would leave nothing for what the
    /// kernel is to do. Until when one that is pending is held back, while the processor is busy; Linux counts what it missed.
    private func tickDelay(_ model: InterruptModel) -> UInt64? {
        guard delivery.activity == .runnable, delivery.queuedVector == nil else { return nil }
        let end = delivery.tickTaken + Self.tickSpacing
        guard Clock.monotonic < end else { return nil }
        return model.look { $0.pending(index) } == .vector(X86LinuxKernel.localTimerVector) ? end : nil
    }

    /// Nanoseconds.
    private static let tickSpacing: UInt64 = 40_000_000

    /// A KVM that emulates kernel mode does not exit when the guest lowers CR8 (KVM_EXIT_SET_TPR). While CR8 holds
    /// interrupts back, the window's exits, one for each of its batches of instructions, show what it is now.
    private var missesLoweredPriority: Bool {
        delivery.taskPriority != 0 && machine.capabilities.emulatesKernelMode
    }

    /// RFLAGS.IF.
    private var takesInterrupts: Bool {
        sync.isPageStale ? X86.takesInterrupts(registers) : vcpu.interruptsEnabled
    }

    /// The local APIC has another task priority than the vCPU's CR8.
    func followTaskPriority(_ priority: UInt8) {
        guard priority != delivery.taskPriority else { return }
        delivery.taskPriority = priority
        vcpu.taskPriority = priority
        signals.interruptsChanged.store(true, ordering: .relaxed)
    }
}

extension VirtualMachine {
    /// What `outcome` asks of vCPUs: each on its own thread, which is called.
    func signalX86(_ outcome: InterruptOutcome, by caller: Processor?) {
        var concerned = outcome.wake.rawValue | outcome.nonMaskable.rawValue | outcome.management.rawValue
        concerned |= outcome.initialize.rawValue | outcome.startUp.rawValue
        guard concerned != 0 else { return }
        for index in ProcessorSet(rawValue: concerned) {
            let processor = processors[index]
            processor.signals.interruptCalls.withLock { calls in
                // One is delivered and one is pending; more are the same as two.
                if outcome.nonMaskable.contains(index) { calls.nonMaskable = min(calls.nonMaskable + 1, 2) }
                if outcome.initialize.contains(index) { calls = InterruptCalls(isInitialized: true) }
                if outcome.startUp.contains(index) { calls.startUpVector = outcome.startUpVector }
            }
            processor.signals.interruptsChanged.store(true, ordering: .releasing)
            if processor !== caller { processor.kick() }
        }
    }
}
