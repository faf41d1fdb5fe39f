import Testing

@testable import Devices

/// MC146818: update-ended, periodic and alarm interrupts, their flags in register C, UIP.
@Suite("real-time clock interrupts") struct ClockInterruptTests {
    private static let second: UInt64 = 1_000_000_000

    /// A moment `nanoseconds` after `start`, of both clocks.
    private func at(_ nanoseconds: UInt64, from start: Int64 = 0) -> WallTime {
        let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: Self.second)
        return WallTime(start + Int64(seconds), nanosecond: rest, uptime: nanoseconds)
    }

    private func read(_ clock: inout RealTimeClock, _ cell: UInt8, _ now: WallTime) -> UInt8 {
        _ = clock.write(cell, to: 0, now: now)
        return clock.read(1, now: now)
    }

    private func write(_ clock: inout RealTimeClock, _ cell: UInt8, _ value: UInt8, _ now: WallTime) {
        _ = clock.write(cell, to: 0, now: now)
        _ = clock.write(value, to: 1, now: now)
    }

    /// With register B as given, at time 0, and register C read.
    private func clock(_ b: UInt8, a: UInt8 = 0x26) -> RealTimeClock {
        var clock = RealTimeClock()
        write(&clock, 0x0a, a, at(0))
        write(&clock, 0x0b, b, at(0))
        _ = read(&clock, 0x0c, at(0))
        return clock
    }

    @Test("the flags are set whether or not they interrupt, and a read of register C clears them")
    func flags() {
        var one = clock(0x02)
        #expect(read(&one, 0x0c, at(100_000)) == 0)
        #expect(read(&one, 0x0c, at(Self.second + 1)) == 0x50)
        #expect(!one.interruptLevel && read(&one, 0x0c, at(Self.second + 2)) == 0)
        #expect(one.due(at: at(Self.second + 2)) == nil, "it is not asked for")
    }

    @Test("a debugger sees in register C what a read would give at that time")
    func inspected() {
        var one = clock(0x12)
        let later = at(Self.second + 1)
        let seen = one.inspect(1, now: later)
        #expect(seen == 0xd0 && one.read(1, now: later) == seen)
    }

    @Test("the update-ended interrupt comes with each second, and its line is high until register C is read")
    func updateEnded() {
        var one = clock(0x12)
        #expect(one.due(at: at(400_000_000)) == Self.second)
        one.advance(to: at(Self.second - 1))
        #expect(!one.interruptLevel)
        one.advance(to: at(Self.second))
        #expect(one.interruptLevel && one.due(at: at(Self.second)) == nil)
        #expect(one.inspect(1, now: at(Self.second)) == 0xd0 && one.interruptLevel, "a debugger's look clears nothing")
        #expect(read(&one, 0x0c, at(Self.second)) & 0xb0 == 0x90 && !one.interruptLevel)
        #expect(one.due(at: at(Self.second)) == 2 * Self.second)
    }

    @Test(
        "periodic rates by register A",
        arguments: [
            (1, 3_906_250), (2, 7_812_500), (3, 122_071), (4, 244_141), (6, 976_563), (8, 3_906_250), (13, 125_000_000),
            (15, 500_000_000),
        ] as [(UInt8, UInt64)])
    func periodicRates(rate: UInt8, period: UInt64) {
        var one = clock(0x42, a: 0x20 | rate)
        #expect(one.due(at: at(0)) == period)
        one.advance(to: at(period - 1))
        #expect(!one.interruptLevel)
        one.advance(to: at(period))
        #expect(one.interruptLevel && read(&one, 0x0c, at(period)) == 0xc0)
        #expect((2 * period - 1...2 * period).contains(one.due(at: at(period))!))
        one.advance(to: at(10 * period))
        #expect(read(&one, 0x0c, at(10 * period)) & 0xc0 == 0xc0, "those missed are one")
    }

    @Test("rate 0 and a divider held in reset have no periodic interrupt", arguments: [0x20, 0x66, 0x76] as [UInt8])
    func noPeriodic(a: UInt8) {
        var one = clock(0x42, a: a)
        #expect(one.due(at: at(0)) == nil)
        one.advance(to: at(5 * Self.second))
        #expect(!one.interruptLevel && read(&one, 0x0c, at(5 * Self.second)) & 0x40 == 0)
    }

    @Test("the periodic interrupt goes by model time, the update by the time of day")
    func twoClocks() {
        var one = clock(0x52)
        // The machine was stopped for three seconds.
        let now = WallTime(3, nanosecond: 1, uptime: 10)
        one.advance(to: now)
        #expect(read(&one, 0x0c, now) == 0x90)
        #expect(one.due(at: now) == 976_563)
    }

    @Test("a long uptime overflows nothing")
    func longUptime() {
        var one = clock(0x72)
        let now = WallTime(1_000_000_000, nanosecond: 999_999_999, uptime: 1 << 62)
        one.advance(to: now)
        #expect(one.interruptLevel)
        _ = read(&one, 0x0c, now)
        #expect(one.due(at: now).map { $0 > now.uptime && $0 <= now.uptime + 976_563 } == true)
    }

    @Test("an enable with its flag set interrupts at once")
    func lateEnable() {
        var one = clock(0x02)
        one.advance(to: at(Self.second))
        write(&one, 0x0b, 0x12, at(Self.second))
        #expect(one.interruptLevel)
    }

    @Test(
        "the alarm compares each field, in the coding of register B, and values from 0xc0 match all",
        arguments: [
            // 2024-02-29 13:07:09; hour, minute, second, register B, seconds until it comes.
            (0x13, 0x07, 0x10, 0x22, 1), (0x13, 0x07, 0x09, 0x22, 86_400), (0x13, 0x08, 0x00, 0x22, 51),
            (0xff, 0x07, 0x09, 0x22, 3_600), (0xff, 0xff, 0x09, 0x22, 60), (0xff, 0xff, 0xff, 0x22, 1),
            (0xc0, 0xc0, 0x10, 0x22, 1), (13, 8, 0, 0x26, 51), (0x81, 0x08, 0x00, 0x20, 51),
            (0x01, 0x08, 0x00, 0x20, 12 * 3_600 + 51), (0x12, 0x00, 0x00, 0x20, 10 * 3_600 + 52 * 60 + 51),
            (0x00, 0x00, 0x00, 0x22, 10 * 3_600 + 52 * 60 + 51), (0x14, 0xff, 0xff, 0x22, 52 * 60 + 51),
            (0x24, 0x00, 0x00, 0x22, nil), (0x13, 0x60, 0x00, 0x22, nil), (0x13, 0x00, 0x7f, 0x22, nil),
        ] as [(UInt8, UInt8, UInt8, UInt8, Int64?)])
    func alarm(hour: UInt8, minute: UInt8, second: UInt8, b: UInt8, wait: Int64?) {
        var one = RealTimeClock()
        let start: Int64 = 1_709_212_029
        for (cell, value) in [(0x0b, b), (0x05, hour), (0x03, minute), (0x01, second)] as [(UInt8, UInt8)] {
            write(&one, cell, value, WallTime(start))
        }
        let due = one.due(at: WallTime(start, nanosecond: 250_000_000, uptime: 77))
        #expect(due == wait.map { UInt64($0) * Self.second - 250_000_000 + 77 })
        guard let wait else {
            one.advance(to: WallTime(start + 200_000))
            #expect(!one.interruptLevel)
            return
        }
        one.advance(to: WallTime(start + wait - 1, nanosecond: 999_999_999))
        #expect(!one.interruptLevel)
        one.advance(to: WallTime(start + wait))
        #expect(one.interruptLevel && read(&one, 0x0c, WallTime(start + wait)) & 0xa0 == 0xa0)
    }

    @Test("an alarm in a time that was not read is not missed")
    func alarmInBetween() {
        var one = clock(0x22)
        for (cell, value) in [(0x05, 0xff), (0x03, 0x01), (0x01, 0x00)] as [(UInt8, UInt8)] {
            write(&one, cell, value, at(0))
        }
        one.advance(to: WallTime(59))
        #expect(!one.interruptLevel)
        one.advance(to: WallTime(1_000))
        #expect(one.interruptLevel)
    }

    @Test("UIP announces an update for at least 244 microseconds, and the time changes when it is cleared")
    func updateInProgress() {
        var one = clock(0x02)
        #expect(read(&one, 0x0a, at(500_000_000)) == 0x26)
        for left in [2_000_000, 244_000, 1] as [UInt64] {
            #expect(read(&one, 0x0a, at(Self.second - left)) == 0xa6)
            #expect(read(&one, 0x00, at(Self.second - left)) == 0)
        }
        #expect(read(&one, 0x0a, at(Self.second)) == 0x26 && read(&one, 0x00, at(Self.second)) == 1)
    }

    @Test("under SET there is no update, no UIP, and the update-ended interrupt is switched off")
    func set() {
        var one = clock(0x72)
        write(&one, 0x0b, 0xf2, at(1))
        #expect(read(&one, 0x0b, at(2)) == 0xe2)
        #expect(read(&one, 0x0a, at(Self.second - 1000)) == 0x26)
        #expect(read(&one, 0x0c, at(3 * Self.second)) == 0xc0, "the periodic interrupt goes on")
        write(&one, 0x0b, 0x12, at(3 * Self.second + 400_000_000))
        #expect(one.due(at: at(3 * Self.second + 400_000_000)) == 4 * Self.second)
        #expect(read(&one, 0x0c, at(3 * Self.second + 500_000_000)) & 0x30 == 0, "no second has ended since")
    }

    @Test("the first update comes half a second after the divider's reset")
    func divider() {
        var one = clock(0x12)
        write(&one, 0x0a, 0x76, at(1_250_000_000))
        _ = read(&one, 0x0c, at(1_250_000_000))
        #expect(one.due(at: at(1_250_000_000)) == nil && read(&one, 0x00, at(9 * Self.second)) == 1)
        write(&one, 0x0a, 0x26, at(9_250_000_000))
        #expect(one.due(at: at(9_250_000_000)) == 9_750_000_000)
        one.advance(to: at(9_750_000_000))
        #expect(one.interruptLevel && read(&one, 0x00, at(9_750_000_000)) == 2)
    }

    @Test("a time that is set is no update, and the next second is")
    func settingTheTime() {
        var one = clock(0x12)
        write(&one, 0x00, 0x30, at(100))
        #expect(!one.interruptLevel && one.due(at: at(100)) == Self.second)
        one.advance(to: at(Self.second))
        #expect(one.interruptLevel && read(&one, 0x00, at(Self.second)) == 0x31)
    }

    @Test("a reset clears flags and enables")
    func reset() {
        var one = clock(0x72)
        one.advance(to: at(Self.second))
        #expect(one.interruptLevel)
        one.reset()
        #expect(!one.interruptLevel && one.due(at: at(Self.second)) == nil)
        #expect(read(&one, 0x0c, at(Self.second)) == 0)
    }

    @Test("the platform's clock raises IRQ 8 when its time has come, and lowers it when register C is read")
    func line() {
        var pc = PCPlatform()
        let base = IOPort(0x70)
        for (cell, value) in [(0x0b, 0x12), (0x0c, 0)] as [(UInt64, UInt64)] {
            _ = pc.ports.write(cell, at: base, size: 1, now: at(0))
            _ = pc.ports.write(value, at: IOPort(0x71), size: 1, now: at(0))
        }
        #expect(pc.due(at: at(0)) == Self.second && pc.advance(to: at(10)) == nil)
        #expect(pc.advance(to: at(Self.second)) == LineChange(line: 8, action: .raise))
        let answer = pc.ports.read(at: IOPort(0x71), size: 1, now: at(Self.second))
        #expect(answer.value & 0xb0 == 0x90 && answer.line == LineChange(line: 8, action: .lower))
    }
}
