import Architecture
import Debugger
import Devices
import Interrupts
import KVM
import Primitives

// A vCPU whose local APIC is the built-in model: before each entry it takes what waits for it, and where there is nothing
// to run it sleeps here (Documentation/virt/kvm/api.rst, KVM_INTERRUPT). Where the kernel has the local APICs, all that is
// left is what the 8259 pair has for the boot processor: KVM_INTERRUPT brings it to LINT0, and the run page tells whether
// that lets it through.
extension Processor {
    /// Whether its local APIC is the kernel's.
    var hasKernelAPIC: Bool { machine.configuration.interruptController.localAPICs == .kernel }

    /// Whether it is the model's. With a GIC it has none.
    var hasModelledAPIC: Bool { machine.configuration.interruptController.localAPICs == .builtIn }

    /// What the vCPU does, whoever knows: KVM, or this program where it has the local APIC.
    func activity() throws(KVMError) -> VCPU.Activity {
        if hasKernelAPIC || machine.architecture == .arm64 { return try vcpu.activity() }
        return delivery.activity
    }

    func setActivity(_ activity: VCPU.Activity) throws(KVMError) {
        if hasKernelAPIC { return try vcpu.setActivity(activity) }
        delivery.activity = activity
    }

    /// Makes the vCPU ready to run, however long that takes; an outcome where the machine wants something else first.
    func makeReadyX86(_ stepping: Stepping) throws(KVMError) -> Outcome? {
        guard let model = machine.model else { return nil }
        while true {
            if !hasKernelAPIC {
                if let outcome = try takeCalls() { return outcome }
            }
            if let hit = model.takeHit() { return .stop(tell(of: hit)) }
            if delivery.activity == .runnable || delivery.activity == .halted { try takeInterrupt(model, stepping) }
            if delivery.activity == .runnable { return nil }
            signals.kick.withLock { $0 }?.sleep()
            switch try interrupted() {
            case .goOn, .pass: continue
            case let outcome: return outcome
            }
        }
    }

    /// The stop for an event that was waited for, on the vCPU that sees it first.
    func tell(of event: InterruptEvent) -> StopEvent {
        let what =
            switch event.kind {
            case .pend: "became pending"
            case .endOfInterrupt: "was ended by the guest"
            // A PC's processor takes the vector then; on a GIC the handler runs already.
            case .acknowledge where machine.configuration.interruptController.localAPICs == .none: "was acknowledged"
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

    /// Gives the model the CR8 that the guest has written without an exit: after every exit, so that each read of TPR and
    /// PPR, each write of TPR and each choice of an interrupt finds it.
    func adoptTaskPriority() {
        guard hasModelledAPIC else { return }
        let priority = vcpu.taskPriority
        guard priority != delivery.taskPriority else { return }
        delivery.taskPriority = priority
        machine.model?.change(by: self) { $0.pc?.setCR8(priority, index, at: $1) }
        signals.interruptsChanged.store(true, ordering: .relaxed)
    }

    /// What is not an interrupt: INIT, start-up, NMI. INIT sends the boot processor to its firmware, which begins anew:
    /// without any, that is the machine's reset.
    private func takeCalls() throws(KVMError) -> Outcome? {
        guard signals.interruptsChanged.load(ordering: .acquiring) else { return nil }
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
        // In an NMI's own handler the next one is pending, and HLT goes on.
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
        try machine.snapshot.initialize(self)
        resetInterrupts()
        offerLocalAPIC()
    }

    /// CPUID.1:EDX.APIC follows the enable bit of IA32_APIC_BASE (Intel SDM volume 3, section 11.4.3): KVM does that by its
    /// own copy, and the guest's accesses do not reach it.
    private func offerLocalAPIC() {
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
        if signals.interruptsChanged.exchange(false, ordering: .acquiringAndReleasing) {
            delivery.mayHavePending = true
        }
        let followsPriority = missesLoweredPriority && !stepping.isSingle && !isPassing
        guard delivery.mayHavePending else { return vcpu.requestInterruptWindow(followsPriority) }
        let holds = isPassing || stepping.isSingle && machine.arrangement.stepsHoldInterrupts
        guard !holds, delivery.queuedVector != nil || model.look({ $0.pending(index) }) != nil else {
            if !holds { delivery.mayHavePending = false }
            return vcpu.requestInterruptWindow(followsPriority)
        }
        // Halted it can always take one: HLT shadows nothing. Registers or events that were replaced since the exit
        // make the page's answer old: the window's exit has a new one.
        let accepts = delivery.activity == .halted ? takesInterrupts : vcpu.acceptsInterrupt && !sync.isPageStale
        guard accepts, !delivery.isInjected else { return vcpu.requestInterruptWindow(delivery.activity == .runnable) }
        guard let taken = model.acknowledge(delivery.queuedVector, by: self) else { return }
        if let hit = model.takeHit() ?? taken.caught { delivery.caught = hit }
        delivery.queuedVector = try vcpu.interrupt(taken.vector) ? nil : taken.vector
        delivery.isInjected = true
        delivery.activity = .runnable
        if hasModelledAPIC {
            delivery.taskPriority = taken.taskPriority
            vcpu.taskPriority = taken.taskPriority
        }
        let more = delivery.queuedVector != nil || taken.isMorePending
        delivery.mayHavePending = more
        vcpu.requestInterruptWindow(more || followsPriority)
    }

    /// A KVM that emulates kernel mode does not exit when the guest lowers CR8 (KVM_EXIT_SET_TPR). While CR8 holds
    /// interrupts back, the window's exits, one for each of its batches of instructions, show what it is now.
    private var missesLoweredPriority: Bool {
        delivery.taskPriority != 0 && hasModelledAPIC && machine.capabilities.emulatesKernelMode
    }

    /// RFLAGS.IF.
    private var takesInterrupts: Bool {
        sync.isPageStale ? X86.takesInterrupts(registers) : vcpu.interruptsEnabled
    }

    // MARK: - Accesses

    /// A read of an interrupt controller's page; nil where there is none.
    func readController(_ address: PhysicalAddress, size: Int) -> Access? {
        machine.model?.change(by: self) { $0.readMemory(address, size: size, index, at: $1) }.map {
            Access(value: $0.value)
        }
    }

    func writeController(_ address: PhysicalAddress, _ value: UInt64, size: Int) -> Access? {
        guard let model = machine.model,
            model.change(by: self, { $0.writeMemory(value, address, size: size, index, at: $1) }) != nil
        else { return nil }
        if hasModelledAPIC { followPriority(model) }
        return Access()
    }

    /// The guest wrote the task priority register, or something that may have.
    private func followPriority(_ model: InterruptModel) {
        let priority = model.look { $0.cr8(index) }
        guard priority != delivery.taskPriority else { return }
        delivery.taskPriority = priority
        vcpu.taskPriority = priority
        signals.interruptsChanged.store(true, ordering: .relaxed)
    }

    /// A port of the 8259 pair or the 8254: the value of a read.
    func accessController(port: UInt16, writing value: UInt8?) -> UInt8? {
        let outcome = machine.model?.change(by: self) {
            if let value { return $0.pc?.writePort(port, value, at: $1) }
            return $0.pc?.readPort(port, at: $1)
        }
        return outcome.map { UInt8(truncatingIfNeeded: $0.value) }
    }

    /// The same for the debugger: nil for what is no register of the local APIC's.
    func controllerRegister(_ register: UInt32, writing value: UInt64?) throws(Refusal) -> UInt64? {
        guard hasModelledAPIC, let model = machine.model else { return nil }
        let outcome = model.change(timeStamp: true) { controllers, now in
            // What is refused here is no mistake of the guest's.
            let warnings = controllers.journal.warnings
            defer { controllers.journal.warnings = warnings }
            if let value { return controllers.pc?.writeRegister(register, value, index, at: now) }
            return controllers.pc?.readRegister(register, index, at: now)
        }
        guard let outcome else { return nil }
        guard !outcome.isFault else { throw Refusal("the local APIC does not accept this in its present mode") }
        if value != nil {
            followPriority(model)
            showTaskPriority()
            if register == LocalAPIC.baseRegister { offerLocalAPIC() }
        }
        return outcome.value
    }

    /// A model-specific register of the local APIC: answers the access, where it is one.
    func accessController(register: UInt32, writing value: UInt64?) -> InterruptOutcome? {
        guard hasModelledAPIC, let model = machine.model, PCInterruptController.isRegister(register) else { return nil }
        let isDeadline = register == LocalAPIC.deadlineRegister
        let outcome = model.change(by: self, timeStamp: isDeadline && value != nil) {
            if let value { return $0.pc?.writeRegister(register, value, index, at: $1) }
            return $0.pc?.readRegister(register, index, at: $1)
        }
        guard let outcome else { return nil }
        vcpu.answerRegister(outcome.isFault ? nil : outcome.value)
        if value != nil { followPriority(model) }
        if value != nil, register == LocalAPIC.baseRegister, !outcome.isFault { offerLocalAPIC() }
        return outcome
    }
}
