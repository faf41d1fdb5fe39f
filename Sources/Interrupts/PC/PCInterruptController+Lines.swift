// The inputs, and what the 8259 pair and the I/O APIC make of them.

import Primitives

extension PCInterruptController {
    /// Inputs that a device can have: 0 to 23, and the pin that the timer took away is none of them.
    package static let lines = 0..<IOAPIC.pins

    /// `source` holds input `line` up or lets go of it. Several devices on one input are the caller's to combine.
    package mutating func setLine(
        _ line: Int, _ level: Bool, by source: LineLevels.Source = .device, at now: ModelTime
    ) -> InterruptOutcome {
        var out = begin(at: now)
        change(line, level, by: source, at: now, &out)
        return out
    }

    /// `source` lets go for a moment, then holds the line up again.
    package mutating func pulseLine(
        _ line: Int, by source: LineLevels.Source = .device, at now: ModelTime
    ) -> InterruptOutcome {
        var out = begin(at: now)
        change(line, false, by: source, at: now, &out)
        change(line, true, by: source, at: now, &out)
        return out
    }

    /// The level of an input.
    package func level(of line: Int) -> Bool { pin(of: line).map { ioapic.lines[bit: $0] } ?? false }

    /// The I/O APIC's pin for input `line`; nil for one that is not wired.
    package func pin(of line: Int) -> Int? {
        guard Self.lines.contains(line) else { return nil }
        if line == 0 { return configuration.timerPin }
        return line == configuration.timerPin ? nil : line
    }

    /// The input at `pin`; nil for pin 0 where the timer is elsewhere: it has the 8259 pair's output.
    package func line(of pin: Int) -> Int? {
        if pin == configuration.timerPin { return 0 }
        return pin == 0 ? nil : pin
    }

    func number(of pin: Int) -> InterruptNumber {
        line(of: pin).map { .line($0) } ?? .vector(ioapic.entries[pin].vector)
    }

    mutating func change(
        _ line: Int, _ held: Bool, by source: LineLevels.Source, at now: ModelTime, _ out: inout InterruptOutcome
    ) {
        guard let pin = pin(of: line) else { return }
        levels.set(line, held, by: source)
        let level = levels[line]
        guard level != ioapic.lines[bit: pin] else { return }
        journal.record(InterruptEvent(level ? .raise : .lower, .line(line), cause: source.cause, at: now))
        if line < 16 {
            if level, !ioapic.entries[pin].isMasked, pics.isOpen(line), locals.contains(where: \.passesExternal) {
                let mistake = GuestMistake(.twoWays, processor: nil, argument: UInt64(line))
                journal.warnings.add(mistake, at: now)
            }
            let before = pics.waiting
            pics.setLine(line, level)
            recordPending(since: before, by: source.cause, at: now)
            updatePairOutput(at: now, &out)
        }
        if ioapic.setLine(pin, level) { service(pin, by: source.cause, at: now, &out) }
    }

    // MARK: I/O APIC

    mutating func service(_ pins: UInt32, at now: ModelTime, _ out: inout InterruptOutcome) {
        var rest = pins
        while rest != 0 {
            service(rest.trailingZeroBitCount, at: now, &out)
            rest &= rest - 1
        }
    }

    /// Sends what `pin` has to send; `cause` raised it.
    mutating func service(
        _ pin: Int, by cause: InterruptEvent.Cause = .line, at now: ModelTime, _ out: inout InterruptOutcome
    ) {
        let message = ioapic.entries[pin].message
        let isAccepted = send(message, from: .line(number(of: pin), by: cause), at: now, &out)
        if isAccepted, message.hasVector { ioapic.confirm(pin) }
    }

    mutating func apply(_ effect: IOAPIC.WriteEffect, wasMasked: Bool, at now: ModelTime, _ out: inout InterruptOutcome)
    {
        switch effect {
        case .nothing: break
        case .entry(let pin):
            let isMasked = ioapic.entries[pin].isMasked
            out.changesPins = true
            if isMasked != wasMasked {
                journal.record(
                    InterruptEvent(
                        isMasked ? .mask : .unmask, number(of: pin), vector: ioapic.entries[pin].vector, at: now
                    )
                )
            }
            if ioapic.isAsking(pin) { service(pin, at: now, &out) }
        case .endOfInterrupt(let vector): end(vector, isDirect: true, at: now, &out)
        }
    }

    /// The I/O APIC hears of the end of a level-triggered vector, from a local APIC or through its own register.
    /// From processor `cpu` where that is known.
    mutating func end(
        _ vector: UInt8, by cpu: Int? = nil, isDirect: Bool, at now: ModelTime, _ out: inout InterruptOutcome
    ) {
        let pins = ioapic.endOfInterrupt(vector, at: now)
        for pin in 0..<IOAPIC.pins where pins.ended[bit: pin] {
            if let line = line(of: pin) { out.endedLines[bit: line] = true }
            if !configuration.hasLocalAPICs {
                journal.record(
                    InterruptEvent(.endOfInterrupt, number(of: pin), processor: cpu, vector: vector, at: now))
            }
        }
        if isDirect, pins.ended == 0 {
            let mistake = GuestMistake(.lineEndedWithoutRequest, processor: nil, argument: UInt64(vector))
            journal.warnings.add(mistake, at: now)
        }
        service(pins.again, at: now, &out)
        if pins.paused != 0 {
            let pin = UInt64(pins.paused.trailingZeroBitCount)
            journal.warnings.add(GuestMistake(.neverLowered, processor: nil, argument: pin), at: now)
            setDeadline()
        }
    }

    // MARK: 8259 pair

    /// Records the inputs that became pending, unmasked, since `before`.
    mutating func recordPending(since before: UInt16, by cause: InterruptEvent.Cause = .line, at now: ModelTime) {
        var new = pics.waiting & ~before
        while new != 0 {
            let input = new.trailingZeroBitCount
            journal.pend(
                pairPlace(input), .line(input), processor: nil, vector: pics.vector(of: input), cause: cause, at: now
            )
            new &= new - 1
        }
    }

    /// The pair's output goes to LINT0 of every local APIC, and to pin 0 of the I/O APIC where that is free.
    mutating func updatePairOutput(at now: ModelTime, _ out: inout InterruptOutcome) {
        let level = pics.output
        if line(of: 0) == nil, ioapic.setLine(0, level) { service(0, at: now, &out) }
        guard configuration.hasLocalAPICs else { return updateInput(0, at: now, &out) }
        for cpu in locals.indices {
            if locals[cpu].setPin(.lint0, level) || locals[cpu].isUnserved(.lint0) {
                deliver(.lint0, cpu, at: now, &out)
            }
            updateInput(cpu, at: now, &out)
        }
    }
}
