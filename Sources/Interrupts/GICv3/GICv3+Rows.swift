// `info irqs` and `irq show` of a GICv3.

import Primitives

extension GICv3: InspectableGIC {
    package var allRows: [InterruptRow] {
        interfaces.indices.flatMap { cpu in (0..<32).map { row($0, cpu) } }
            + (32..<Swift.max(32, interrupts)).map { row($0, 0) }
    }

    package func row(_ id: Int, _ cpu: Int) -> InterruptRow {
        let state = state(id, cpu)
        var row = row(id, cpu, state)
        if id >= 32 { row.target = "\(state.route)" }
        return row
    }

    package func describe(_ id: Int, cpu: Int, device: String, at now: ModelTime) -> String {
        guard (0..<interrupts).contains(id) else { return "no interrupt \(id)\n" }
        let state = state(id, cpu)
        var text = [row(id, cpu)].text(at: now)
        if !device.isEmpty { text += "  device       \(device)\n" }
        let route = id < 32 ? "" : "  GICD_IROUTER\(id)    = \(state.route), goes to cpu \(state.reach)\n"
        return text + registers(of: id, state, in: Self.frame(id), route: route) + Self.uncounted
    }

    /// Where the registers of an interrupt are.
    static func frame(_ id: Int) -> String { id < 32 ? "GICR" : "GICD" }
}
