// `info irqs` and `irq show` of a GIC.

import Primitives

extension GICv2 {
    /// Every interrupt there is: those of each processor, then the SPIs.
    package var allRows: [InterruptRow] {
        interfaces.indices.flatMap { cpu in (0..<32).map { row($0, cpu) } }
            + (32..<Swift.max(32, configuration.interrupts)).map { row($0, 0) }
    }

    /// Interrupt `id`; of a private one, processor `cpu`'s.
    package func row(_ id: Int, _ cpu: Int) -> InterruptRow {
        let state = distributor.state(id, cpu)
        var row = row(id, cpu, state)
        if id >= 32 { row.target = hexadecimal(state.targets) }
        if id < 16, state.sources != 0 {
            row.source = state.sources.trailingZeroBitCount
        } else if id < 16, state.isActive {
            row.source = Int(state.activeSource)
        }
        // Counts are those of the number: for a private interrupt, of all processors together.
        if !isView {
            let counts = journal.statistics[row.number]
            row.count = counts?[.pend] ?? 0
            row.last = counts?.last
        }
        return row
    }

    /// Every field of one interrupt, and its latencies; `device` is what drives its input, where that is known.
    package func describe(_ id: Int, cpu: Int, device: String = "", at now: ModelTime) -> String {
        guard (0..<configuration.interrupts).contains(id) else { return "no interrupt \(id)\n" }
        let state = distributor.state(id, cpu)
        var text = [row(id, cpu)].text(at: now)
        if !device.isEmpty { text += "  device       \(device)\n" }
        let route =
            "  GICD_ITARGETSR.\(id)  = \(hexadecimal(state.targets, digits: 2)),"
            + " goes to cpu \(ProcessorSet(rawValue: UInt64(state.reach)))\n"
        text += registers(of: id, state, in: "GICD", route: route)
        if id < 16 {
            text += "  GICD_SPENDSGIR.\(id)  = \(hexadecimal(state.sources, digits: 2)),"
            text += " pending from cpu \(ProcessorSet(rawValue: UInt64(state.sources)))\n"
        }
        return text + (isView ? Self.uncounted : journal.statistics.text(.line(id)))
    }
}
