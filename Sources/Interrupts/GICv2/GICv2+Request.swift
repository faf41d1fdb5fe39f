// The commands of GICv2+Commands as values, so that a machine is asked one thing for all of them.

import Primitives

extension GICv2 {
    /// Something done to a GIC by hand. `cpu` is whose, of a private interrupt.
    package enum Request: Hashable, Sendable {
        /// Without `how`, as the interrupt's trigger wants it.
        case inject(Int, cpu: Int, Injection?)
        case lower(Int, cpu: Int)
        /// Takes back what is pending.
        case clear(Int, cpu: Int)
        case send(sgi: Int, from: Int, to: SoftwareTarget)
        case mask(Int, cpu: Int, Bool)
        case priority(Int, cpu: Int, UInt8)
        case route(Int, to: UInt8)
        case group(Int, cpu: Int, isOne: Bool)
    }

    /// `facts` has one row a processor, for the prospect.
    package mutating func perform(_ request: Request, _ facts: [ProcessorFacts], at now: Moment) -> InterruptDeed {
        switch request {
        case .inject(let id, let cpu, let how): inject(id, cpu: cpu, how, facts, at: now)
        case .lower(let id, let cpu): lower(id, cpu: cpu, at: now)
        case .clear(let id, let cpu): clear(id, cpu: cpu, at: now)
        case .send(let id, let sender, let target): send(sgi: id, from: sender, to: target, facts, at: now)
        case .mask(let id, let cpu, let isMasked): setMask(id, cpu: cpu, isMasked, facts, at: now)
        case .priority(let id, let cpu, let value): setPriority(id, cpu: cpu, value, facts, at: now)
        case .route(let id, let mask): route(id, to: mask, facts, at: now)
        case .group(let id, let cpu, let isOne): setGroup(id, cpu: cpu, isOne: isOne, facts, at: now)
        }
    }
}
