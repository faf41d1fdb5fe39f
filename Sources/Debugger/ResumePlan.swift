import Primitives

/// What each vCPU is to do until the next stop.
package struct ResumePlan: Equatable, Sendable {
    package enum Action: Equatable, Sendable {
        case stay
        case run
        case step
        /// Steps while the program counter is in the range; one step where the range is empty.
        case stepRange(Range<VirtualAddress>)
    }

    /// One for each vCPU.
    package var actions: [Action]

    package init(actions: [Action]) { self.actions = actions }

    /// Every one of `count` vCPUs runs.
    package static func run(_ count: Int) -> ResumePlan {
        ResumePlan(actions: [Action](repeating: .run, count: count))
    }
}
