// What a debugger does to a GIC by hand, as a value: a machine is asked one thing for all of the commands, whichever
// version its GIC has.

/// Something done to a GIC by hand. `cpu` is whose, of a private interrupt.
package enum GICRequest: Hashable, Sendable {
    /// Without `how`, as the interrupt's trigger wants it.
    case inject(Int, cpu: Int, Injection?)
    case lower(Int, cpu: Int)
    /// Takes back what is pending.
    case clear(Int, cpu: Int)
    case send(sgi: Int, from: Int, to: SoftwareTarget)
    case mask(Int, cpu: Int, Bool)
    case priority(Int, cpu: Int, UInt8)
    /// To the processors of a mask.
    case route(Int, to: UInt64)
    case group(Int, cpu: Int, isOne: Bool)

    /// How an interrupt is made by hand.
    package enum Injection: Hashable, Sendable {
        /// The pending state is set as by an edge, whatever the trigger is.
        case edge
        /// The input goes up and stays up.
        case level
        /// The input goes up and down.
        case pulse
    }

    /// Whom an SGI goes to: a GICv2's three target filters. A GICv3 has the same but for `itself`, which is a list of one.
    package enum SoftwareTarget: Hashable, Sendable {
        case mask(UInt64)
        case others
        case itself
    }
}

extension GICv2 {
    /// `facts` has one row a processor, for the prospect.
    package mutating func perform(_ request: GICRequest, _ facts: [ProcessorFacts], at now: Moment) -> InterruptDeed {
        switch request {
        case .inject(let id, let cpu, let how): inject(id, cpu: cpu, how, facts, at: now)
        case .lower(let id, let cpu): lower(id, cpu: cpu, at: now)
        case .clear(let id, let cpu): clear(id, cpu: cpu, at: now)
        case .send(let id, let sender, let target): send(sgi: id, from: sender, to: target, facts, at: now)
        case .mask(let id, let cpu, let isMasked): setMask(id, cpu: cpu, isMasked, facts, at: now)
        case .priority(let id, let cpu, let value): setPriority(id, cpu: cpu, value, facts, at: now)
        case .route(let id, let mask): route(id, to: UInt8(truncatingIfNeeded: mask), facts, at: now)
        case .group(let id, let cpu, let isOne): setGroup(id, cpu: cpu, isOne: isOne, facts, at: now)
        }
    }
}
