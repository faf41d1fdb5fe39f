import Interrupts

/// The interrupt controllers while everything stands still: a copy to look at, with what goes with it.
package struct InterruptView: Sendable {
    package var controllers: PCInterruptController
    /// Each local APIC's page of registers.
    package var locals: [LocalAPICRegisters]
    /// What only the processors know, a row each.
    package var facts: [ProcessorFacts]
    package var now: Moment
    /// What is known of what happened, and when.
    package enum Record: Sendable {
        case everything
        /// The local APICs are the kernel's: inputs, what they sent, and what the 8259 pair delivered.
        case lines
        /// The kernel's controllers tell their state, nothing else.
        case nothing
    }

    package var record: Record

    /// `locals` are the controllers' own where they are not given.
    package init(
        _ controllers: PCInterruptController, locals: [LocalAPICRegisters]? = nil, facts: [ProcessorFacts], now: Moment,
        record: Record
    ) {
        self.controllers = controllers
        self.locals = locals ?? controllers.locals.map { $0.registers(at: now) }
        self.facts = facts
        self.now = now
        self.record = record
    }

    /// `row` without counts that nobody has made.
    package func known(_ row: InterruptRow) -> InterruptRow {
        guard record == .nothing || (record == .lines && row.processor != nil) else { return row }
        var row = row
        (row.count, row.last) = (nil, nil)
        return row
    }
}

/// Something done to the interrupt controllers by hand.
package enum InterruptAction: Equatable, Sendable {
    /// Raises or lowers an input, as its device would.
    case setLine(Int, Bool)
    /// Low for a moment, then high again, then low: one edge.
    case pulse(Int)
    case mask(Int, Bool)
    case route(Int, destination: UInt8)
    case message(InterruptMessage)
    case nonMaskable(processor: Int)
    /// Takes back a vector that a local APIC has accepted.
    case clear(vector: UInt8, processor: Int)
    case record(Bool)
    case clearRecord
}
