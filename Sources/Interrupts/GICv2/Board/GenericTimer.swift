// The virtual timer of Arm's generic timer as a memory-mapped frame, one for each processor (Arm DDI 0487, "CNTBaseN").
// Of the frame's registers: the counter, its frequency, and the virtual timer. The physical counter shows the same
// count; there is no physical timer and no second frame.

import Primitives

/// A 64-bit up-counter that never stops, and a comparator on it.
package struct GenericTimer: Hashable, Sendable {
    /// Ticks a second: 16 ns each.
    package static let frequency: UInt32 = 62_500_000
    private static let nanosecondsPerTick = 1_000_000_000 / UInt64(frequency)
    package static let frameSize = 0x1000

    package enum Register: Int, CaseIterable, Sendable {
        case physicalCountLow = 0x00
        case physicalCountHigh = 0x04
        case virtualCountLow = 0x08
        case virtualCountHigh = 0x0c
        case frequency = 0x10
        case compareLow = 0x30
        case compareHigh = 0x34
        /// The comparator as the signed 32-bit distance from now.
        case value = 0x38
        case control = 0x3c
    }

    /// CNTV_CTL: bit 2, ISTATUS, is made when it is read.
    private struct Control: Hashable, Sendable {
        var isEnabled = false
        var isMasked = false
    }

    private var control = Control()
    package private(set) var compare: UInt64 = 0

    package init() {}

    package static func count(at now: ModelTime) -> UInt64 { now.nanoseconds / nanosecondsPerTick }

    private func hasReached(at now: ModelTime) -> Bool { control.isEnabled && Self.count(at: now) >= compare }

    /// The level of the timer's output, the line of its PPI.
    package func output(at now: ModelTime) -> Bool { hasReached(at: now) && !control.isMasked }

    /// When the output rises by itself, in nanoseconds of `ModelTime`; nil where it does not.
    package func deadline(after now: ModelTime) -> UInt64? {
        guard control.isEnabled, !control.isMasked, !hasReached(at: now) else { return nil }
        let (time, overflow) = compare.multipliedReportingOverflow(by: Self.nanosecondsPerTick)
        return overflow ? nil : time
    }

    package func read(_ register: Register, at now: ModelTime) -> UInt32 {
        let count = Self.count(at: now)
        switch register {
        case .physicalCountLow, .virtualCountLow: return UInt32(truncatingIfNeeded: count)
        case .physicalCountHigh, .virtualCountHigh: return UInt32(truncatingIfNeeded: count >> 32)
        case .frequency: return Self.frequency
        case .compareLow: return UInt32(truncatingIfNeeded: compare)
        case .compareHigh: return UInt32(truncatingIfNeeded: compare >> 32)
        case .value: return UInt32(truncatingIfNeeded: compare &- count)
        case .control:
            var value: UInt32 = 0
            value[bit: 0] = control.isEnabled
            value[bit: 1] = control.isMasked
            value[bit: 2] = hasReached(at: now)
            return value
        }
    }

    /// The counter and its frequency are read-only.
    package mutating func write(_ value: UInt32, to register: Register, at now: ModelTime) {
        switch register {
        case .physicalCountLow, .physicalCountHigh, .virtualCountLow, .virtualCountHigh, .frequency: break
        case .compareLow: compare[bits: 0...31] = UInt64(value)
        case .compareHigh: compare[bits: 32...63] = UInt64(value)
        case .value:
            let distance = Int64(Int32(bitPattern: value))
            compare = Self.count(at: now) &+ UInt64(bitPattern: distance)
        case .control: control = Control(isEnabled: value[bit: 0], isMasked: value[bit: 1])
        }
    }
}
