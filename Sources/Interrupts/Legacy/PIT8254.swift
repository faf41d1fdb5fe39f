// The 8254 interval timer of a PC: ports 0x40 to 0x43 (datasheet 231164-005, Intel, September 1993), and the half of
// port 0x61 that belongs to it (82371AB datasheet, section 4.1.3, "NMI Status and Control Register"). Counter 0 is
// interrupt 0, counter 1 once refreshed memory, counter 2 is the speaker's and starts and stops by port 0x61.

import Primitives

/// Three counters.
package struct PIT8254: Equatable, Sendable {
    /// Input clocks a second.
    package static let frequency: UInt64 = 1_193_182
    package static let ports: [ClosedRange<UInt16>] = [0x40...0x43, 0x61...0x61]
    /// Interrupts do not come more often, in input clocks (50 microseconds): a guest could occupy the host with it.
    private static let shortestPeriod: UInt64 = 60

    package private(set) var channels = [PITChannel(gate: true), PITChannel(gate: true), PITChannel(gate: false)]
    /// Bits 3 to 0 of port 0x61 as written: speaker gate and data, and two check enables.
    private var control: UInt8 = 0
    /// The clock up to which counter 0's output is known.
    private var seen: UInt64 = 0
    /// When a rise of the output was last reported.
    private var lastRise: UInt64 = 0
    private var level = false

    package init() {}

    mutating func reset() { self = Self() }

    private static func clocks(_ now: ModelTime) -> UInt64 {
        scale(now.nanoseconds, by: frequency, over: 1_000_000_000)
    }

    /// What counter 0's output did.
    struct Output: Equatable {
        /// It rose, once or more often.
        let hasRisen: Bool
        let level: Bool
    }

    /// Brings counter 0's output up to `now`.
    mutating func advance(to now: ModelTime) -> Output {
        let clock = Self.clocks(now)
        var hasRisen = false
        if let rise = channels[0].nextRise(after: seen), rise <= clock { hasRisen = true }
        for i in channels.indices { channels[i].takeNextCount(at: clock) }
        seen = Swift.max(seen, clock)
        return output(hasRisen: hasRisen, at: clock)
    }

    private mutating func output(hasRisen: Bool, at clock: UInt64) -> Output {
        let new = channels[0].output(at: clock)
        let rises = hasRisen || new && !level
        if rises { lastRise = clock }
        level = new
        return Output(hasRisen: rises, level: new)
    }

    /// When counter 0 next interrupts, in nanoseconds of `ModelTime`.
    package var due: UInt64? {
        guard let rise = channels[0].nextRise(after: seen) else { return nil }
        let clock = Swift.max(rise, lastRise + Self.shortestPeriod)
        return scale(clock, by: 1_000_000_000, over: Self.frequency, roundingUp: true)
    }

    /// Reads a port. Port 0x43 has nothing to read.
    mutating func read(_ port: UInt16, at now: ModelTime) -> UInt8 {
        switch port {
        case 0x40...0x42: channels[Int(port - 0x40)].read(at: Self.clocks(now))
        case 0x61: status(at: now)
        default: 0xff
        }
    }

    /// What `read` would give, without its effect.
    package func inspect(_ port: UInt16, at now: ModelTime) -> UInt8 {
        switch port {
        case 0x40...0x42: channels[Int(port - 0x40)].inspect(at: Self.clocks(now))
        case 0x61: status(at: now)
        default: 0xff
        }
    }

    /// Bit 4 turns over with each refresh of memory, 15 microseconds apart; bit 5 is counter 2's output.
    private func status(at now: ModelTime) -> UInt8 {
        var value = control
        value[bit: 4] = now.nanoseconds / 15_085 & 1 != 0
        value[bit: 5] = channels[2].output(at: Self.clocks(now))
        return value
    }

    /// Writes a port; what counter 0's output did. The caller has advanced to `now` before.
    mutating func write(_ value: UInt8, to port: UInt16, at now: ModelTime) -> Output {
        let clock = Self.clocks(now)
        switch port {
        case 0x40...0x42: channels[Int(port - 0x40)].write(value, at: clock)
        case 0x43: command(value, clock)
        default:
            control = value & 0xf
            channels[2].setGate(value[bit: 0], at: clock)
        }
        return output(hasRisen: false, at: clock)
    }

    /// The control word register: a mode, a latch command, or the read-back command.
    private mutating func command(_ value: UInt8, _ clock: UInt64) {
        let number = Int(value >> 6)
        if number == 3 {
            for i in channels.indices where value[bit: 1 + i] {
                if !value[bit: 5] { channels[i].latchCount(at: clock) }
                if !value[bit: 4] { channels[i].latchStatus(at: clock) }
            }
        } else if value[bits: 4...5] == 0 {
            channels[number].latchCount(at: clock)
        } else {
            channels[number].control(value)
        }
    }

    /// What one counter shows, for views.
    package func state(of channel: Int, at now: ModelTime) -> (count: UInt16, output: Bool) {
        (channels[channel].current(at: Self.clocks(now)), channels[channel].output(at: Self.clocks(now)))
    }
}
