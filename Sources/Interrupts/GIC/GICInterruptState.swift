// What one interrupt's state has in every version of the GIC, and its text.

import Primitives

/// One interrupt; of a private one, one processor's.
package protocol GICInterruptState: Hashable, Sendable {
    var isEnabled: Bool { get }
    var isActive: Bool { get }
    /// The edge or the software request that waits.
    var isLatched: Bool { get }
    var isLineHigh: Bool { get }
    var isEdge: Bool { get }
    var isGroupOne: Bool { get }
    var priority: UInt8 { get }
}

extension GICInterruptState {
    /// ISPENDR.
    package var isPending: Bool { isLatched || !isEdge && isLineHigh }
}

extension InspectableGIC {
    /// What of interrupt `id`, processor `cpu`'s if it is private, is the same in every version's row.
    func row(_ id: Int, _ cpu: Int, _ state: some GICInterruptState) -> InterruptRow {
        var row = InterruptRow(number: .line(id), controller: Self.kind(id), processor: id < 32 ? cpu : nil)
        row.isPending = state.isPending
        row.isLineHigh = state.isLineHigh
        row.isActive = state.isActive
        row.isEnabled = state.isEnabled
        row.isLevel = !state.isEdge
        row.priority = state.priority
        row.group = state.isGroupOne ? 1 : 0
        return row
    }

    /// The registers of interrupt `id` in `frame`, GICD or GICR; `route` is the version's own line of where it goes.
    func registers(
        of id: Int, _ state: some GICInterruptState, in frame: String, route: String
    ) -> String {
        let (word, bit) = (id >> 5, id & 31)
        func flag(_ value: Bool) -> Int { value ? 1 : 0 }
        var text = "  \(frame)_IGROUPR\(word).\(bit)     = \(flag(state.isGroupOne))\n"
        text += "  \(frame)_ISENABLER\(word).\(bit)   = \(flag(state.isEnabled))\n"
        text += "  \(frame)_ISPENDR\(word).\(bit)     = \(flag(state.isPending))"
        text += " (latch \(flag(state.isLatched)), line \(flag(state.isLineHigh)))\n"
        text += "  \(frame)_ISACTIVER\(word).\(bit)   = \(flag(state.isActive))\n"
        text += "  \(frame)_IPRIORITYR.\(id) = \(hexadecimal(state.priority, digits: 2))\n" + route
        text += "  \(frame)_ICFGR\(id >> 4).\(2 * (id & 15) + 1)       = \(flag(state.isEdge))"
        return text + " (\(state.isEdge ? "edge" : "level"))\n"
    }
}
