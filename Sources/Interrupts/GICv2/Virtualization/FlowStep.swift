// What happens on the way of an interrupt to a guest, step by step.

/// One step of one interrupt.
package struct FlowStep: Hashable, Sendable {
    package enum Kind: Hashable, Sendable, CaseIterable {
        // The host's side of a physical interrupt.
        case physicalAcknowledge
        case physicalDrop
        // Where it comes from.
        case raise
        case lower
        case send
        // The hypervisor's list.
        case queue
        case kick
        case enter
        case fill
        case withhold
        case overflow
        // The guest's interface.
        case signal
        case acknowledge
        case drop
        case end
        case physicalDeactivate
        case unlistedEnd
        case maintenance
        // Back in the hypervisor.
        case exit
        case fold
        case resample
        case unqueue
        case migrate
    }

    /// From 0, in the order of happening.
    package internal(set) var number: UInt64 = 0
    package let kind: Kind
    /// The vCPU concerned, where there is one.
    package let cpu: Int?
    /// The virtual interrupt, where the step is about one.
    package let id: Int?
    package let flow: VirtualInterrupt.Flow?
    /// The list register and its content after the step.
    package let list: Int?
    package let content: ListRegister
    /// The physical interrupt, the source of an SGI, or GICH_MISR, as the kind has it.
    package let argument: Int
}

extension FlowStep.Kind {
    /// The word in the second column of `irq flows`.
    package var name: String {
        switch self {
        case .physicalAcknowledge: "host-ack"
        case .physicalDrop: "host-drop"
        case .raise: "raise"
        case .lower: "lower"
        case .send: "send"
        case .queue: "queue"
        case .kick: "kick"
        case .enter: "enter"
        case .fill: "fill"
        case .withhold: "withhold"
        case .overflow: "overflow"
        case .signal: "signal"
        case .acknowledge: "ack"
        case .drop: "drop"
        case .end: "end"
        case .physicalDeactivate: "host-end"
        case .unlistedEnd: "unlisted-end"
        case .maintenance: "maintenance"
        case .exit: "exit"
        case .fold: "fold"
        case .resample: "resample"
        case .unqueue: "unqueue"
        case .migrate: "migrate"
        }
    }
}

/// The last steps, in a ring of fixed size.
package struct FlowRecord: Equatable, Sendable {
    package let capacity: Int
    private var ring: [FlowStep] = []
    /// How many steps there were, kept or overwritten.
    package private(set) var total: UInt64 = 0

    package init(capacity: Int) {
        precondition(capacity > 0, "a record of no steps")
        self.capacity = capacity
    }

    mutating func append(_ step: FlowStep) {
        var step = step
        step.number = total
        if ring.count < capacity { ring.append(step) } else { ring[Int(total % UInt64(capacity))] = step }
        total += 1
    }

    /// Those still there, oldest first.
    package var steps: [FlowStep] {
        let count = UInt64(ring.count)
        return (total - count..<total).map { ring[Int($0 % UInt64(capacity))] }
    }

    package mutating func clear() { self = Self(capacity: capacity) }
}
