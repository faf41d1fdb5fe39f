import Architecture
import Debugger
import Host
import KVM
import Primitives
import Synchronization

/// Finds out when no vCPU will ever run again: all halted with interrupts off, switched off, or never started; and when
/// one does nothing but take exceptions.
///
/// With the interrupt controller in the kernel a HLT does not exit, and the kernel tells nobody. So the vCPUs are
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
        return answer != .end
    }

    /// From now on looks that often.
    func look(every new: Interval) {
        guard interval.exchange(new.rawValue, ordering: .relaxed) > new.rawValue else { return }
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
        // Those that stand still may be sent off by themselves in non-stop mode, and otherwise not before the next stop.
        guard let movers = machine.gate.allMovers else { return nil }
        let all = movers.sorted().map { machine.processors[$0] }
        guard !machine.reportsEach || all.count == machine.processors.count,
            all.allSatisfy({ $0.signals.isHaltedForGood.load(ordering: .sequentiallyConsistent) })
        else { return nil }
        // One may have been started since it was looked at.
        let activities = try processor.undisturbed { () throws(KVMError) in
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
    /// The stop for `monitor catch hlt`, where the kernel puts the vCPU to sleep itself: on its own thread, after it
    /// was called. A sleep that ends between two looks is not seen.
    func caughtHalt() throws(KVMError) -> StopEvent? {
        guard machine.catchesHalts else { return nil }
        switch machine.architecture {
        case .x86_64:
            guard try activity() == .halted else {
                loop.lastHalt = nil
                return nil
            }
            try fetchRegisters()
            guard programCounter != loop.lastHalt else { return nil }
            loop.lastHalt = programCounter
        case .arm64:
            // Of WFI nobody tells: a vCPU that is called wakes, and stands behind it. One request for each look leaves
            // the guest the time to get there: the page tables are taken to be the last stop's, until it is at the same
            // place twice.
            let place = try soleProgramCounter()
            let isThereAgain = place == loop.lastHalt
            loop.lastHalt = isThereAgain ? nil : place
            guard isThereAgain || isBehindWait(place) else { return nil }
            try fetchRegisters()
            guard isBehindWait(place) else { return nil }
        }
        return haltEvent
    }

    private func isBehindWait(_ place: VirtualAddress) -> Bool {
        let length = Arm64Instruction.length
        let bytes = machine.instruction(at: place + -length, count: length, seenBy: self)
        return Arm64Instruction(bytes) == .waitForInterrupt
    }

    /// Where the HLT or WFI is that it stands behind.
    private var haltPlace: VirtualAddress {
        switch machine.architecture {
        case .x86_64: programCounter + -X86Instruction.halt.length
        case .arm64: programCounter + -Arm64Instruction.length
        }
    }

    var haltEvent: StopEvent {
        StopEvent(
            .caught, on: index,
            explanation: "vCPU \(index) halted at \(haltPlace)"
                + (machine.architecture.takesInterrupts(registers) ? "" : " with interrupts off"))
    }
}
