// Who holds an input up: a line is high while any of its sources holds it.

import Primitives

/// The levels of up to 32 inputs, each kept for every source by itself.
package struct LineLevels: Equatable, Sendable {
    package enum Source: Int, CaseIterable, Sendable {
        case device
        /// The 8254's counter 0.
        case timer
        /// Raised by hand.
        case debugger

        var cause: InterruptEvent.Cause {
            switch self {
            case .device: .line
            case .timer: .intervalTimer
            case .debugger: .debugger
            }
        }
    }

    /// By source.
    private var held = [UInt32](repeating: 0, count: Source.allCases.count)

    package init() {}

    /// The level of `line`.
    package subscript(line: Int) -> Bool { held.contains { $0[bit: line] } }

    /// Whether `source` holds `line` up.
    package func isHeld(_ line: Int, by source: Source) -> Bool { held[source.rawValue][bit: line] }

    package mutating func set(_ line: Int, _ level: Bool, by source: Source) {
        held[source.rawValue][bit: line] = level
    }

    /// `source` lets go of everything.
    package mutating func release(_ source: Source) { held[source.rawValue] = 0 }
}
