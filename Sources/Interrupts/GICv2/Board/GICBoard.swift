// A GICv2 wired into a machine: the controller, a timer for each processor where the processors have none of their own,
// and on x86, whose processors are started by local APICs otherwise, a page to start them with.
//
// The board for x86 guests (this module's README, "GICv2 on x86"): nIRQ is the processor's INTR, which it takes as vector
// 32 for as long as the input is asserted; nFIQ rising is an NMI. Every page shows each processor its own.

import Primitives

/// The interrupt hardware of a machine with a GIC.
package struct GICBoard: Sendable {
    package struct Configuration: Hashable, Sendable {
        package var gic = GICv2.Configuration.kvm
        package var placement = GICv2.Placement.x86
        /// Where the timers' frames are; nil where the processors have timers.
        package var timers: PhysicalAddress?
        /// Where processors are started; nil where firmware does it.
        package var starter: PhysicalAddress?
        /// Devices are a PC's, and their lines are GSIs; else their lines are inputs of the GIC.
        package var hasPCDevices = true

        package init() {}

        package static func x86(processors: Int) -> Self {
            var configuration = Self()
            configuration.gic.processors = processors
            configuration.timers = PhysicalAddress(0xfd02_0000)
            configuration.starter = PhysicalAddress(0xfd03_0000)
            return configuration
        }

        package static func arm64(processors: Int) -> Self {
            var configuration = Self()
            configuration.gic.processors = processors
            configuration.gic.interrupts = Int(ArmBoard.interruptCount)
            configuration.placement = .arm64
            configuration.hasPCDevices = false
            return configuration
        }
    }

    /// The vector by which an x86 processor takes its IRQ input.
    package static let vector: UInt8 = 32
    /// The virtual timer's PPI.
    package static let timerLine = 27
    /// The console UART's SPI, and the real-time clock's.
    package static let consoleLine = 33
    package static let clockLine = 34
    /// Those of virtio devices, in the order of `PCBoard.virtio`.
    package static let firstVirtioLine = 48

    package let configuration: Configuration
    package var gic: GICv2
    package private(set) var timers: [GenericTimer]
    /// The processors that have been started through the page.
    private var started = ProcessorSet(0)
    /// When `advance` must be called next, in nanoseconds of `ModelTime`; nil while no timer runs.
    package private(set) var nextDeadline: UInt64?
    /// Interrupts whose handlers a debugger waits for.
    package var caught: Set<Int> = []
    /// One of them is being delivered to its handler.
    private var arrival: InterruptEvent?

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        gic = GICv2(configuration.gic)
        timers = configuration.timers == nil ? [] : gic.interfaces.map { _ in GenericTimer() }
    }

    /// A machine reset.
    package mutating func reset(at now: ModelTime) -> InterruptOutcome {
        var out = InterruptOutcome()
        started = ProcessorSet(0)
        for cpu in timers.indices {
            timers[cpu] = GenericTimer()
            drive(cpu, at: now, &out)
        }
        join(gic.reset(at: now), &out)
        return out
    }

    // MARK: The processor's side

    /// What an x86 processor is asked to take.
    package func pending(_ cpu: Int) -> PendingInterrupt? { gic.irq.contains(cpu) ? .vector(Self.vector) : nil }

    /// An x86 processor takes its IRQ input: the GIC learns of it when the handler reads GICC_IAR.
    package mutating func acknowledge(_ cpu: Int, at now: ModelTime) -> (vector: UInt8?, outcome: InterruptOutcome) {
        if let shown = gic.signalled(cpu), caught.contains(shown.INTID) {
            arrival =
                arrival ?? InterruptEvent(.deliver, .line(shown.INTID), processor: cpu, vector: Self.vector, at: now)
        }
        return (Self.vector, InterruptOutcome())
    }

    /// An interrupt that is being delivered to a handler that a debugger waits for; each is given once.
    package mutating func takeArrival() -> InterruptEvent? {
        defer { arrival = nil }
        return arrival
    }

    // MARK: Time

    package mutating func advance(to now: ModelTime) -> InterruptOutcome {
        var out = InterruptOutcome()
        expire(at: now, &out)
        return out
    }

    private mutating func expire(at now: ModelTime, _ out: inout InterruptOutcome) {
        guard let nextDeadline, nextDeadline <= now.nanoseconds else { return }
        for cpu in timers.indices { drive(cpu, at: now, &out) }
    }

    /// Gives a timer's output to its line, and looks for the nearest deadline anew.
    private mutating func drive(_ cpu: Int, at now: ModelTime, _ out: inout InterruptOutcome) {
        join(gic.setLine(Self.timerLine, cpu: cpu, timers[cpu].output(at: now), at: now, cause: .timer), &out)
        nextDeadline = timers.compactMap { $0.deadline(after: now) }.min()
    }

    // MARK: Lines

    /// A device raises or lowers an input; of a PPI, processor `cpu`'s.
    package mutating func setLine(
        _ id: Int, cpu: Int = 0, _ level: Bool, at now: ModelTime, cause: InterruptEvent.Cause = .line
    ) -> InterruptOutcome {
        var out = InterruptOutcome()
        expire(at: now, &out)
        join(gic.setLine(id, cpu: cpu, level, at: now, cause: cause), &out)
        return out
    }

    package mutating func pulseLine(
        _ id: Int, cpu: Int = 0, at now: ModelTime, cause: InterruptEvent.Cause = .line
    ) -> InterruptOutcome {
        var out = InterruptOutcome()
        expire(at: now, &out)
        join(gic.pulseLine(id, cpu: cpu, at: now, cause: cause), &out)
        return out
    }

    /// Anything else that is done to the controller.
    package mutating func change(_ body: (inout GICv2) -> InterruptOutcome) -> InterruptOutcome {
        var out = InterruptOutcome()
        join(body(&gic), &out)
        return out
    }

    // MARK: Accesses

    /// Processor `cpu` reads `size` bytes; nil for an address that is not the board's.
    package mutating func readMemory(
        _ address: PhysicalAddress, size: Int, _ cpu: Int, at now: ModelTime
    ) -> InterruptOutcome? {
        var out = InterruptOutcome()
        expire(at: now, &out)
        if let answer = gic.readMemory(address, size: size, cpu, configuration.placement, at: now) {
            join(answer, &out)
        } else if let offset = offset(address, in: configuration.timers) {
            out.value = readTimer(offset, size, cpu, at: now)
        } else if let offset = offset(address, in: configuration.starter) {
            out.value = isStarted(offset >> 2) ? 1 : 0
        } else {
            return nil
        }
        return out
    }

    /// Processor `cpu` writes `size` bytes; nil for an address that is not the board's.
    package mutating func writeMemory(
        _ value: UInt64, _ address: PhysicalAddress, size: Int, _ cpu: Int, at now: ModelTime
    ) -> InterruptOutcome? {
        var out = InterruptOutcome()
        expire(at: now, &out)
        if let answer = gic.writeMemory(value, address, size: size, cpu, configuration.placement, at: now) {
            join(answer, &out)
        } else if let offset = offset(address, in: configuration.timers) {
            writeTimer(value, offset, size, cpu, at: now, &out)
        } else if let offset = offset(address, in: configuration.starter) {
            start(offset >> 2, at: UInt8(truncatingIfNeeded: value), &out)
        } else {
            return nil
        }
        return out
    }

    private func offset(_ address: PhysicalAddress, in page: PhysicalAddress?) -> Int? {
        guard let page, address.rawValue &- page.rawValue < UInt64(GenericTimer.frameSize) else { return nil }
        return Int(address.rawValue - page.rawValue)
    }

    /// Aligned accesses of 32 bits, and of 64 to the pairs; others read 0 and write nothing.
    private func readTimer(_ offset: Int, _ size: Int, _ cpu: Int, at now: ModelTime) -> UInt64 {
        words(offset, size).reduce(0) { value, word in
            guard let register = GenericTimer.Register(rawValue: word) else { return value }
            return value | UInt64(timers[cpu].read(register, at: now)) << UInt64((word - offset) * 8)
        }
    }

    private mutating func writeTimer(
        _ value: UInt64, _ offset: Int, _ size: Int, _ cpu: Int, at now: ModelTime, _ out: inout InterruptOutcome
    ) {
        for word in words(offset, size) {
            guard let register = GenericTimer.Register(rawValue: word) else { continue }
            let part = UInt32(truncatingIfNeeded: value >> UInt64((word - offset) * 8))
            timers[cpu].write(part, to: register, at: now)
        }
        drive(cpu, at: now, &out)
    }

    private func words(_ offset: Int, _ size: Int) -> StrideTo<Int> {
        stride(from: offset, to: size >= 4 && offset % size == 0 ? offset + size : offset, by: 4)
    }

    /// The word at `4 * cpu` of the page: processor `cpu` begins in real mode at `page << 12`, as by a start-up message
    /// (Intel SDM volume 3, section 9.4); one that runs already does not hear it.
    private mutating func start(_ cpu: Int, at page: UInt8, _ out: inout InterruptOutcome) {
        guard gic.interfaces.indices.contains(cpu), !isStarted(cpu) else { return }
        started.insert(cpu)
        out.startUp.insert(cpu)
        out.startUpVector = page
    }

    private func isStarted(_ cpu: Int) -> Bool { gic.interfaces.indices.contains(cpu) && started.contains(cpu) }

    /// Adds what the GIC came to. An FIQ input that rises is an NMI; one that stays is not another.
    private func join(_ new: InterruptOutcome, _ out: inout InterruptOutcome) {
        out.value = new.value
        out.irq = new.irq
        out.fiq = new.fiq
        let rises = new.wake.rawValue & new.fiq.rawValue & new.changed.rawValue
        out.nonMaskable.rawValue |= rises
        out.wake.rawValue |= new.wake.rawValue
        out.changed.rawValue |= new.changed.rawValue
    }
}
