// A generic interrupt controller of version 2 (Arm IHI 0048B) as one value: the Distributor, a CPU interface for each
// processor, and the record of interrupts. A machine reports what happens, with the time, and does what
// comes back. It has no timers: nothing happens in it by itself.
//
// The virtualization extensions are in Virtualization. Not modelled: the security extensions, bypass, power management.

import Primitives

/// A whole GIC.
package struct GICv2: Sendable {
    package static let distributorSize = 0x1000
    package static let interfaceSize = 0x2000

    package let configuration: Configuration
    package internal(set) var distributor: Distributor
    package internal(set) var interfaces: [CPUInterface]
    package var journal: InterruptJournal
    /// The processors whose IRQ input, whose FIQ input is asserted.
    package private(set) var irq = ProcessorSet()
    package private(set) var fiq = ProcessorSet()
    /// By place: the processors whose outputs have shown what is pending there.
    private var notified: [UInt8]
    /// What each processor has acknowledged and not ended, as GICC_IAR gave it; the last is the running one.
    package internal(set) var running: [[UInt16]]
    /// It shows the registers of another, which is all that is known of that.
    var isView = false

    /// By row: the inputs that devices hold up, and those that a debugger does.
    var raised: (byDevice: [UInt32], byDebugger: [UInt32])
    /// By slot: how often in a row an interrupt ended with its level still high.
    var endsWhileHigh: [UInt16]

    package init(_ configuration: Configuration = .kvm) {
        self.configuration = configuration
        distributor = Distributor(configuration)
        let count = configuration.processors
        interfaces = (0..<count).map { _ in CPUInterface(configuration) }
        running = [[UInt16]](repeating: [], count: count)
        let places = distributor.priority.count + count << 7
        notified = [UInt8](repeating: 0, count: places)
        raised = (distributor.line, distributor.line)
        endsWhileHigh = [UInt16](repeating: 0, count: distributor.priority.count)
        journal = InterruptJournal(capacity: configuration.traceCapacity, rows: 1, slots: places)
    }

    /// A machine reset. The inputs stay as the devices hold them, those that a debugger raised are let go; what was
    /// recorded stays.
    package mutating func reset(at now: ModelTime) -> InterruptOutcome {
        var out = InterruptOutcome()
        raised.byDebugger = raised.byDebugger.map { _ in 0 }
        distributor.line = raised.byDevice
        distributor.reset()
        for cpu in interfaces.indices {
            interfaces[cpu] = CPUInterface(configuration)
            running[cpu].removeAll(keepingCapacity: true)
        }
        for row in distributor.line.indices { recordPending(row, cause: .line, at: now) }
        updateOutputs(at: now, &out)
        return finish(out)
    }

    mutating func forgetRecord() {
        journal = InterruptJournal(capacity: configuration.traceCapacity, rows: 1, slots: notified.count)
    }

    // MARK: Places in the journal

    /// Where an interrupt waits: one for each PPI and SPI, and for each SGI one for each source.
    func place(_ id: Int, _ cpu: Int, source: Int = 0) -> InterruptPlace {
        let slot = distributor.slot(id, cpu)
        return InterruptPlace(
            row: 0, slot: id < 16 ? distributor.priority.count + (cpu << 4 | id) << 3 + source : slot)
    }

    // MARK: What every call does

    func finish(_ out: InterruptOutcome, value: UInt32 = 0) -> InterruptOutcome {
        var out = out
        out.value = UInt64(value)
        out.irq = irq
        out.fiq = fiq
        return out
    }

    /// After a change in a row: records what became pending, and with `recordsFallen` what is no longer pending.
    mutating func recordPending(
        _ row: Int, cause: InterruptEvent.Cause, recordsFallen: Bool = false, at now: ModelTime
    ) {
        let (risen, fallen) = distributor.refresh(row)
        let isPrivate = row < configuration.processors
        // An SGI is recorded with its source, where that is known.
        var bits = isPrivate ? risen & ~0xffff : risen
        while bits != 0 {
            let id = distributor.INTID(row: row, bit: bits.trailingZeroBitCount)
            bits &= bits &- 1
            let reach = distributor.reach[distributor.slot(id, row)]
            let target = isPrivate ? row : reach & (reach &- 1) == 0 && reach != 0 ? reach.trailingZeroBitCount : nil
            pend(id, place(id, row), target, cause, at: now)
        }
        guard recordsFallen else { return }
        bits = isPrivate ? fallen & ~0xffff : fallen
        while bits != 0 {
            let id = distributor.INTID(row: row, bit: bits.trailingZeroBitCount)
            bits &= bits &- 1
            journal.record(
                InterruptEvent(.drop, .line(id), processor: isPrivate ? row : nil, cause: cause, at: now))
        }
    }

    mutating func pend(
        _ id: Int, _ place: InterruptPlace, _ cpu: Int?, _ cause: InterruptEvent.Cause, at now: ModelTime
    ) {
        notified[place.slot] = 0
        journal.pend(place, .line(id), processor: cpu, vector: 0, cause: cause, at: now)
    }

    /// After a change in a row: updates the outputs that it can concern.
    mutating func updateOutputs(_ row: Int, at now: ModelTime, _ out: inout InterruptOutcome) {
        if row < configuration.processors {
            updateOutputs(of: row, at: now, &out)
        } else {
            updateOutputs(at: now, &out)
        }
    }

    mutating func updateOutputs(at now: ModelTime, _ out: inout InterruptOutcome) {
        for cpu in interfaces.indices { updateOutputs(of: cpu, at: now, &out) }
    }

    /// Updates the IRQ and FIQ outputs to processor `cpu`, and records a delivery that is new.
    mutating func updateOutputs(of cpu: Int, at now: ModelTime, _ out: inout InterruptOutcome) {
        let shown = signalled(cpu)
        let isFast = shown.map { !$0.isGroupOne && interfaces[cpu].control.signalsGroupZeroAsFIQ } ?? false
        let (wasIRQ, wasFIQ) = (irq.contains(cpu), fiq.contains(cpu))
        let (isIRQ, isFIQ) = (shown != nil && !isFast, isFast)
        if isIRQ != wasIRQ || isFIQ != wasFIQ {
            if isIRQ { irq.insert(cpu) } else { irq.remove(cpu) }
            if isFIQ { fiq.insert(cpu) } else { fiq.remove(cpu) }
            out.changed.insert(cpu)
            if isIRQ && !wasIRQ || isFIQ && !wasFIQ { out.wake.insert(cpu) }
        }
        guard let shown else { return }
        let place = place(shown.INTID, cpu, source: shown.source)
        guard notified[place.slot] >> UInt8(cpu) & 1 == 0 else { return }
        notified[place.slot] |= 1 << UInt8(cpu)
        journal.deliver(place, processor: cpu, vector: 0, detail: isFast ? .fiqInput : .irqInput, at: now)
    }
}
