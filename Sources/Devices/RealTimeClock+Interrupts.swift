// The interrupts of the real-time clock, on one line: MC146818 datasheet, "Interrupts", "Periodic Interrupt Selection" and
// "Update Cycle". The flags are set when the next access, or the machine at `due`, lets time pass.
//
// The periodic interrupt runs by model time, which is stopped with the machine. Updates and the alarm go with the time of
// day, which is not.

extension RealTimeClock {
    /// Bits of register C, and of register B to enable them.
    enum Flag {
        static let periodic: UInt8 = 0x40
        static let alarm: UInt8 = 0x20
        static let update: UInt8 = 0x10
        static let all: UInt8 = 0x70
    }

    private enum AlarmCell {
        static let seconds = 0x01
        static let minutes = 0x03
        static let hours = 0x05
        /// From here on any value matches.
        static let wildcard: UInt8 = 0xc0
    }

    /// UIP is set that long before an update: 244 microseconds, and the 1,984 that it takes, with a 32,768 Hz time base.
    private static let updateTime: UInt64 = 2_228_000

    private var enables: UInt8 { cells[Cell.registerB] & Flag.all }

    /// The interrupt output: a flag is set whose interrupt is enabled.
    package var interruptLevel: Bool { flags & enables != 0 }

    /// UIP, bit 7 of register A.
    func isUpdating(_ now: WallTime) -> Bool { isRunning && untilUpdate(now) <= Self.updateTime }

    /// Sets the flags of all that has happened by `now`.
    package mutating func advance(to now: WallTime) {
        let period = periods(at: now)
        if let period, let lastPeriod, period > lastPeriod { flags |= Flag.periodic }
        lastPeriod = period
        guard isRunning else { return }
        let second = second(at: now)
        if let lastSecond, second > lastSecond {
            flags |= Flag.update
            if let alarm = nextAlarm(after: lastSecond), alarm <= second { flags |= Flag.alarm }
        }
        lastSecond = second
    }

    /// When a flag will be set that raises the line, in nanoseconds of model time. Nil where none is or the line is high
    /// already.
    package func due(at now: WallTime) -> UInt64? {
        guard !interruptLevel else { return nil }
        var due: UInt64?
        if enables & Flag.periodic != 0, let ticks = periodTicks {
            let (seconds, rest) = (((lastPeriod ?? 0) + 1) * ticks).quotientAndRemainder(dividingBy: 32_768)
            due = seconds * 1_000_000_000 + (rest * 1_000_000_000 + 32_767) / 32_768
        }
        guard isRunning else { return due }
        var wait: UInt64?
        if enables & Flag.update != 0 {
            wait = untilUpdate(now)
        } else if enables & Flag.alarm != 0 {
            let second = second(at: now)
            wait = nextAlarm(after: second).map { untilUpdate(now) + UInt64($0 - second - 1) * 1_000_000_000 }
        }
        guard let wait else { return due }
        return Swift.min(due ?? .max, now.uptime &+ wait)
    }

    // MARK: Periodic

    /// Clocks of 32,768 Hz between two periodic interrupts; nil for none.
    private var periodTicks: UInt64? {
        let rate = cells[Cell.registerA] & 0xf
        guard rate != 0, isDividing else { return nil }
        return 1 << UInt64(rate < 3 ? rate + 6 : rate - 1)
    }

    /// Periods from the beginning of model time.
    func periods(at now: WallTime) -> UInt64? {
        periodTicks.map { ticks in
            let (seconds, rest) = now.uptime.quotientAndRemainder(dividingBy: 1_000_000_000)
            return (seconds * 32_768 + rest * 32_768 / 1_000_000_000) / ticks
        }
    }

    // MARK: Alarm

    /// The first second after `second` that the alarm means; nil where no time does.
    private func nextAlarm(after second: Int64) -> Int64? {
        func matches(_ cell: Int, _ value: UInt8) -> Bool { cells[cell] >= AlarmCell.wildcard || cells[cell] == value }
        guard (0..<60).contains(where: { matches(AlarmCell.seconds, encode($0)) }),
            (0..<60).contains(where: { matches(AlarmCell.minutes, encode($0)) })
        else { return nil }
        var time = second + 1
        while time <= second + 86_400 {
            let ofDay = ((time % 86_400) + 86_400) % 86_400
            if !matches(AlarmCell.hours, encode(hour: ofDay / 3_600)) {
                time += 3_600 - ofDay % 3_600
            } else if !matches(AlarmCell.minutes, encode(ofDay / 60 % 60)) {
                time += 60 - ofDay % 60
            } else if !matches(AlarmCell.seconds, encode(ofDay % 60)) {
                time += 1
            } else {
                return time
            }
        }
        return nil
    }
}
