import Architecture
import Debugger
import Host
import KVM
import Primitives
import Synchronization

/// Finds out when no vCPU will ever run again: all halted with interrupts off, switched off, or never started; and when
/// one does nothing but take exceptions.
///
/// With the interrupt controller in the kernel a HLT does not exit, and the kernel does not report it. So the vCPUs are
/// called out of the guest now and then, and each that sleeps looks whether it could still be woken. One that sleeps
/// with interrupts off is woken only by another processor; when there is no such other, it is over.
final class HaltWatch: Sendable {
    /// Milliseconds between looks. What costs is one call of each vCPU, about 100 microseconds.
    enum Interval: Int {
        case ordinary = 500
        /// While the guest may move handlers that are watched, or map breakpoints elsewhere.
        case following = 20
        /// While halts are caught.
        case close = 2
    }

    private let interval = Atomic<Int>(Interval.ordinary.rawValue)
    /// The interval from the next look on: a client that takes its breakpoints out at each stop wakes the watch once.
    private let next = Atomic<Int>(Interval.ordinary.rawValue)
    private enum Call { case sleep, look, end }

    private let call = Condition(Call.sleep)
    private let asks = Atomic<Bool>(false)

    /// The watch's thread.
    func live(_ machine: VirtualMachine) {
        while wait() {
            asks.store(true, ordering: .releasing)
            let moving = machine.gate.moving
            for processor in machine.processors
            where moving.contains(processor.index) || processor.signals.mayBeStuck.load(ordering: .relaxed) {
                processor.kick()
            }
        }
    }

    /// Sleeps until it is time to look; false at the end.
    private func wait() -> Bool {
        let answer = call.wait(milliseconds: interval.load(ordering: .relaxed)) { call -> Call? in
            defer { if call == .look { call = .sleep } }
            return call == .sleep ? nil : call
        }
        if answer == nil { adoptNext() }
        return answer != .end
    }

    /// `look` may change it at the same moment, and has then seen the interval of before.
    private func adoptNext() {
        var adopted: Int
        repeat {
            adopted = next.load(ordering: .sequentiallyConsistent)
            interval.store(adopted, ordering: .sequentiallyConsistent)
        } while next.load(ordering: .sequentiallyConsistent) < adopted
    }

    /// From now on looks that often.
    func look(every new: Interval) {
        next.store(new.rawValue, ordering: .sequentiallyConsistent)
        guard interval.load(ordering: .sequentiallyConsistent) > new.rawValue else { return }
        interval.store(new.rawValue, ordering: .sequentiallyConsistent)
        call.update { if $0 == .sleep { $0 = .look } }
    }

    func quit() { call.update { $0 = .end } }

    /// On a vCPU's own thread, after it was called: the stop if this was the last one that could have run.
    func examine(_ processor: Processor) throws(KVMError) -> StopEvent? {
        guard asks.load(ordering: .acquiring) else { return nil }
        let sleeps: Bool
        switch try processor.activity() {
        case .halted:
            try processor.fetchRegisters()
            let mayWake =
                X86.takesInterrupts(processor.registers)
                ? true : try processor.machine.interruptController.mayWakeUnmaskably(processor)
            sleeps = !mayWake
        case .uninitialized, .initReceived, .stopped: sleeps = true
        case .runnable, .startupReceived:
            if let event = try processor.exceptionLoop() { return event }
            sleeps = false
        }
        processor.signals.isHaltedForGood.store(sleeps, ordering: .sequentiallyConsistent)
        guard sleeps else { return nil }
        let machine = processor.machine
        // Those that are stopped may be resumed by themselves in non-stop mode, and otherwise not before the next stop.
        guard let movers = machine.gate.allMovers else { return nil }
        let all = movers.sorted().map { machine.processors[$0] }
        guard !machine.runState.reportsEachStop || all.count == machine.processors.count,
            all.allSatisfy({ $0.signals.isHaltedForGood.load(ordering: .sequentiallyConsistent) })
        else { return nil }
        // One may have been started since it was looked at.
        let activities = try processor.whileOthersWait { () throws(KVMError) in
            var activities: [VCPU.Activity] = []
            for processor in all { activities.append(try processor.activity()) }
            return activities
        }
        if activities.contains(where: { $0 == .runnable || $0 == .startupReceived }) { return nil }
        // Or another has sent it an NMI or INIT, which it has not seen yet.
        if all.contains(where: \.hasCalls) { return nil }
        guard let halted = activities.firstIndex(of: .halted) else {
            return StopEvent(
                .haltedForGood, on: processor.index,
                explanation: "vCPU \(processor.index) is off for good: no other processor runs that could start it")
        }
        return StopEvent(
            .haltedForGood, on: all[halted].index,
            explanation: "vCPU \(all[halted].index) halted for good: interrupts are off, and no other processor runs")
    }
}

extension Processor {
    /// The stop for a vCPU that is behind its HLT or WFI, which `monitor catch hlt` asks for.
    var haltEvent: StopEvent {
        StopEvent(
            .caught, on: index,
            explanation: "vCPU \(index) halted at \(haltAddress)"
                + (machine.architecture.takesInterrupts(registers) ? "" : " with interrupts off"))
    }
}
