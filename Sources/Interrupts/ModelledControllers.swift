// Whichever interrupt controllers a machine has built in, where it does not matter which.

import Primitives

/// The modelled interrupt controllers of a machine: a PC's, or a GIC and what goes with it. One of the two is there.
///
/// Two optionals and no enum, so that either is changed in place.
package struct ModelledControllers: Sendable {
    package var pc: PCInterruptController?
    package var gic: GICBoard?

    package init(_ pc: PCInterruptController) { self.pc = pc }
    package init(_ gic: GICBoard) { self.gic = gic }

    package var journal: InterruptJournal {
        get { pc?.journal ?? gic!.gic.journal }
        _modify {
            if pc != nil { yield &pc!.journal } else { yield &gic!.gic.journal }
        }
    }

    /// When `advance` must be called next, in nanoseconds of `ModelTime`; nil while no timer runs.
    package var nextDeadline: UInt64? { pc != nil ? pc!.nextDeadline : gic!.nextDeadline }

    package mutating func advance(to now: ModelTime) -> InterruptOutcome {
        pc?.advance(to: now) ?? gic!.advance(to: now)
    }

    /// A machine reset.
    package mutating func reset(at now: ModelTime) -> InterruptOutcome {
        guard pc != nil else { return gic!.reset(at: now) }
        pc!.reset(at: now)
        return InterruptOutcome()
    }

    // MARK: The processor's side

    /// What processor `cpu` is asked to take.
    package func pending(_ cpu: Int) -> PendingInterrupt? { pc != nil ? pc!.pending(cpu) : gic!.pending(cpu) }

    /// Processor `cpu` takes its interrupt: the vector.
    package mutating func acknowledge(_ cpu: Int, at now: ModelTime) -> (vector: UInt8?, outcome: InterruptOutcome) {
        pc?.acknowledge(cpu, at: now) ?? gic!.acknowledge(cpu, at: now)
    }

    /// What CR8 of processor `cpu` is to its local APIC; nil where there is none, or the kernel has it.
    package func cr8(_ cpu: Int) -> UInt8? { pc?.configuration.hasLocalAPICs == true ? pc!.cr8(cpu) : nil }

    // MARK: Accesses and lines

    /// Processor `cpu` reads `size` bytes; nil for an address that is not theirs.
    package mutating func readMemory(
        _ address: PhysicalAddress, size: Int, _ cpu: Int, at now: ModelTime
    ) -> InterruptOutcome? {
        pc != nil
            ? pc!.readMemory(address, size: size, cpu, at: now) : gic!.readMemory(address, size: size, cpu, at: now)
    }

    package mutating func writeMemory(
        _ value: UInt64, _ address: PhysicalAddress, size: Int, _ cpu: Int, at now: ModelTime
    ) -> InterruptOutcome? {
        pc != nil
            ? pc!.writeMemory(value, address, size: size, cpu, at: now)
            : gic!.writeMemory(value, address, size: size, cpu, at: now)
    }

    /// A device raises or lowers an input: a GSI, or an INTID; of a PPI, processor `cpu`'s.
    package mutating func setLine(_ line: Int, cpu: Int = 0, _ level: Bool, at now: ModelTime) -> InterruptOutcome {
        pc?.setLine(line, level, at: now) ?? gic!.setLine(line, cpu: cpu, level, at: now)
    }

    /// Low for a moment, then high: an edge. A GIC's input is low again afterwards.
    package mutating func pulseLine(_ line: Int, cpu: Int = 0, at now: ModelTime) -> InterruptOutcome {
        pc?.pulseLine(line, at: now) ?? gic!.pulseLine(line, cpu: cpu, at: now)
    }

    /// The input that a device's line leads to; nil where it is not connected.
    package func input(of line: Int) -> Int? {
        gic?.configuration.hasPCDevices == true ? Self.inputOfGIC(GSI: line) : line
    }

    /// On the board with a GIC: the input that a PC's device of this GSI has; nil for a device that it does not connect.
    package static func inputOfGIC(GSI line: Int) -> Int? {
        switch line {
        case 4: GICBoard.consoleLine
        case 8: GICBoard.clockLine
        default: PCBoard.virtio.firstIndex { $0.interrupt == UInt32(line) }.map { GICBoard.firstVirtioLine + $0 }
        }
    }

    // MARK: What a debugger waits for

    /// Waits for an event of an interrupt, or no more. `.deliver` is its handler's first instruction.
    package mutating func watch(_ line: Int, for event: InterruptEvent.Kind, _ isOn: Bool) {
        switch event {
        case .deliver where gic != nil:
            if isOn { gic!.caught.insert(line) } else { gic!.caught.remove(line) }
        // A PC's processor takes the vector, and with that its handler begins.
        case .deliver: journal.watch(.line(line), for: .acknowledge, isOn)
        default: journal.watch(.line(line), for: event, isOn)
        }
    }

    /// An interrupt that was waited for and that the processor is just taking to its handler.
    package mutating func takeArrival() -> InterruptEvent? {
        gic != nil ? gic!.takeArrival() : nil
    }
}
