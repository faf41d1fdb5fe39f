import Interrupts

/// A GIC while everything stands still: a copy to look at, with what goes with it.
package struct GICView: Sendable {
    package var gic: GICv2
    /// What only the processors know, a row each.
    package var facts: [ProcessorFacts]
    package var now: Moment
    /// False for the kernel's GIC: it tells its state, but not what happened when.
    package var isRecorded: Bool
    /// What drives an input, by its number.
    package var devices: [Int: String]

    package init(
        _ gic: GICv2, facts: [ProcessorFacts], now: Moment, isRecorded: Bool, devices: [Int: String] = [:]
    ) {
        self.gic = gic
        self.facts = facts
        self.now = now
        self.isRecorded = isRecorded
        self.devices = devices
    }
}
