// The PC's real-time clock and CMOS memory at ports 0x70 (index, and the NMI mask in bit 7) and 0x71 (data): Motorola
// MC146818 datasheet, with the PC's conventions for the memory behind it (century in 0x32, memory sizes).
//
// The clock is the host's, passed in with each access, plus an offset that the guest sets by writing the time. The
// interrupts are in RealTimeClock+Interrupts.
// Left out: the square wave, daylight saving, time bases other than 32,768 Hz. An update happens at once, at the end of
// the time in which UIP is set.

import Primitives

/// A calendar clock with 128 bytes of memory.
package struct RealTimeClock: ByteDevice {
    /// Register numbers.
    package enum Register {
        package static let index = 0
        package static let data = 1
        package static let count = 2
    }

    /// Places in the CMOS memory. The time lives in those of `time` only while register B's SET bit is on.
    enum Cell {
        static let seconds = 0x00
        static let minutes = 0x02
        static let hours = 0x04
        static let weekday = 0x06
        static let day = 0x07
        static let month = 0x08
        static let year = 0x09
        static let registerA = 0x0a
        static let registerB = 0x0b
        static let registerC = 0x0c
        static let registerD = 0x0d
        static let century = 0x32
        static let time = [seconds, minutes, hours, weekday, day, month, year, century]
    }

    /// Register B; the interrupt enables are `Flag`'s bits.
    private enum Mode {
        static let hours24: UInt8 = 0x02
        static let binary: UInt8 = 0x04
        /// The guest is writing the time: it is stopped.
        static let set: UInt8 = 0x80
    }

    private var index = 0
    /// Bit 7 of the last write to port 0x70: non-maskable interrupts are kept from the processor.
    package private(set) var isNMIMasked = false
    private(set) var cells = [UInt8](repeating: 0, count: 128)
    /// The guest's clock minus the host's: seconds, and nanoseconds below one second.
    private var offset: Int64 = 0
    private var phase: UInt64 = 0
    /// Register C without its bit 7.
    var flags: UInt8 = 0
    /// The second and the periodic interrupt up to which the flags are set; nil before the first access.
    var lastSecond: Int64?
    var lastPeriod: UInt64?

    /// Memory sizes in bytes, as firmware would find them: below 4 GiB counted from 0, and what lies above 4 GiB.
    package init(memoryBelow4GiB: UInt64 = 0, memoryAbove4GiB: UInt64 = 0) {
        cells[Cell.registerA] = 0x26  // 32,768 Hz time base, the rate every BIOS sets
        cells[Cell.registerB] = Mode.hours24
        cells[Cell.registerD] = 0x80  // the battery is fine

        let mebibyte: UInt64 = 1 << 20
        let above1MiB = memoryBelow4GiB > mebibyte ? memoryBelow4GiB - mebibyte : 0
        let above16MiB = memoryBelow4GiB > 16 * mebibyte ? memoryBelow4GiB - 16 * mebibyte : 0
        let extended = Swift.min(above1MiB >> 10, 0xffff)
        cells.store(Swift.min(memoryBelow4GiB >> 10, 640), at: 0x15, count: 2)  // KiB of base memory
        cells.store(extended, at: 0x17, count: 2)  // KiB above 1 MiB
        cells.store(extended, at: 0x30, count: 2)  // the same as found by the power-on test
        cells.store(Swift.min(above16MiB >> 16, 0xffff), at: 0x34, count: 2)  // 64 KiB units above 16 MiB
        cells.store(Swift.min(memoryAbove4GiB >> 16, 0xff_ffff), at: 0x5b, count: 3)  // 64 KiB units above 4 GiB
    }

    /// A machine reset leaves the battery-backed clock and memory alone but for the interrupt enables and flags.
    package mutating func reset() {
        index = 0
        isNMIMasked = false
        cells[Cell.registerB] &= ~0x78
        flags = 0
    }

    /// A read of register C clears its flags.
    package mutating func read(_ register: Int, now: WallTime) -> UInt8 {
        advance(to: now)
        defer { if register == Register.data, index == Cell.registerC { flags = 0 } }
        return inspect(register, now: now)
    }

    /// Port 0x70 cannot be read back.
    package func inspect(_ register: Int, now: WallTime) -> UInt8 {
        guard register == Register.data else { return 0xff }
        switch index {
        case Cell.registerA: return cells[index] | (isUpdating(now) ? 0x80 : 0)
        case Cell.registerC:
            // What happens until then sets flags, too.
            var later = self
            later.advance(to: now)
            return later.flags | (later.interruptLevel ? 0x80 : 0)
        default: return isRunning && Cell.time.contains(index) ? timeCell(index, now: now) : cells[index]
        }
    }

    package mutating func write(_ value: UInt8, to register: Int, now: WallTime) -> WriteResponse {
        advance(to: now)
        switch (register, index) {
        case (Register.index, _):
            index = Int(value & 0x7f)
            isNMIMasked = value[bit: 7]
        case (_, Cell.registerA): control(value & 0x7f, now: now)
        // SET switches the update-ended interrupt off.
        case (_, Cell.registerB): control(value & Mode.set == 0 ? value : value & ~Flag.update, now: now)
        case (_, Cell.registerC), (_, Cell.registerD):
            break  // read-only
        case (_, let cell) where Cell.time.contains(cell) && isRunning:
            freeze(now: now)
            cells[cell] = value
            adopt(now: now)
        default:
            cells[index] = value
        }
        return WriteResponse()
    }

    /// Writes register A or B, whichever is selected: both can stop the clock and set it going.
    private mutating func control(_ value: UInt8, now: WallTime) {
        let (wasRunning, wasDividing) = (isRunning, isDividing)
        if wasRunning { freeze(now: now) }
        cells[index] = value
        // The first update comes half a second after the divider's reset has ended.
        if !wasDividing, isDividing { phase = (1_500_000_000 - now.nanosecond) % 1_000_000_000 }
        if isRunning, !wasRunning { adopt(now: now) }
        lastPeriod = periods(at: now)
    }

    // MARK: Time

    /// Register A's bits 6 to 4 do not hold the divider in reset.
    var isDividing: Bool { cells[Cell.registerA] & 0x70 <= 0x20 }
    var isRunning: Bool { isDividing && cells[Cell.registerB] & Mode.set == 0 }
    private var isBinary: Bool { cells[Cell.registerB] & Mode.binary != 0 }
    private var is24Hours: Bool { cells[Cell.registerB] & Mode.hours24 != 0 }

    /// What the running clock shows in one of `Cell.time`, coded as register B asks.
    private func timeCell(_ cell: Int, now: WallTime) -> UInt8 {
        let time = CalendarTime(WallTime(second(at: now)))
        switch cell {
        case Cell.seconds: return encode(time.second)
        case Cell.minutes: return encode(time.minute)
        case Cell.hours: return encode(hour: time.hour)
        case Cell.weekday: return encode(time.weekday)
        case Cell.day: return encode(time.day)
        case Cell.month: return encode(time.month)
        case Cell.year: return encode(time.year % 100)
        default: return encode(time.year / 100 % 100)
        }
    }

    /// Copies the running time into the cells.
    private mutating func freeze(now: WallTime) {
        for cell in Cell.time { cells[cell] = timeCell(cell, now: now) }
    }

    /// Takes the time in the cells for the present. The weekday follows from the date. Dates before 1970 and bytes
    /// that are no numbers in the mode in force give some time or other.
    private mutating func adopt(now: WallTime) {
        let hours = cells[Cell.hours]
        let time = CalendarTime(
            year: decode(cells[Cell.century]) * 100 + decode(cells[Cell.year]),
            month: decode(cells[Cell.month]),
            day: decode(cells[Cell.day]),
            hour: is24Hours ? decode(hours) : decode(hours & 0x7f) % 12 + (hours[bit: 7] ? 12 : 0),
            minute: decode(cells[Cell.minutes]),
            second: decode(cells[Cell.seconds])
        )
        offset = time.wallTime.seconds &- now.seconds &- Int64((now.nanosecond + phase) / 1_000_000_000)
        lastSecond = second(at: now)
    }

    /// The second that the running clock shows; moments more than 35 million years away count as that far.
    func second(at now: WallTime) -> Int64 {
        let second = now.seconds &+ offset &+ Int64((now.nanosecond + phase) / 1_000_000_000)
        return Swift.min(Swift.max(second, -1 << 50), 1 << 50)
    }

    /// Nanoseconds to the next one.
    func untilUpdate(_ now: WallTime) -> UInt64 { 1_000_000_000 - (now.nanosecond + phase) % 1_000_000_000 }

    func encode(hour: Int64) -> UInt8 {
        is24Hours ? encode(hour) : encode((hour + 11) % 12 + 1) | (hour >= 12 ? 0x80 : 0)
    }

    /// `number`, 0 to 99, in binary or as two decimal digits; the calendar's negative years lose their sign.
    func encode(_ number: Int64) -> UInt8 {
        let value = UInt8(truncatingIfNeeded: number.magnitude)
        return isBinary ? value : (value / 10) << 4 | value % 10
    }

    private func decode(_ value: UInt8) -> Int64 {
        isBinary ? Int64(value) : Int64(value >> 4) * 10 + Int64(value & 15)
    }
}
