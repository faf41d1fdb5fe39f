import Interrupts

/// A GIC while everything stands still: a copy to look at, with what goes with it.
package struct GICView: Sendable {
    package var gic: any InspectableGIC
    /// What only the processors know, a row each.
    package var facts: [ProcessorFacts]
    package var now: Moment
    /// What happened, and when; nil for the kernel's GIC, which tells its state alone.
    package var journal: InterruptJournal?
    /// What drives an input, by its number.
    package var devices: [Int: String]

    package init(
        _ gic: any InspectableGIC, journal: InterruptJournal?, facts: [ProcessorFacts], now: Moment,
        devices: [Int: String] = [:]
    ) {
        self.gic = gic
        self.facts = facts
        self.now = now
        self.journal = journal
        self.devices = devices
    }
}
