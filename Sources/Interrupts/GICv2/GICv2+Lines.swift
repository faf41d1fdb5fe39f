// What makes interrupts pending: the inputs, and software generated interrupts (Arm IHI 0048B, sections 3.2.3 and
// 4.3.15).

import Primitives

extension GICv2 {
    /// Whether a device can have this interrupt's input: PPIs and SPIs.
    package func isWired(_ id: Int) -> Bool { (16..<configuration.interrupts).contains(id) }

    /// A device, or a debugger, raises or lowers the input of `id`; of a PPI, processor `cpu`'s. The input is high while
    /// one of the two holds it. Several devices on one input are the caller's to combine. Nothing happens where there is
    /// no such input.
    package mutating func setLine(
        _ id: Int, cpu: Int = 0, _ level: Bool, at now: ModelTime, cause: InterruptEvent.Cause = .line
    ) -> InterruptOutcome {
        var out = InterruptOutcome()
        guard isWired(id), interfaces.indices.contains(cpu) else { return finish(out) }
        let row = distributor.row(id >> 5, cpu)
        let bit = id & 31
        if cause == .debugger {
            raised.byDebugger[row][bit: bit] = level
        } else {
            raised.byDevice[row][bit: bit] = level
        }
        drive(id, cpu, raised.byDebugger[row][bit: bit] || raised.byDevice[row][bit: bit], cause, at: now, &out)
        return finish(out)
    }

    /// Whether a device holds the input of `id` up.
    func isRaisedByDevice(_ id: Int, _ cpu: Int) -> Bool { distributor.bit(raised.byDevice, id, cpu) }

    /// One edge: up and down again, or down and up again where it was high.
    package mutating func pulseLine(
        _ id: Int, cpu: Int = 0, at now: ModelTime, cause: InterruptEvent.Cause = .line
    ) -> InterruptOutcome {
        var out = InterruptOutcome()
        guard isWired(id), interfaces.indices.contains(cpu) else { return finish(out) }
        let level = distributor.state(id, cpu).isLineHigh
        drive(id, cpu, !level, cause, at: now, &out)
        drive(id, cpu, level, cause, at: now, &out)
        return finish(out)
    }

    /// Makes the input's level `level`.
    private mutating func drive(
        _ id: Int, _ cpu: Int, _ level: Bool, _ cause: InterruptEvent.Cause, at now: ModelTime,
        _ out: inout InterruptOutcome
    ) {
        let row = distributor.row(id >> 5, cpu)
        let bit: UInt32 = 1 << UInt32(id & 31)
        guard (distributor.line[row] & bit != 0) != level else { return }
        let processor = id < 32 ? cpu : nil
        journal.record(InterruptEvent(level ? .raise : .lower, .line(id), processor: processor, cause: cause, at: now))
        if level {
            distributor.line[row] |= bit
            if distributor.edge[row] & bit != 0 {
                if distributor.latch[row] & bit != 0 {
                    journal.record(
                        InterruptEvent(.coalesce, .line(id), processor: processor, cause: cause, at: now))
                }
                distributor.latch[row] |= bit
            }
        } else {
            distributor.line[row] &= ~bit
            endsWhileHigh[distributor.slot(id, cpu)] = 0
        }
        recordPending(row, cause: cause, at: now)
        updateOutputs(row, at: now, &out)
    }

    // MARK: Software generated interrupts

    /// The receivers of a write to GICD_SGIR by `sender`; nil for a filter that means none.
    func targets(ofSGI word: UInt32, from sender: Int) -> UInt8? {
        let all = UInt8.mask(configuration.processors)
        switch word >> 24 & 3 {
        case 0: return UInt8(truncatingIfNeeded: word >> 16) & all
        case 1: return all & ~(1 << UInt8(sender))
        case 2: return 1 << UInt8(sender)
        default: return configuration.has(.reservedFilterMeansAll) ? all : nil
        }
    }

    /// SGI `id` of each processor in `sources` becomes pending at processor `cpu`.
    mutating func pend(
        sgi id: Int, from sources: UInt8, to cpu: Int, _ cause: InterruptEvent.Cause, at now: ModelTime,
        _ out: inout InterruptOutcome
    ) {
        guard sources != 0 else { return }
        let before = distributor.sources[cpu << 4 | id]
        for source in 0..<8 where sources >> UInt8(source) & 1 != 0 {
            if before >> UInt8(source) & 1 != 0 {
                journal.record(InterruptEvent(.coalesce, .line(id), processor: cpu, cause: cause, at: now))
            } else {
                pend(id, place(id, cpu, source: source), cpu, cause, at: now)
            }
        }
        distributor.sources[cpu << 4 | id] = before | sources
        distributor.latch[cpu] |= 1 << UInt32(id)
        recordPending(cpu, cause: cause, at: now)
        updateOutputs(of: cpu, at: now, &out)
    }

    /// Takes back SGI `id` of each processor in `sources` from processor `cpu`: whether any waited.
    @discardableResult
    mutating func clear(
        sgi id: Int, from sources: UInt8, to cpu: Int, _ cause: InterruptEvent.Cause, at now: ModelTime,
        _ out: inout InterruptOutcome
    ) -> Bool {
        let before = distributor.sources[cpu << 4 | id]
        let gone = before & sources
        guard gone != 0 else { return false }
        for _ in 0..<gone.nonzeroBitCount {
            journal.record(InterruptEvent(.drop, .line(id), processor: cpu, cause: cause, at: now))
        }
        distributor.sources[cpu << 4 | id] = before & ~sources
        if before & ~sources == 0 { distributor.latch[cpu] &= ~(1 << UInt32(id)) }
        recordPending(cpu, cause: cause, at: now)
        updateOutputs(of: cpu, at: now, &out)
        return true
    }
}
