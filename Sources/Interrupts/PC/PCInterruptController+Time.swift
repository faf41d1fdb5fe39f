// Timers: the 8254's counter 0, the local APICs' timers, the I/O APIC's pause.

extension PCInterruptController {
    /// Lets time pass. To be called at `nextDeadline`; calling it earlier or later is no mistake.
    package mutating func advance(to now: ModelTime) -> InterruptOutcome {
        var out = InterruptOutcome()
        expire(at: now, &out)
        return out
    }

    mutating func expire(at now: ModelTime, _ out: inout InterruptOutcome) {
        drive(pit.advance(to: now), at: now, &out)
        for cpu in locals.indices where locals[cpu].expireTimer(at: now) {
            deliver(.timer, cpu, at: now, &out)
        }
        service(ioapic.endPause(at: now), at: now, &out)
        setDeadline()
    }

    /// Gives counter 0's output to input 0.
    mutating func drive(_ output: PIT8254.Output, at now: ModelTime, _ out: inout InterruptOutcome) {
        if output.hasRisen {
            change(0, false, by: .timer, at: now, &out)
            change(0, true, by: .timer, at: now, &out)
        }
        change(0, output.level, by: .timer, at: now, &out)
    }

    /// Looks for the nearest deadline anew.
    mutating func setDeadline() {
        var nearest = pit.due ?? .max
        if let end = ioapic.pauseEnd { nearest = Swift.min(nearest, end) }
        for i in locals.indices {
            if let due = locals[i].due { nearest = Swift.min(nearest, due) }
        }
        nextDeadline = nearest == .max ? nil : nearest
    }
}
