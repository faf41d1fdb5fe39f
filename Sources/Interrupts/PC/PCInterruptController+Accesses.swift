// What a processor reads and writes: memory, model-specific registers, ports, CR8. Each answers nil for what belongs
// elsewhere.

import Primitives

extension PCInterruptController {
    // MARK: Memory

    /// Whether `address` is a register page for processor `cpu`: its local APIC's where it has put it, or the I/O
    /// APIC's.
    package func claims(_ address: PhysicalAddress, _ cpu: Int) -> Bool {
        isLocalPage(address, cpu) || address.rawValue & ~0xfff == IOAPIC.page.rawValue
    }

    private func isLocalPage(_ address: PhysicalAddress, _ cpu: Int) -> Bool {
        configuration.hasLocalAPICs && locals[cpu].isPage(address)
    }

    /// Reads `size` bytes, 1 to 8.
    package mutating func readMemory(
        _ address: PhysicalAddress, size: Int, _ cpu: Int, at now: ModelTime
    ) -> InterruptOutcome? {
        let offset = Int(address.rawValue & 0xfff)
        if isLocalPage(address, cpu) {
            var out = begin(at: now)
            apply(locals[cpu].read(offset: offset, size: size, at: now), cpu, UInt64(offset), at: now, &out)
            return out
        }
        guard claims(address, cpu) else { return noteAbsent(address, cpu, at: now) }
        var out = begin(at: now)
        warn(ioapic.mistake(offset: offset, size: size, isWrite: false), cpu, at: now)
        out.value = ioapic.read(offset: offset, size: size)
        return out
    }

    /// Writes `size` bytes, 1 to 8.
    package mutating func writeMemory(
        _ value: UInt64, _ address: PhysicalAddress, size: Int, _ cpu: Int, at now: ModelTime
    ) -> InterruptOutcome? {
        let offset = Int(address.rawValue & 0xfff)
        if isLocalPage(address, cpu) {
            var out = begin(at: now)
            let reaction = locals[cpu].write(value, offset: offset, size: size, at: now)
            apply(reaction, cpu, UInt64(offset), at: now, &out)
            return out
        }
        guard claims(address, cpu) else { return noteAbsent(address, cpu, at: now) }
        var out = begin(at: now)
        warn(ioapic.mistake(offset: offset, size: size, isWrite: true), cpu, at: now)
        let wasMasked = ioapic.isSelectedMasked
        apply(ioapic.write(value & .mask(size * 8), offset: offset), wasMasked: wasMasked, at: now, &out)
        return out
    }

    /// Notes what processor `cpu` does wrong with the I/O APIC.
    private mutating func warn(_ mistake: IOAPIC.Mistake?, _ cpu: Int, at now: ModelTime) {
        guard let mistake else { return }
        journal.warnings.add(GuestMistake(mistake.kind, processor: cpu, argument: mistake.argument), at: now)
    }

    /// No answer; a guest that reaches for its page while the APIC is off or in x2APIC mode errs.
    private mutating func noteAbsent(_ address: PhysicalAddress, _ cpu: Int, at now: ModelTime) -> InterruptOutcome? {
        if configuration.hasLocalAPICs, address.rawValue & ~0xfff == locals[cpu].pageAddress.rawValue {
            let mistake = GuestMistake(.disabledPage, processor: cpu, argument: address.rawValue & 0xfff)
            journal.warnings.add(mistake, at: now)
        }
        return nil
    }

    // MARK: Model-specific registers

    /// IA32_APIC_BASE, IA32_TSC_DEADLINE and those of x2APIC mode.
    package static func isRegister(_ number: UInt32) -> Bool {
        number == LocalAPIC.baseRegister || number == LocalAPIC.deadlineRegister || (0x800...0x8ff).contains(number)
    }

    /// RDMSR.
    package mutating func readRegister(_ number: UInt32, _ cpu: Int, at now: ModelTime) -> InterruptOutcome? {
        guard Self.isRegister(number) else { return nil }
        var out = begin(at: now)
        switch number {
        case LocalAPIC.baseRegister: out.value = locals[cpu].base
        case LocalAPIC.deadlineRegister:
            out.value = locals[cpu].deadline
            out.isFault = !configuration.features.hasDeadlineTimer
        default:
            let reaction = locals[cpu].read(number: Int(number - 0x800), at: now)
            apply(reaction, cpu, UInt64(number), at: now, &out)
        }
        return out
    }

    /// WRMSR.
    package mutating func writeRegister(
        _ number: UInt32, _ value: UInt64, _ cpu: Int, at now: ModelTime
    ) -> InterruptOutcome? {
        guard Self.isRegister(number) else { return nil }
        var out = begin(at: now)
        switch number {
        case LocalAPIC.baseRegister:
            if locals[cpu].setBase(value) {
                updateInput(cpu, at: now, &out)
            } else {
                journal.warnings.add(GuestMistake(.illegalBaseChange, processor: cpu, argument: value), at: now)
                out.isFault = true
            }
        case LocalAPIC.deadlineRegister:
            guard configuration.features.hasDeadlineTimer else {
                out.isFault = true
                break
            }
            let frequency = configuration.timeStampFrequency
            if !locals[cpu].setDeadline(value, frequency: frequency, at: now), value != 0 {
                journal.warnings.add(GuestMistake(.deadlineIgnored, processor: cpu, argument: 0), at: now)
            }
            setDeadline()
            if let nextDeadline, nextDeadline <= now.nanoseconds { expire(at: now, &out) }
        default:
            let reaction = locals[cpu].write(value, number: Int(number - 0x800), at: now)
            apply(reaction, cpu, UInt64(number), at: now, &out)
        }
        return out
    }

    /// The guest changed the time stamp counter of processor `cpu`: a deadline is as far off as it now says.
    package mutating func timeStampChanged(_ cpu: Int, at now: ModelTime) -> InterruptOutcome {
        var out = begin(at: now)
        let deadline = locals[cpu].deadline
        if deadline != 0 {
            locals[cpu].setDeadline(deadline, frequency: configuration.timeStampFrequency, at: now)
            setDeadline()
            if let nextDeadline, nextDeadline <= now.nanoseconds { expire(at: now, &out) }
        }
        return out
    }

    // MARK: CR8

    /// What CR8 of processor `cpu` is: 0 to 15.
    package func cr8(_ cpu: Int) -> UInt8 { locals[cpu].cr8 }

    /// Processor `cpu` has moved `value` to CR8, or may have.
    package mutating func setCR8(_ value: UInt8, _ cpu: Int, at now: ModelTime) -> InterruptOutcome {
        var out = begin(at: now)
        if value != locals[cpu].cr8 {
            locals[cpu].setCR8(value)
            updateInput(cpu, at: now, &out)
        }
        return out
    }

    // MARK: Ports

    package static let ports = PICPair.ports + PIT8254.ports

    /// Whether the byte at `port` is the 8259 pair's or the 8254's.
    package static func isPort(_ port: UInt16) -> Bool { isPair(port) || isTimer(port) }

    private static func isPair(_ port: UInt16) -> Bool { port & 0xff7e == 0x20 || port & 0xfffe == 0x4d0 }
    private static func isTimer(_ port: UInt16) -> Bool { port & 0xfffc == 0x40 || port == 0x61 }

    /// Reads one byte. A wider access is one for each port.
    package mutating func readPort(_ port: UInt16, at now: ModelTime) -> InterruptOutcome? {
        guard Self.isPort(port) else { return nil }
        var out = begin(at: now)
        if Self.isTimer(port) {
            drive(pit.advance(to: now), at: now, &out)
            out.value = UInt64(pit.read(port, at: now))
            setDeadline()
        } else {
            out.value = UInt64(pics.read(port))
            updatePairOutput(at: now, &out)
        }
        return out
    }

    /// Writes one byte.
    package mutating func writePort(_ port: UInt16, _ value: UInt8, at now: ModelTime) -> InterruptOutcome? {
        guard Self.isPort(port) else { return nil }
        var out = begin(at: now)
        if Self.isTimer(port) {
            drive(pit.advance(to: now), at: now, &out)
            drive(pit.write(value, to: port, at: now), at: now, &out)
            setDeadline()
        } else {
            writePair(port, value, at: now, &out)
        }
        return out
    }

    private mutating func writePair(
        _ port: UInt16, _ value: UInt8, at now: ModelTime, _ out: inout InterruptOutcome
    ) {
        let (before, mask) = (pics.waiting, pics.mask)
        if let kind = pics.mistake(in: value, to: port) {
            // Of a wrong vector base the vector says more than the port.
            let argument = kind == .pairExceptionVectors ? UInt64(value) : UInt64(port)
            journal.warnings.add(GuestMistake(kind, processor: nil, argument: argument), at: now)
        }
        let ended = pics.write(value, to: port)
        for input in 0..<16 {
            if ended[bit: input], input != PIC8259.cascade {
                journal.end(pairPlace(input), processor: nil, vector: pics.vector(of: input), at: now)
            }
            if (mask ^ pics.mask)[bit: input] {
                let kind: InterruptEvent.Kind = pics.mask[bit: input] ? .mask : .unmask
                journal.record(InterruptEvent(kind, .line(input), vector: pics.vector(of: input), at: now))
            }
        }
        recordPending(since: before, at: now)
        updatePairOutput(at: now, &out)
    }

    // MARK: Local APIC

    private mutating func apply(
        _ reaction: LocalAPIC.Reaction, _ cpu: Int, _ register: UInt64, at now: ModelTime, _ out: inout InterruptOutcome
    ) {
        out.value = reaction.value
        out.isFault = reaction.isFault
        if let kind = reaction.mistake {
            let mistake = GuestMistake(kind, processor: cpu, argument: reaction.argument ?? register)
            journal.warnings.add(mistake, at: now)
        }
        if let end = reaction.end {
            journal.end(InterruptPlace(row: cpu, slot: Int(end.vector)), processor: cpu, vector: end.vector, at: now)
            if end.isBroadcast { self.end(end.vector, isDirect: false, at: now, &out) }
            if let pin = end.pin { deliver(pin, cpu, at: now, &out) }
        }
        if let message = reaction.message { _ = send(message, from: .processor(cpu), at: now, &out) }
        if let pin = reaction.pin { deliver(pin, cpu, at: now, &out) }
        if reaction.errors != 0 { report(reaction.errors, cpu, at: now, &out) }
        if reaction.setsTimer { setDeadline() }
        updateInput(cpu, at: now, &out)
    }
}
