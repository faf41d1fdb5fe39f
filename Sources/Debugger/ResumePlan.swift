import Primitives

/// What each vCPU is to do until the next stop.
package struct ResumePlan: Equatable, Sendable {
    package enum Action: Equatable, Sendable {
        case stay
        case run
        case step
        /// Steps while the program counter is in the range; one step where the range is empty.
        case stepRange(Range<VirtualAddress>)
        /// Continues what it did when the machine paused.
        case proceed
    }

    /// One for each vCPU.
    package var actions: [Action]
    /// Each vCPU's stop is reported by itself (non-stop mode): none stands for another's.
    package var reportsEach = false

    package init(actions: [Action], reportsEach: Bool = false) {
        self.actions = actions
        self.reportsEach = reportsEach
    }

    /// Every one of `count` vCPUs runs.
    package static func run(_ count: Int) -> ResumePlan {
        ResumePlan(actions: [Action](repeating: .run, count: count))
    }
}
