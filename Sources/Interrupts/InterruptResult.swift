// The answer to an InterruptRequest, and whether the interrupt reaches a processor.

/// What a request came to.
package struct InterruptResult: Equatable, Sendable {
    /// Whether the interrupt is delivered when the machine resumes.
    package enum Forecast: Hashable, Sendable {
        /// The request does not make an interrupt pending.
        case none
        case delivers
        case blocked(InterruptCheck)
    }

    /// False: it was refused, and nothing changed.
    package let isDone: Bool
    /// What was done, or why not.
    package let text: String
    package let forecast: Forecast
    /// What the machine has to do about it.
    package let outcome: InterruptOutcome

    package init(
        isDone: Bool = true, _ text: String, forecast: Forecast = .none, outcome: InterruptOutcome = InterruptOutcome()
    ) {
        self.isDone = isDone
        self.text = text
        self.forecast = forecast
        self.outcome = outcome
    }
}

extension InterruptResult: CustomStringConvertible {
    package var description: String {
        switch forecast {
        case .none: text
        case .delivers: text + "\nwill deliver on resume"
        case .blocked(let check): text + "\nBLOCKED: \(check.reason) (\(check.stage), \(check.condition))"
        }
    }
}
