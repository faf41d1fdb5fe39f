import Host
import Interrupts
import KVM
import Primitives
import Synchronization

/// The built-in GICv2 of an arm64 machine whose KVM has no interrupt controller for it (KVM_CAP_ARM_USER_IRQ): the
/// model behind a lock. Its outputs go to the vCPUs' IRQ and FIQ inputs by KVM_IRQ_LINE, which also wakes one that
/// waits; the levels of the processors' own devices come with their exits.
final class ArmInterruptModel: Sendable {
    private let state: Mutex<GICv2>
    private unowned let machine: VirtualMachine

    /// The private interrupts of a processor's own devices (Arm BSA, section 3.8.1).
    private static let deviceInterrupts: [(device: DeviceInterrupts, number: Int)] = [
        (.performanceMonitor, 23), (.virtualTimer, 27), (.physicalTimer, 30),
    ]

    init(of machine: VirtualMachine) {
        var configuration = GICv2.Configuration()
        configuration.processors = machine.configuration.processorCount
        configuration.interrupts = Int(ArmBoard.interruptCount)
        state = Mutex(GICv2(configuration))
        self.machine = machine
    }

    /// Looks at the controller, or changes what has no consequence.
    func look<R>(_ body: (inout sending GICv2) -> sending R) -> R { state.withLock { body(&$0) } }

    /// Does something to the controller, and what follows from it to the vCPUs; nil where `body` gives nil.
    @discardableResult
    func change(
        by processor: Processor? = nil, _ body: (inout sending GICv2, Moment) -> InterruptOutcome?
    ) throws(KVMError) -> InterruptOutcome? {
        let now = Moment(nanoseconds: Clock.monotonic)
        // The inputs follow with the lock held, so that no two changes pass each other on the way.
        let result = state.withLock { gic -> Result<InterruptOutcome?, KVMError> in
            guard let outcome = body(&gic, now) else { return .success(nil) }
            do throws(KVMError) {
                for index in outcome.changed {
                    try set(index, isFast: false, outcome.irq.contains(index))
                    try set(index, isFast: true, outcome.fiq.contains(index))
                }
            } catch {
                return .failure(error)
            }
            return .success(outcome)
        }
        return try result.get()
    }

    private func set(_ index: Int, isFast: Bool, _ level: Bool) throws(KVMError) {
        try machine.vm.setInterruptLine(ArmInterruptLine.processor(index, isFast: isFast).number, level)
    }

    /// After an exit of `processor`: its timers and its performance monitor as they are now.
    func follow(_ processor: Processor) throws(KVMError) {
        let levels = processor.vcpu.deviceInterrupts
        guard levels != processor.deviceLevels else { return }
        let changed = levels.symmetricDifference(processor.deviceLevels)
        processor.deviceLevels = levels
        for (device, number) in Self.deviceInterrupts where changed.contains(device) {
            try change(by: processor) { $0.setLine(number, cpu: processor.index, levels.contains(device), at: $1) }
        }
    }

    /// A machine reset.
    func reset() throws(KVMError) { try change { $0.reset(at: $1) } }
}
