import Debugger
import Devices
import Interrupts
import KVM
import Primitives

/// A PC's interrupt controllers, all built in: `--irqchip apic`.
final class BuiltInPC: PCController {
    unowned let machine: VirtualMachine
    private(set) var model: InterruptModel?

    init(of machine: VirtualMachine) { self.machine = machine }

    func answers(_ entries: [CPUIDEntry]) -> [CPUIDEntry] {
        offer(entries, localAPIC: machine.capabilities.localAPICFeatures)
    }

    let filteredRegisters = [LocalAPIC.baseRegister, LocalAPIC.deadlineRegister]

    func connect() throws(KVMError) { model = try .pc(of: machine, hasLocalAPICs: true) }

    // MARK: - A vCPU's guest

    func write(_ value: UInt64, _ address: PhysicalAddress, size: Int, by processor: Processor) -> Access? {
        changeLocal(of: processor) { $0.writeMemory(value, address, size: size, processor.index, at: $1) }.map { _ in
            Access()
        }
    }

    func access(register: UInt32, writing value: UInt64?, by processor: Processor) -> InterruptOutcome? {
        guard PCInterruptController.isRegister(register) else { return nil }
        let isDeadline = register == LocalAPIC.deadlineRegister
        let outcome = changeLocal(of: processor, timeStamp: isDeadline && value != nil) {
            $0.access(register, writing: value, processor.index, at: $1)
        }
        guard let outcome else { return nil }
        processor.vcpu.answerRegister(outcome.isFault ? nil : outcome.value)
        if value != nil, register == LocalAPIC.baseRegister, !outcome.isFault { processor.offerLocalAPIC() }
        return outcome
    }

    /// Does what may change the task priority register: the vCPU's CR8 follows.
    private func changeLocal(
        of processor: Processor, timeStamp: Bool = false,
        _ body: (inout PCInterruptController, ModelTime) -> InterruptOutcome?
    ) -> InterruptOutcome? {
        var priority: UInt8 = 0
        let outcome = model!.change(by: processor, timeStamp: timeStamp) { controllers, now in
            let outcome = body(&controllers.pc!, now)
            priority = controllers.pc!.cr8(processor.index)
            return outcome
        }
        if outcome != nil { processor.followTaskPriority(priority) }
        return outcome
    }

    func adoptTaskPriority(of processor: Processor) {
        let priority = processor.vcpu.taskPriority
        guard priority != processor.delivery.taskPriority else { return }
        model!.change(by: processor) { $0.pc!.setCR8(priority, processor.index, at: $1) }
        processor.followTaskPriority(priority)
    }

    func isInService(_ vector: UInt8, on processor: Processor) throws(KVMError) -> Bool {
        model!.look { $0.pc!.pics.isInService(vector) || $0.pc!.locals[processor.index].inService.contains(vector) }
    }

    func mayWakeUnmaskably(_ processor: Processor) throws(KVMError) -> Bool {
        if processor.hasCalls { return true }
        let pc = model!.pcState()
        return reachesUnmaskably(processor, pc, countsTime: pc.pit.due != nil)
    }

    // MARK: - The debugger

    func state() throws(Refusal) -> PCInterruptController { model!.look { $0.pc! } }

    func view() throws(Refusal) -> InterruptView {
        let now = model!.moment(on: nil)
        return InterruptView(try state(), facts: machine.processorFacts, now: now, record: .everything)
    }

    func applyInKernel(_ change: PCInterruptController.Change) throws(Refusal) -> Bool? { nil }

    func register(_ number: UInt32, writing value: UInt64?, of processor: Processor) throws(Refusal) -> UInt64? {
        var priority: UInt8 = 0
        let outcome = model!.change(timeStamp: true) { controllers, now in
            // What is refused here is no mistake of the guest's.
            let warnings = controllers.journal.warnings
            defer { controllers.journal.warnings = warnings }
            let outcome = controllers.pc!.access(number, writing: value, processor.index, at: now)
            priority = controllers.pc!.cr8(processor.index)
            return outcome
        }
        guard let outcome else { return nil }
        guard !outcome.isFault else { throw Refusal("the local APIC does not accept this in its present mode") }
        if value != nil {
            processor.followTaskPriority(priority)
            processor.showTaskPriority()
            if number == LocalAPIC.baseRegister { processor.offerLocalAPIC() }
        }
        return outcome.value
    }
}

extension PCInterruptController {
    /// Reads a model-specific register of processor `cpu`'s local APIC, or writes `value`; nil for another register.
    fileprivate mutating func access(
        _ register: UInt32, writing value: UInt64?, _ cpu: Int, at now: ModelTime
    ) -> InterruptOutcome? {
        if let value { return writeRegister(register, value, cpu, at: now) }
        return readRegister(register, cpu, at: now)
    }
}

extension HostDebugCapabilities {
    /// What the built-in local APICs have: both take that accesses to MSRs can be answered.
    var localAPICFeatures: LocalAPIC.Features {
        var features = LocalAPIC.Features()
        features.hasX2APIC = filtersRegisters
        features.hasDeadlineTimer = filtersDeadline
        return features
    }
}
