// What a debugger asks of interrupt controllers, as a value: the same for every kind of them. A controller refuses what it
// does not have.

import Primitives

/// A request to the interrupt controllers of a machine. `cpu` is the processor of a private interrupt.
package enum InterruptRequest: Hashable, Sendable {
    /// Without `Injection`, as the interrupt's trigger mode wants it.
    case inject(Int, cpu: Int, Injection?)
    case lower(Int, cpu: Int)
    /// Clears a pending interrupt: on a GIC by its number, on a PC by its vector in the local APIC of `cpu`.
    case clear(Int, cpu: Int)
    case mask(Int, cpu: Int, Bool)
    /// On a GIC to the processors of a mask, on a PC to an APIC destination.
    case route(Int, to: UInt64)

    // On a GIC.
    case priority(Int, cpu: Int, UInt8)
    case group(Int, cpu: Int, isOne: Bool)
    case send(sgi: Int, from: Int, to: SoftwareTarget)

    // On a PC.
    case vector(UInt8, cpu: Int)
    case interprocessor(UInt8, to: [Int])
    case message(InterruptMessage)
    case nonMaskable([Int])

    // About the record of events.
    case record(Bool)
    case clearRecord

    package enum Injection: Hashable, Sendable {
        /// On a GIC the pending state is set as by an edge, whatever the trigger is; on a PC the same as `pulse`.
        case edge
        /// The input goes up and stays up.
        case level
        /// The input goes up and down.
        case pulse
    }

    /// The receivers of an SGI: a GICv2's three target filters. A GICv3 has the same but for `itself`, a list of one.
    package enum SoftwareTarget: Hashable, Sendable {
        case mask(UInt64)
        case others
        case itself
    }
}

extension GICv2 {
    /// `facts` has one row a processor, for the forecast.
    package mutating func perform(
        _ request: InterruptRequest, _ facts: [ProcessorFacts], at now: ModelTime
    ) -> InterruptResult {
        switch request {
        case .inject(let id, let cpu, let how): inject(id, cpu: cpu, how, facts, at: now)
        case .lower(let id, let cpu): lower(id, cpu: cpu, at: now)
        case .clear(let id, let cpu): clear(id, cpu: cpu, at: now)
        case .send(let id, let sender, let target): send(sgi: id, from: sender, to: target, facts, at: now)
        case .mask(let id, let cpu, let isMasked): setMask(id, cpu: cpu, isMasked, facts, at: now)
        case .priority(let id, let cpu, let value): setPriority(id, cpu: cpu, value, facts, at: now)
        case .route(let id, let mask): route(id, to: UInt8(truncatingIfNeeded: mask), facts, at: now)
        case .group(let id, let cpu, let isOne): setGroup(id, cpu: cpu, isOne: isOne, facts, at: now)
        case .vector, .interprocessor, .message, .nonMaskable, .record, .clearRecord:
            InterruptResult(isDone: false, Self.notOfGIC)
        }
    }
}

extension InspectableGIC {
    /// The answer to a request that a GIC does not have.
    static var notOfGIC: String { "a GIC does not have that" }
}
