// `info irqs` and `irq show` of a GICv3.

import Primitives

extension GICv3: InspectableGIC {
    package var allRows: [InterruptRow] {
        interfaces.indices.flatMap { cpu in (0..<32).map { row($0, cpu) } }
            + (32..<Swift.max(32, interrupts)).map { row($0, 0) }
    }

    package func row(_ id: Int, _ cpu: Int) -> InterruptRow {
        let state = state(id, cpu)
        var row = InterruptRow(number: .line(id), controller: Self.kind(id), processor: id < 32 ? cpu : nil)
        row.isPending = state.isPending
        row.isLineHigh = state.isLineHigh
        row.isActive = state.isActive
        row.isEnabled = state.isEnabled
        row.isLevel = !state.isEdge
        row.priority = state.priority
        row.group = state.isGroupOne ? 1 : 0
        if id >= 32 { row.target = "\(state.route)" }
        return row
    }

    package func describe(_ id: Int, cpu: Int, device: String, at now: Moment) -> String {
        guard (0..<interrupts).contains(id) else { return "no interrupt \(id)\n" }
        let state = state(id, cpu)
        let frame = Self.frame(id)
        let (word, bit) = (id >> 5, id & 31)
        func flag(_ value: Bool) -> Int { value ? 1 : 0 }
        var text = [row(id, cpu)].text(at: now)
        if !device.isEmpty { text += "  device       \(device)\n" }
        text += "  \(frame)_IGROUPR\(word).\(bit)     = \(flag(state.isGroupOne))\n"
        text += "  \(frame)_ISENABLER\(word).\(bit)   = \(flag(state.isEnabled))\n"
        text += "  \(frame)_ISPENDR\(word).\(bit)     = \(flag(state.isPending))"
        text += " (latch \(flag(state.isLatched)), line \(flag(state.isLineHigh)))\n"
        text += "  \(frame)_ISACTIVER\(word).\(bit)   = \(flag(state.isActive))\n"
        text += "  \(frame)_IPRIORITYR.\(id) = \(hexadecimal(state.priority, digits: 2))\n"
        if id >= 32 { text += "  GICD_IROUTER\(id)    = \(state.route), goes to cpu \(state.reach)\n" }
        text += "  \(frame)_ICFGR\(id >> 4).\(2 * (id & 15) + 1)       = \(flag(state.isEdge))"
        return text + " (\(state.isEdge ? "edge" : "level"))\n" + Self.uncounted
    }

    /// Where the registers of an interrupt are.
    static func frame(_ id: Int) -> String { id < 32 ? "GICR" : "GICD" }
}
