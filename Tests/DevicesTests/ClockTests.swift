import Foundation
import TestSupport
import Testing

@testable import Devices

@Suite struct ClockTests {
    private func read(_ clock: inout RealTimeClock, _ cell: UInt8, _ now: WallTime) -> UInt8 {
        _ = clock.write(cell, to: 0, now: now)
        return clock.read(1, now: now)
    }

    private func write(_ clock: inout RealTimeClock, _ cell: UInt8, _ value: UInt8, _ now: WallTime) {
        _ = clock.write(cell, to: 0, now: now)
        _ = clock.write(value, to: 1, now: now)
    }

    private static let gregorian: Calendar = {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(secondsFromGMT: 0)!
        return calendar
    }()

    /// From 1900 to 2100 in uneven steps, and the days around turns of the century and leap days.
    private static let moments: [Int64] =
        Array(stride(from: -2_208_988_800, to: 4_102_444_800, by: 11_111_111))
        + [951_782_399, 951_782_400, 951_868_799, 951_868_800, 946_684_799, 946_684_800, -1, 0, 1]
        + [2_147_483_647, 2_147_483_648, 4_107_542_399, 4_107_542_400, 1_709_164_800, 1_735_689_599]

    @Test("dates agree with Foundation's calendar, both ways")
    func datesAgreeWithFoundationsCalendarBothWays() {
        for seconds in Self.moments {
            let date = Date(timeIntervalSince1970: TimeInterval(seconds))
            let parts = Self.gregorian.dateComponents(
                [.year, .month, .day, .hour, .minute, .second, .weekday], from: date)
            let time = CalendarTime(WallTime(seconds))
            #expect(time.year == Int64(parts.year!) && time.month == Int64(parts.month!), "\(seconds)")
            #expect(time.day == Int64(parts.day!) && time.weekday == Int64(parts.weekday!), "\(seconds)")
            #expect(time.hour == Int64(parts.hour!) && time.minute == Int64(parts.minute!), "\(seconds)")
            #expect(time.second == Int64(parts.second!), "\(seconds)")
            #expect(time.wallTime == WallTime(seconds))
        }
    }

    @Test("every day of four centuries follows the one before")
    func everyDayOfFourCenturiesFollowsTheOneBefore() {
        var days: Set<[Int64]> = []
        for day in 0..<Int64(146_097) {
            let time = CalendarTime(WallTime(day * 86_400))
            days.insert([time.year, time.month, time.day])
            #expect(time.wallTime.seconds == day * 86_400)
        }
        #expect(days.count == 146_097)
    }

    // 2024-02-29 13:07:09 UTC, a Thursday.
    private static let leapDay = WallTime(1_709_212_029)

    @Test(
        "the time reads in the coding of register B",
        arguments: [
            (0x02, [0x09, 0x07, 0x13, 0x05, 0x29, 0x02, 0x24, 0x20]),
            (0x06, [9, 7, 13, 5, 29, 2, 24, 20]),
            (0x00, [0x09, 0x07, 0x81, 0x05, 0x29, 0x02, 0x24, 0x20]),
            (0x04, [9, 7, 0x81, 5, 29, 2, 24, 20]),
        ] as [(UInt8, [UInt8])])
    func theTimeReadsInTheCodingOfRegisterB(mode: UInt8, expected: [UInt8]) {
        var clock = RealTimeClock()
        write(&clock, 0x0b, mode, Self.leapDay)
        let cells: [UInt8] = [0x00, 0x02, 0x04, 0x06, 0x07, 0x08, 0x09, 0x32]
        #expect(cells.map { read(&clock, $0, Self.leapDay) } == expected)
    }

    @Test(
        "twelve-hour time has its noon and midnight at 12",
        arguments: [(0, 0x12), (1, 0x01), (11, 0x11), (12, 0x92), (13, 0x81), (23, 0x91)] as [(Int64, UInt8)])
    func twelveHourTimeHasItsNoonAndMidnightAt12(hour: Int64, expected: UInt8) {
        var clock = RealTimeClock()
        let now = WallTime(hour * 3_600)
        write(&clock, 0x0b, 0x00, now)
        #expect(read(&clock, 0x04, now) == expected)
        write(&clock, 0x04, expected, now)
        #expect(read(&clock, 0x04, now) == expected)
        #expect(read(&clock, 0x07, now) == 0x01)
    }

    @Test("a time set under SET runs on from there", arguments: [0x00, 0x02, 0x04, 0x06] as [UInt8])
    func aTimeSetUnderSETRunsOnFromThere(mode: UInt8) {
        var model = RealTimeClock()  // shows the codes to write
        write(&model, 0x0b, mode, Self.leapDay)
        var clock = RealTimeClock()
        let start = WallTime(1_000)
        write(&clock, 0x0b, 0x80 | mode, start)
        for cell in [0x00, 0x02, 0x04, 0x06, 0x07, 0x08, 0x09, 0x32] as [UInt8] {
            write(&clock, cell, read(&model, cell, Self.leapDay), WallTime(1_005))
        }
        #expect(read(&clock, 0x00, WallTime(5_000)) == 9, "the time is stopped")
        write(&clock, 0x0b, mode, WallTime(2_000))
        let later = WallTime(2_000 + 86_400)
        let expected = WallTime(Self.leapDay.seconds + 86_400)
        for cell in [0x00, 0x02, 0x04, 0x06, 0x07, 0x08, 0x09, 0x32] as [UInt8] {
            #expect(read(&clock, cell, later) == read(&model, cell, expected), "cell \(cell)")
        }
    }

    @Test("a single field may be set while the clock runs")
    func aSingleFieldMayBeSetWhileTheClockRuns() {
        var clock = RealTimeClock()
        write(&clock, 0x02, 0x45, Self.leapDay)
        #expect(read(&clock, 0x02, Self.leapDay) == 0x45)
        #expect(read(&clock, 0x00, Self.leapDay) == 0x09)
        #expect(read(&clock, 0x00, WallTime(Self.leapDay.seconds + 3)) == 0x12)
    }

    @Test("the control registers have their fixed bits")
    func theControlRegistersHaveTheirFixedBits() {
        var clock = RealTimeClock()
        #expect([0x0a, 0x0b, 0x0c, 0x0d].map { read(&clock, $0, epoch) } == [0x26, 0x02, 0x00, 0x80])
        for register in [0x0a, 0x0c, 0x0d] as [UInt8] { write(&clock, register, 0xff, epoch) }
        #expect([0x0a, 0x0c, 0x0d].map { read(&clock, $0, epoch) } == [0x7f, 0x00, 0x80])
    }

    @Test("the index port keeps the NMI mask and is write-only")
    func theIndexPortKeepsTheNMIMaskAndIsWriteOnly() {
        var clock = RealTimeClock()
        _ = clock.write(0x8d, to: 0, now: epoch)
        #expect(clock.isNMIMasked)
        #expect(clock.read(0, now: epoch) == 0xff)
        #expect(clock.read(1, now: epoch) == 0x80)
        _ = clock.write(0x0d, to: 0, now: epoch)
        #expect(!clock.isNMIMasked)
    }

    private static let mebibyte: UInt64 = 1 << 20

    @Test(
        "memory sizes stand where a BIOS leaves them",
        arguments: [
            (16 * mebibyte, 0, 15 * 1024, 0, 0),
            (64 * mebibyte, 0, 63 * 1024, 48 * 16, 0),
            (65 * mebibyte, 0, 65_535, 49 * 16, 0),
            (3_072 * mebibyte, 1_024 * mebibyte, 65_535, 3_056 * 16, 1_024 * 16),
            (4_095 * mebibyte, 2_097_152 * mebibyte, 65_535, 65_264, 0xff_ffff),
        ] as [(UInt64, UInt64, Int, Int, Int)])
    func memorySizesStandWhereABIOSLeavesThem(low: UInt64, high: UInt64, extended: Int, above16: Int, above4G: Int) {
        var clock = RealTimeClock(memoryBelow4GiB: low, memoryAbove4GiB: high)
        func number(_ cells: UInt8...) -> Int {
            cells.reversed().reduce(0) { $0 << 8 | Int(read(&clock, $1, epoch)) }
        }
        #expect(number(0x15, 0x16) == 640)
        #expect(number(0x17, 0x18) == extended)
        #expect(number(0x30, 0x31) == extended)
        #expect(number(0x34, 0x35) == above16)
        #expect(number(0x5b, 0x5c, 0x5d) == above4G)
    }

    @Test("memory and time survive a reset")
    func memoryAndTimeSurviveAReset() {
        var clock = RealTimeClock()
        write(&clock, 0x40, 0x77, epoch)
        write(&clock, 0x09, 0x33, epoch)
        write(&clock, 0x0b, 0x72, epoch)
        clock.reset()
        #expect(read(&clock, 0x40, epoch) == 0x77)
        #expect(read(&clock, 0x09, epoch) == 0x33)
        #expect(read(&clock, 0x0b, epoch) == 0x02)
    }

    @Test("any sequence of accesses at any time is survived")
    func anySequenceOfAccessesAtAnyTimeIsSurvived() {
        var random = Seeded(146_818)
        var clock = RealTimeClock()
        for _ in 0..<100_000 {
            let now = WallTime(
                Int64.random(in: .min ... .max, using: &random) >> Int64.random(in: 0..<64, using: &random))
            let register = Int.random(in: 0..<2, using: &random)
            if Bool.random(using: &random) {
                _ = clock.write(UInt8.random(in: 0...255, using: &random), to: register, now: now)
            } else {
                _ = clock.read(register, now: now)
            }
        }
    }
}
