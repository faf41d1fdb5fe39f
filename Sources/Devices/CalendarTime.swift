// Seconds to calendar fields and back, in the Gregorian calendar and UTC, without leap seconds.
// Days are counted from 1 March of year 0, so that a leap day is the last day of its year, and in eras of 400 years,
// which all have the same length.

/// A moment as a calendar clock shows it.
struct CalendarTime: Hashable, Sendable {
    var year: Int64
    /// 1 to 12.
    var month: Int64
    /// 1 to 31.
    var day: Int64
    var hour: Int64
    var minute: Int64
    var second: Int64

    private static let secondsPerDay: Int64 = 86_400
    private static let daysPerEra: Int64 = 146_097
    /// From 0000-03-01 to 1970-01-01.
    private static let epoch: Int64 = 719_468

    /// 1 for Sunday to 7 for Saturday; 1970-01-01 was a Thursday.
    var weekday: Int64 { modulo(daysSince1970 + 4, 7) + 1 }

    init(year: Int64, month: Int64, day: Int64, hour: Int64, minute: Int64, second: Int64) {
        (self.year, self.month, self.day) = (year, month, day)
        (self.hour, self.minute, self.second) = (hour, minute, second)
    }

    /// Moments more than 35 million years away count as that far.
    init(_ time: WallTime) {
        let seconds = Swift.min(Swift.max(time.seconds, -1 << 50), 1 << 50)
        let secondOfDay = modulo(seconds, Self.secondsPerDay)
        let days = (seconds - secondOfDay) / Self.secondsPerDay + Self.epoch

        let dayOfEra = modulo(days, Self.daysPerEra)
        let era = (days - dayOfEra) / Self.daysPerEra
        // A leap day every 4 years, but for three centuries in four: take those days out, the rest is years of 365.
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153

        day = dayOfYear - Self.daysBefore(monthFromMarch) + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        (hour, minute, second) = (secondOfDay / 3_600, secondOfDay / 60 % 60, secondOfDay % 60)
    }

    /// Fields beyond their range carry over: 32 January is 1 February. Years within 0 to 99,999.
    var wallTime: WallTime {
        WallTime(daysSince1970 * Self.secondsPerDay + hour * 3_600 + minute * 60 + second)
    }

    private var daysSince1970: Int64 {
        let monthFromMarch = modulo(month - 3, 12)
        let marchYear = year + (month - 3 - monthFromMarch) / 12
        let yearOfEra = modulo(marchYear, 400)
        let era = (marchYear - yearOfEra) / 400
        let dayOfYear = Self.daysBefore(monthFromMarch) + day - 1
        return era * Self.daysPerEra + 365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - Self.epoch
    }

    /// Days from 1 March to the month's first: months repeat in groups of five with 153 days.
    private static func daysBefore(_ monthFromMarch: Int64) -> Int64 { (153 * monthFromMarch + 2) / 5 }
}

/// The remainder that is never negative.
private func modulo(_ a: Int64, _ b: Int64) -> Int64 {
    let remainder = a % b
    return remainder < 0 ? remainder + b : remainder
}
