// One counter of the 8254: datasheet 231164-005 (Intel, September 1993). Time is the number of input clocks since
// some moment, 1,193,182 a second; nothing runs between the calls, everything follows from when the count was loaded.

import Primitives

/// A counter with its registers, its GATE input and its OUT output.
package struct PITChannel: Equatable, Sendable {
    /// How the control word says the count is written and read.
    package enum Access: UInt8, Sendable {
        case low = 1
        case high = 2
        case both = 3
    }

    /// What was written to the count register and has not reached the counting element (null count).
    private struct Waiting: Equatable {
        let count: UInt64
        /// The clock at which it takes over: the end of the half cycle (mode 3) or cycle (mode 2). Nil where it waits
        /// for a trigger.
        let at: UInt64?
    }

    /// 0 to 5.
    package private(set) var mode = 0
    /// Bits 3 to 1 of the control word, which the status shows as written: 6 and 7 are modes 2 and 3 too.
    private var modeBits: UInt8 = 0
    package private(set) var isDecimal = false
    package private(set) var access = Access.both
    package private(set) var gate: Bool
    /// The count that the counting element was loaded with, 1 to 65,536; nil before the first.
    package private(set) var count: UInt64?
    /// When it was, or will be, loaded.
    private var start: UInt64?
    /// How far it had counted when GATE stopped it.
    private var stoppedAfter: UInt64?
    private var waiting: Waiting?
    /// How far mode 0 had counted when the first of two bytes came, which stops it with OUT low.
    private var halfWrittenAfter: UInt64?
    private var lowWritten: UInt8?
    private var readsHigh = false
    private var latchedCount: UInt16?
    private var latchedStatus: UInt8?

    init(gate: Bool) { self.gate = gate }

    private var isPeriodic: Bool { mode == 2 || mode == 3 }
    private var isTriggered: Bool { mode == 1 || mode == 5 }
    private var modulus: UInt64 { isDecimal ? 10_000 : 65_536 }

    // MARK: Time

    /// Clocks since the count was loaded; nil before.
    private func elapsed(_ now: UInt64) -> UInt64? {
        if let stopped = halfWrittenAfter ?? stoppedAfter { return stopped }
        guard let start, now &- start < 1 << 63 else { return nil }
        return now &- start
    }

    /// Lets a count that waits for the end of its predecessor take over.
    mutating func takeNextCount(at now: UInt64) {
        guard let next = waiting, let end = next.at, now >= end, stoppedAfter == nil else { return }
        // Mode 3 changes over in the middle as well: the second half of the new count follows the first of the old.
        let isHalf = mode == 3 && count.map { (end &- (start ?? 0)) % $0 != 0 } == true
        start = isHalf ? end &- (next.count + 1) / 2 : end
        count = next.count
        waiting = nil
    }

    /// The level of OUT.
    package func output(at now: UInt64) -> Bool {
        guard let count else { return mode != 0 }
        if halfWrittenAfter != nil { return false }
        if isPeriodic, !gate { return true }
        guard let elapsed = elapsed(now) else { return mode != 0 }
        switch mode {
        case 0, 1: return elapsed >= count
        case 2: return elapsed % count != count - 1
        case 3: return elapsed % count < (count + 1) / 2
        default: return elapsed != count
        }
    }

    /// When OUT next rises after `now`; nil if it does not.
    func nextRise(after now: UInt64) -> UInt64? {
        guard let count, let start, stoppedAfter == nil, halfWrittenAfter == nil else { return nil }
        if isPeriodic {
            guard gate, count > 1 else { return nil }
            let rise = start &+ ((now &- start < 1 << 63 ? (now &- start) / count : 0) + 1) * count
            guard let waiting, let end = waiting.at, rise > end else { return rise }
            return end &+ waiting.count / 2  // the low half of mode 3 comes first
        }
        let end = start &+ count &+ (mode >= 4 ? 1 : 0)
        return end > now ? end : nil
    }

    /// The counting element, as a read gives it in the control word's number system.
    package func current(at now: UInt64) -> UInt16 {
        guard let count else { return 0 }
        let elapsed = elapsed(now) ?? 0
        let value: UInt64
        switch mode {
        case 2: value = count - elapsed % count
        case 3:
            let phase = elapsed % count
            let half = (count + 1) / 2
            value = (count & ~1) - 2 * (phase < half ? phase : phase - half)
        default: value = (count + modulus - elapsed % modulus) % modulus
        }
        return encode(value % modulus)
    }

    // MARK: Registers

    /// A control word that chooses mode and access (bits 5 to 0). OUT goes to its initial level.
    mutating func control(_ value: UInt8) {
        modeBits = value[bits: 1...3]
        mode = Int(modeBits > 5 ? modeBits - 4 : modeBits)
        isDecimal = value[bit: 0]
        access = Access(rawValue: value[bits: 4...5]) ?? .both
        count = nil
        start = nil
        stoppedAfter = nil
        waiting = nil
        halfWrittenAfter = nil
        lowWritten = nil
        readsHigh = false
        latchedCount = nil
        latchedStatus = nil
    }

    /// The counter latch command: what is latched already stays.
    mutating func latchCount(at now: UInt64) {
        if latchedCount == nil { latchedCount = current(at: now) }
    }

    /// The status of the read-back command: OUT, null count, and the control word.
    mutating func latchStatus(at now: UInt64) {
        if latchedStatus == nil { latchedStatus = status(at: now) }
    }

    private func status(at now: UInt64) -> UInt8 {
        let isNull = count == nil || waiting != nil || halfWrittenAfter == nil && elapsed(now) == nil
        var value = access.rawValue << 4 | modeBits << 1 | (isDecimal ? 1 : 0)
        value[bit: 7] = output(at: now)
        value[bit: 6] = isNull
        return value
    }

    mutating func read(at now: UInt64) -> UInt8 {
        if let status = latchedStatus {
            latchedStatus = nil
            return status
        }
        let value = latchedCount ?? current(at: now)
        let isHigh = access == .high || access == .both && readsHigh
        if access == .both { readsHigh.toggle() }
        if access != .both || !readsHigh { latchedCount = nil }
        return UInt8(truncatingIfNeeded: isHigh ? value >> 8 : value)
    }

    /// What `read` would give, without moving on.
    func inspect(at now: UInt64) -> UInt8 {
        var copy = self
        copy.takeNextCount(at: now)
        return copy.read(at: now)
    }

    /// Writes the count, one byte a time.
    mutating func write(_ value: UInt8, at now: UInt64) {
        switch access {
        case .low: load(UInt16(value), at: now)
        case .high: load(UInt16(value) << 8, at: now)
        case .both:
            guard let low = lowWritten else {
                lowWritten = value
                if mode == 0, count != nil { halfWrittenAfter = elapsed(now) ?? 0 }
                return
            }
            lowWritten = nil
            load(UInt16(value) << 8 | UInt16(low), at: now)
        }
    }

    /// The count register has its count: when that gets to the counting element depends on the mode ("Mode
    /// Definitions").
    private mutating func load(_ raw: UInt16, at now: UInt64) {
        let new = decode(raw)
        halfWrittenAfter = nil
        if isTriggered || isPeriodic && count != nil && !gate {
            waiting = Waiting(count: new, at: nil)
        } else if isPeriodic, let count, let start, now &- start < 1 << 63 {
            let phase = (now &- start) % count
            let half = mode == 3 && phase < (count + 1) / 2 ? (count + 1) / 2 : count
            waiting = Waiting(count: new, at: now &- phase &+ half)
        } else {
            restart(with: new, at: now)
            stoppedAfter = gate ? nil : 0
        }
    }

    /// Loads the counting element with the next clock.
    private mutating func restart(with new: UInt64, at now: UInt64) {
        count = new
        start = now + 1
        waiting = nil
    }

    /// The level of GATE changes.
    mutating func setGate(_ level: Bool, at now: UInt64) {
        defer { gate = level }
        guard level != gate, let next = waiting?.count ?? count else { return }
        if isTriggered {
            if level { restart(with: next, at: now) }
        } else if !level {
            stoppedAfter = elapsed(now) ?? 0
        } else if let passed = stoppedAfter {
            // In modes 2 and 3 a rising GATE starts anew, in 0 and 4 it lets the count go on.
            if isPeriodic { restart(with: next, at: now) } else { start = now &- passed }
            stoppedAfter = nil
        }
    }

    private func decode(_ raw: UInt16) -> UInt64 {
        guard isDecimal else { return raw == 0 ? 65_536 : UInt64(raw) }
        let value = (0..<4).reversed().reduce(0 as UInt64) { $0 * 10 + UInt64(raw >> UInt16($1 * 4) & 0xf) }
        return value == 0 ? 10_000 : value
    }

    private func encode(_ value: UInt64) -> UInt16 {
        guard isDecimal else { return UInt16(truncatingIfNeeded: value) }
        var (rest, result) = (value, 0 as UInt16)
        for digit in 0..<4 {
            result |= UInt16(rest % 10) << UInt16(digit * 4)
            rest /= 10
        }
        return result
    }
}
