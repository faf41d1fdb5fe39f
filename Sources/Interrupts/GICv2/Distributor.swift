// The Distributor (Arm IHI 0048B, sections 3.2, 3.3 and 4.3): the state of every interrupt, and which of them waits
// for a processor. It sends nothing itself; GICv2 asks it for the best candidate.
//
// Not modelled: the security extensions (one security state, as the secure one), GICD_NSACR, the N-N model.

import Primitives

/// The state of every interrupt of a GIC.
package struct Distributor: Equatable, Sendable {
    /// An interrupt that could be signalled.
    package struct Candidate: Hashable, Sendable {
        package let INTID: Int
        /// The processor that sent it, for an SGI; otherwise 0.
        package let source: Int
        package let priority: UInt8
        package let isGroupOne: Bool
    }

    package let configuration: GICv2.Configuration
    /// GICD_CTLR.
    package internal(set) var control: UInt32 = 0

    // One bit an interrupt. The words of the private interrupts come first, one a processor, then those of the SPIs:
    // `row` finds them.
    var group: [UInt32]
    var enabled: [UInt32]
    /// Edge-triggered.
    var edge: [UInt32]
    /// The inputs.
    var line: [UInt32]
    /// Set by an edge or by software; of an SGI, whether any source waits.
    var latch: [UInt32]
    var active: [UInt32]
    /// Pending in a way that will be served: the latch, or a high level that is not being served already.
    var waiting: [UInt32]
    /// Waiting, enabled and not active.
    var ready: [UInt32]
    /// Which SPI words have something ready.
    var readyShared: UInt32 = 0

    // One byte an interrupt, at 32 times its word's row plus its bit.
    var priority: [UInt8]
    /// GICD_ITARGETSR as it reads.
    var targets: [UInt8]
    /// The processors that it goes to.
    var reach: [UInt8]

    // One byte an SGI and processor, at 16 times the processor plus the INTID.
    /// The processors it is pending from.
    var sources: [UInt8]
    /// The one whose SGI was acknowledged last.
    var activeSource: [UInt8]

    /// As after reset.
    init(_ configuration: GICv2.Configuration) {
        precondition((1...8).contains(configuration.processors), "1 to 8 CPU interfaces")
        precondition((4...8).contains(configuration.priorityBits), "4 to 8 priority bits")
        let count = configuration.interrupts
        precondition((32...1020).contains(count) && (count % 32 == 0 || count == 1020), "a multiple of 32, or 1020")
        self.configuration = configuration
        let rows = configuration.processors + configuration.words - 1
        let none = [UInt32](repeating: 0, count: rows)
        (group, enabled, edge, line) = (none, none, none, none)
        (latch, active, waiting, ready) = (none, none, none, none)
        priority = [UInt8](repeating: 0, count: rows << 5)
        targets = priority
        reach = priority
        sources = [UInt8](repeating: 0, count: configuration.processors << 4)
        activeSource = sources
        for cpu in 0..<configuration.processors {
            enabled[cpu] = 0xffff
            edge[cpu] = 0xffff
            for bit in 0..<32 { setTargets(cpu << 5 | bit, 1 << UInt8(cpu)) }
        }
        for word in 1..<Swift.max(1, configuration.words) {
            if configuration.has(.sharedResetToEdge) { edge[row(word, 0)] = mask(word) }
            for bit in 0..<32 { setTargets(row(word, 0) << 5 | bit, 0) }
        }
    }

    /// After a reset the inputs stay as the devices hold them.
    mutating func reset() {
        let line = self.line
        self = Self(configuration)
        self.line = line
    }

    // MARK: Places

    /// Where a word of one bit an interrupt is: word 0 is processor `cpu`'s own.
    func row(_ word: Int, _ cpu: Int) -> Int { word == 0 ? cpu : configuration.processors + word - 1 }

    /// Where one byte an interrupt is.
    func slot(_ id: Int, _ cpu: Int) -> Int { row(id >> 5, cpu) << 5 | id & 31 }

    /// The INTID at a row's bit.
    func INTID(row: Int, bit: Int) -> Int {
        row < configuration.processors ? bit : (row - configuration.processors + 1) << 5 | bit
    }

    /// The interrupts of a word that exist.
    func mask(_ word: Int) -> UInt32 {
        word == 31 && configuration.interrupts == 1020 ? 0x0fff_ffff : ~0
    }

    func bit(_ words: [UInt32], _ id: Int, _ cpu: Int) -> Bool { words[row(id >> 5, cpu)] >> UInt32(id & 31) & 1 != 0 }

    // MARK: One interrupt

    /// What there is to know about an interrupt; of a private one, processor `cpu`'s.
    package func state(_ id: Int, _ cpu: Int) -> InterruptState {
        InterruptState(
            isEnabled: bit(enabled, id, cpu), isActive: bit(active, id, cpu), isLatched: bit(latch, id, cpu),
            isLineHigh: bit(line, id, cpu), isEdge: bit(edge, id, cpu), isGroupOne: bit(group, id, cpu),
            priority: priority[slot(id, cpu)], targets: targets[slot(id, cpu)], reach: reach[slot(id, cpu)],
            sources: id < 16 ? sources[cpu << 4 | id] : 0, activeSource: id < 16 ? activeSource[cpu << 4 | id] : 0)
    }

    /// Changes targets, and with them where the interrupt goes.
    mutating func setTargets(_ slot: Int, _ value: UInt8) {
        let existing = UInt8.mask(configuration.processors)
        targets[slot] = configuration.has(.keepsAbsentTargets) ? value : value & existing
        if slot >> 5 < configuration.processors {
            reach[slot] = value
        } else if configuration.processors == 1, configuration.has(.noTargetsOnOne) {
            reach[slot] = 1
        } else if configuration.has(.lowestTargetOnly) {
            let value = value & existing
            reach[slot] = value == 0 ? 1 : value & (~value &+ 1)
        } else {
            reach[slot] = value & existing
        }
    }

    // MARK: The state machine

    /// After a change in a row: what became pending, and what is no longer pending.
    mutating func refresh(_ row: Int) -> (risen: UInt32, fallen: UInt32) {
        let isActive = active[row]
        let old = waiting[row]
        let new = latch[row] | (line[row] & ~edge[row] & ~isActive)
        waiting[row] = new
        let isReady = new & enabled[row] & ~isActive
        ready[row] = isReady
        if row >= configuration.processors {
            let bit: UInt32 = 1 << UInt32(row - configuration.processors + 1)
            if isReady == 0 { readyShared &= ~bit } else { readyShared |= bit }
        }
        return (new & ~old, old & ~new)
    }

    /// The one with the highest priority for processor `cpu`: the lowest priority value, of equals the lowest INTID, of
    /// an SGI's sources the lowest (IHI 0048B, section 3.3.1). `groups` are those looked at, group 1 as bit 1.
    func best(for cpu: Int, groups: UInt32) -> Candidate? {
        var slot = -1
        var least = 0x100
        search(cpu, cpu, groups, &slot, &least)
        var words = readyShared
        while words != 0 {
            search(row(words.trailingZeroBitCount, cpu), cpu, groups, &slot, &least)
            words &= words &- 1
        }
        guard slot >= 0 else { return nil }
        let id = INTID(row: slot >> 5, bit: slot & 31)
        return Candidate(
            INTID: id, source: id < 16 ? sources[cpu << 4 | id].trailingZeroBitCount : 0, priority: UInt8(least),
            isGroupOne: bit(group, id, cpu))
    }

    private func search(_ row: Int, _ cpu: Int, _ groups: UInt32, _ slot: inout Int, _ least: inout Int) {
        var bits = ready[row]
        if groups == 1 { bits &= ~group[row] } else if groups == 2 { bits &= group[row] } else if groups == 0 { return }
        while bits != 0 {
            let place = row << 5 | bits.trailingZeroBitCount
            bits &= bits &- 1
            guard Int(priority[place]) < least, reach[place] >> UInt8(cpu) & 1 != 0 else { continue }
            least = Int(priority[place])
            slot = place
        }
    }

    /// The groups that the Distributor forwards, group 1 as bit 1.
    var forwardedGroups: UInt32 { configuration.has(.twoEnables) ? control & 3 : (control & 1) * 3 }
}

/// One interrupt, as a processor's registers show it.
package struct InterruptState: GICInterruptState {
    package let isEnabled: Bool
    package let isActive: Bool
    /// The edge or the software request that waits.
    package let isLatched: Bool
    package let isLineHigh: Bool
    package let isEdge: Bool
    package let isGroupOne: Bool
    package let priority: UInt8
    /// GICD_ITARGETSR.
    package let targets: UInt8
    /// The processors it really goes to.
    package let reach: UInt8
    /// Of an SGI: the processors it is pending from, and the one whose SGI is or was active.
    package let sources: UInt8
    package let activeSource: UInt8
}
