// What the commands that look at a GIC need of it, whichever version it has.

/// A GIC to look at.
package protocol InspectableGIC: Sendable {
    /// Every interrupt there is: those of each processor, then the SPIs.
    var allRows: [InterruptRow] { get }

    /// Interrupt `id`; of a private one, processor `cpu`'s.
    func row(_ id: Int, _ cpu: Int) -> InterruptRow

    /// Every field of one interrupt; `device` is what drives its input, empty where that is not known.
    func describe(_ id: Int, cpu: Int, device: String, at now: ModelTime) -> String

    /// The way of interrupt `id`, to processor `cpu` or to all it goes to. `facts` has one row a processor.
    func explain(_ id: Int, cpu: Int?, _ facts: [ProcessorFacts]) -> [InterruptCheck]

    /// The Distributor and every processor's part, or that of `cpu` alone, decoded.
    func text(cpu: Int?) -> String

    /// Every register that is not 0, as processor `cpu` reads it.
    func rawText(cpu: Int) -> String

    var json: JSON { get }
    func json(cpu: Int) -> JSON
}

extension InspectableGIC {
    /// Every interrupt in use: pending, active, asserted, seen before, or a PPI or SPI that is enabled.
    package var rows: [InterruptRow] {
        allRows.filter { row in
            let isChosen = row.isEnabled && (row.number.line ?? 0) >= 16
            return row.isPending || row.isActive || row.isLineHigh || (row.count ?? 0) > 0 || isChosen
        }
    }

    /// What the kernel's has instead of counts and latencies.
    static var uncounted: String { "  counts and latencies: n/a (kernel irqchip)\n" }

    /// "SGI", "PPI" or "SPI".
    package static func kind(_ id: Int) -> String { id < 16 ? "SGI" : id < 32 ? "PPI" : "SPI" }
}

extension GICv2: InspectableGIC {}
