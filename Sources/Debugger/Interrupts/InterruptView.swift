import Interrupts

/// The interrupt controllers while the machine is stopped: a copy, with what goes with it.
package struct InterruptView: Sendable {
    package enum Controllers: Sendable {
        /// With each local APIC's page of registers.
        case pc(PCInterruptController, pages: [LocalAPICRegisters])
        case gic(any InspectableGIC)
    }

    /// How much of the interrupt events is recorded.
    package enum Record: Sendable {
        case everything
        /// The local APICs are the kernel's: inputs, what they sent, and what the 8259 pair delivered.
        case lines
        /// The kernel's controllers report their state only.
        case nothing
    }

    package let controllers: Controllers
    /// The events; nil where nothing is recorded.
    package let journal: InterruptJournal?
    package let record: Record
    /// What only the processors know, a row each.
    package let facts: [ProcessorFacts]
    package let now: ModelTime
    /// What drives an input, by its number.
    package let devices: [Int: String]

    /// A PC. The pages of registers are the controllers' own where none are given.
    package init(
        _ pc: PCInterruptController, pages: [LocalAPICRegisters]? = nil, facts: [ProcessorFacts], now: ModelTime,
        record: Record
    ) {
        controllers = .pc(pc, pages: pages ?? pc.locals.map { $0.registers(at: now) })
        journal = record == .nothing ? nil : pc.journal
        self.record = record
        self.facts = facts
        self.now = now
        devices = [:]
    }

    /// A GIC; the kernel's has no journal.
    package init(
        _ gic: any InspectableGIC, journal: InterruptJournal?, facts: [ProcessorFacts], now: ModelTime,
        devices: [Int: String] = [:]
    ) {
        controllers = .gic(gic)
        self.journal = journal
        record = journal == nil ? .nothing : .everything
        self.facts = facts
        self.now = now
        self.devices = devices
    }
}

// What every kind of controllers shows.
extension InterruptView {
    /// Every interrupt.
    var allRows: [InterruptRow] {
        switch controllers {
        case .pc(let pc, _): pc.rows.map(known)
        case .gic(let gic): gic.allRows
        }
    }

    /// Those that are listed unless a selection is asked for: of a GIC, those in use.
    var rows: [InterruptRow] {
        switch controllers {
        case .pc: allRows
        case .gic(let gic): gic.rows
        }
    }

    /// `row` without counts that were not made.
    private func known(_ row: InterruptRow) -> InterruptRow {
        guard record == .nothing || (record == .lines && row.processor != nil) else { return row }
        var row = row
        (row.count, row.last) = (nil, nil)
        return row
    }

    /// Interrupt `id`, of a private one processor `cpu`'s; nil for an input that is not wired.
    func row(_ id: Int, cpu: Int) -> InterruptRow? {
        switch controllers {
        case .pc(let pc, _): pc.pin(of: id).map { known(pc.row(ofPin: $0)) }
        case .gic(let gic): gic.row(id, cpu)
        }
    }

    /// `row` with all that is known of it.
    func description(of row: InterruptRow, _ id: Int, cpu: Int) -> String {
        switch controllers {
        case .pc: [row].text(at: now) + (journal?.statistics.text(row.number) ?? "")
        case .gic(let gic): gic.describe(id, cpu: cpu, device: devices[id] ?? "", at: now)
        }
    }

    /// The conditions between interrupt `id` and processor `cpu`, or every processor that it goes to.
    func explain(_ id: Int, cpu: Int?) -> [InterruptCheck] {
        switch controllers {
        case .pc(let pc, _): pc.explain(line: id, cpu: cpu, facts)
        case .gic(let gic): gic.explain(id, cpu: cpu, facts)
        }
    }

    /// The guest's mistakes, from what is recorded.
    var warnings: (text: String, json: JSON) {
        switch controllers {
        case .pc(let pc, _): return (pc.warningText(at: now), pc.warningJSON(at: now))
        case .gic(let gic):
            let warnings = journal?.warnings ?? InterruptWarnings()
            let missing = (gic as? GICv2)?.missingEnds(at: now) ?? []
            return (warnings.text(with: missing), warnings.json(with: missing))
        }
    }
}
