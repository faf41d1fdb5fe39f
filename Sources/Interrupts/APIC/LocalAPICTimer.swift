// The timer of the local APIC: Intel SDM volume 3, section 11.5.4. Its input clock runs at 1 GHz, as KVM's does.

import Primitives

/// Counts, and when they end. The mode is in the local vector table's entry.
struct LocalAPICTimer: Equatable, Sendable {
    /// A periodic timer does not come more often, in nanoseconds: a guest could occupy the host with it otherwise.
    static let shortestPeriod: UInt64 = 50_000

    /// TMICT.
    private(set) var initialCount: UInt32 = 0
    /// TDCR.
    private(set) var divide: UInt32 = 0
    /// IA32_TSC_DEADLINE; 0 when not armed.
    private(set) var deadline: UInt64 = 0
    /// When it is due, in nanoseconds of `ModelTime`; nil while it stands.
    private(set) var due: UInt64?

    /// Input clocks, and nanoseconds, for each count (figure 11-10).
    var divisor: UInt64 {
        let exponent = divide >> 1 & 4 | divide & 3
        return exponent == 7 ? 1 : 2 << UInt64(exponent)
    }

    /// TMCCT.
    func currentCount(at now: ModelTime) -> UInt32 {
        guard deadline == 0, let due, due > now.nanoseconds else { return 0 }
        return Swift.min(initialCount, UInt32(clamping: (due - now.nanoseconds + divisor - 1) / divisor))
    }

    /// A write to TMICT starts the count anew; zero stops it.
    mutating func setInitialCount(_ value: UInt32, at now: ModelTime) {
        initialCount = value
        due = value == 0 ? nil : now.nanoseconds &+ UInt64(value) * divisor
    }

    /// A running count continues from where it is, at the new pace.
    mutating func setDivide(_ value: UInt32, at now: ModelTime) {
        let count = UInt64(currentCount(at: now))
        divide = value & 0xb
        if deadline == 0, due != nil { due = now.nanoseconds &+ Swift.max(count, 1) * divisor }
    }

    /// The mode changed from or to TSC-deadline (section 11.5.4.1).
    mutating func disarm() {
        due = nil
        deadline = 0
        initialCount = 0
    }

    /// A write to IA32_TSC_DEADLINE: due when the time stamp counter, at `frequency` a second, gets to `value`. One
    /// that has passed is due at once, zero disarms.
    mutating func setDeadline(_ value: UInt64, frequency: UInt64, at now: ModelTime) {
        deadline = value
        if value == 0 {
            due = nil
        } else if value <= now.timeStamp {
            due = now.nanoseconds
        } else {
            let wait = scale(value - now.timeStamp, by: 1_000_000_000, over: frequency, roundingUp: true)
            let (sum, isBeyond) = now.nanoseconds.addingReportingOverflow(wait)
            due = isBeyond ? .max : sum
        }
    }

    /// Whether the timer was due by `now`; then it stands, or starts its next period. Periods that passed unnoticed
    /// come to one.
    mutating func expire(isPeriodic: Bool, at now: ModelTime) -> Bool {
        guard let end = due, end <= now.nanoseconds else { return false }
        deadline = 0
        due = nil
        if isPeriodic {
            let period = UInt64(initialCount) * divisor
            let passed = (now.nanoseconds - end) / period
            due = Swift.max(end + (passed + 1) * period, end + Self.shortestPeriod)
        }
        return true
    }
}
