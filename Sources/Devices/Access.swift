// What a guest's access to a device comes to: the value read, and what the machine must do about it. Devices change
// only themselves; everything that reaches beyond them leaves as one of these values, none of which allocates.

/// What one access to a device asks of the machine beyond an interrupt line.
package enum Effect: Hashable, Sendable {
    /// One byte for the console that belongs to the device.
    case output(UInt8)
    /// Restart the machine as a reset button would.
    case reset
    /// Switch the machine off.
    case powerOff
    /// Leave with this exit status.
    case exit(status: UInt8)
    /// The guest says that it has crashed.
    case panic
    /// The guest called a BIOS, which there is not.
    case biosCall
    /// A driver has left requests for the device, which the bus serves one by one.
    case service
}

/// What becomes of an interrupt line. Only changes are reported.
package struct LineChange: Hashable, Sendable {
    package enum Action: Hashable, Sendable {
        case raise
        case lower
        /// Low for a moment, then high again: nothing for a level-triggered input, one more interrupt for an edge.
        case pulseLow
    }

    /// The global interrupt number: on a PC the ISA interrupt, 0 to 15.
    package let line: UInt32
    package let action: Action

    package init(line: UInt32, action: Action) {
        self.line = line
        self.action = action
    }

    /// What brings an input up to date where the line is at `level` by now: another thread's access may have changed it
    /// since. One that dropped and has risen again leaves its edge.
    package func updated(to level: Bool) -> LineChange {
        let action: Action =
            switch (self.action, level) {
            case (_, false): .lower
            case (.raise, true): .raise
            case (.lower, true), (.pulseLow, true): .pulseLow
            }
        return LineChange(line: line, action: action)
    }
}

/// The outcome of one access on a bus.
package struct Access: Hashable, Sendable {
    /// What a read gave, in its low bytes; zero for a write. All ones where nothing answered.
    package var value: UInt64 = 0
    package var effect: Effect?
    package var line: LineChange?
    /// False where no device answers: a read gave all ones, a write was dropped.
    package var isClaimed = true
    /// The device takes more console input than before: offer it what is waiting.
    package var madeRoom = false

    package init(
        value: UInt64 = 0, effect: Effect? = nil, line: LineChange? = nil, isClaimed: Bool = true,
        madeRoom: Bool = false
    ) {
        self.value = value
        self.effect = effect
        self.line = line
        self.isClaimed = isClaimed
        self.madeRoom = madeRoom
    }
}

/// The host's clocks as a value, passed in with each access.
package struct WallTime: Hashable, Sendable {
    /// Since 1970-01-01 00:00:00 UTC.
    package var seconds: Int64
    /// Of the second, below 1,000,000,000.
    package var nanosecond: UInt64
    /// Model time in nanoseconds: it is stopped while the machine is.
    package var uptime: UInt64

    package init(_ seconds: Int64, nanosecond: UInt64 = 0, uptime: UInt64 = 0) {
        self.seconds = seconds
        self.nanosecond = nanosecond
        self.uptime = uptime
    }
}
