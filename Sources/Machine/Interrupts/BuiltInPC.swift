import Debugger
import Interrupts
import KVM

/// A PC's interrupt controllers, all built in: `--irqchip apic`.
final class BuiltInPC: PCController {
    unowned let machine: VirtualMachine
    private(set) var model: InterruptModel?

    init(of machine: VirtualMachine) { self.machine = machine }

    func answers(_ entries: [CPUIDEntry]) -> [CPUIDEntry] {
        offer(entries, localAPIC: machine.capabilities.localAPICFeatures)
    }

    func connect() throws(KVMError) { model = try .pc(of: machine, hasLocalAPICs: true) }

    func state() throws(Refusal) -> PCInterruptController { model!.pcState() }

    func view() throws(Refusal) -> InterruptView {
        let now = model!.moment(on: nil)
        return InterruptView(try state(), facts: machine.processorFacts, now: now, record: .everything)
    }

    func apply(_ change: PCInterruptController.Change) throws(Refusal) -> Bool { model!.apply(change) }

    func mayWakeUnmaskably(_ processor: Processor) throws(KVMError) -> Bool {
        if processor.hasCalls { return true }
        let pc = model!.pcState()
        return reachesUnmaskably(processor, pc, countsTime: pc.pit.due != nil)
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
