// What a debugger did to an interrupt by hand, and whether anything comes of it.

/// What a command came to.
package struct InterruptDeed: Equatable, Sendable {
    /// Whether the interrupt will get to a processor now.
    package enum Prospect: Hashable, Sendable {
        /// The command was not about that.
        case none
        case delivers
        case blocked(InterruptCheck)
    }

    /// False: it was refused, and nothing changed.
    package let isDone: Bool
    /// What was done or why not, for people.
    package let text: String
    package let prospect: Prospect
    /// What the machine has to do about it.
    package let outcome: InterruptOutcome
}

extension InterruptDeed: CustomStringConvertible {
    package var description: String {
        switch prospect {
        case .none: text
        case .delivers: text + "\nwill deliver on resume"
        case .blocked(let check): text + "\nBLOCKED: \(check.reason) (\(check.stage), \(check.condition))"
        }
    }
}
