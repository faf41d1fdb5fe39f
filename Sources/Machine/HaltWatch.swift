import Architecture
import Debugger
import Host
import KVM
import Synchronization

/// Finds out when no vCPU will ever run again: all halted with interrupts off, or never started.
///
/// With the interrupt controller in the kernel a HLT does not exit, and the kernel tells nobody. So the vCPUs are
/// called out of the guest now and then, and each that sleeps looks whether it could still be woken. One that sleeps
/// with interrupts off is woken only by another processor; when there is no such other, it is over.
final class HaltWatch: Sendable {
    /// Milliseconds between looks. What costs is one call of each vCPU, about 100 microseconds.
    private static let interval = 500

    private let ended = Condition(false)
    private let asks = Atomic<Bool>(false)

    /// The watch's thread.
    func live(_ machine: VirtualMachine) {
        while ended.wait(milliseconds: Self.interval, until: { $0 ? () : nil }) == nil {
            asks.store(true, ordering: .releasing)
            for processor in machine.gate.moving { machine.processors[processor].kick() }
        }
    }

    func quit() { ended.update { $0 = true } }

    /// On a vCPU's own thread, after it was called: the stop if this was the last one that could have run.
    func examine(_ processor: Processor) throws(KVMError) -> StopEvent? {
        guard asks.load(ordering: .acquiring) else { return nil }
        let sleeps: Bool
        switch try processor.vcpu.activity() {
        case .halted:
            try processor.fetchRegisters()
            sleeps = !X86.takesInterrupts(processor.registers)
        case .uninitialized, .initReceived: sleeps = true
        case .runnable, .startupReceived, .stopped: sleeps = false
        }
        processor.sleepsForGood.store(sleeps, ordering: .sequentiallyConsistent)
        guard sleeps else { return nil }
        let machine = processor.machine
        let all = machine.processors
        guard machine.gate.moving.count == all.count,
            all.allSatisfy({ $0.sleepsForGood.load(ordering: .sequentiallyConsistent) })
        else { return nil }
        let halted = all.first { (try? $0.vcpu.activity()) == .halted } ?? processor
        return StopEvent(
            .haltedForGood, on: halted.index,
            account: "vCPU \(halted.index) halted for good: interrupts are off, and no other processor runs")
    }
}
