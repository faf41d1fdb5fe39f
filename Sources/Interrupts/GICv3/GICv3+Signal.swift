// Which interrupt a processor is asked to take (Arm IHI 0069, sections 4.1 and 4.8).

import Primitives

extension GICv3 {
    /// An interrupt that could be signalled.
    package struct Candidate: Hashable, Sendable {
        package let INTID: Int
        package let priority: UInt8
        package let isGroupOne: Bool
    }

    /// The groups that the Distributor forwards, group 1 as bit 1.
    var forwardedGroups: UInt32 { traits.contains(.oneEnable) ? (control >> 1 & 1) * 3 : control & 3 }

    /// The pending interrupt with the highest priority for processor `cpu`, of equals the one with the lowest INTID,
    /// whether it is let through or not.
    package func highestPending(_ cpu: Int) -> Candidate? {
        let groups = forwardedGroups & interfaces[cpu].enabledGroups
        guard groups != 0, !redistributors[cpu].isAsleep else { return nil }
        var best: Candidate?
        for word in 0..<words {
            let row = place(word, cpu)
            var bits = (latch[row] | line[row] & ~edge[row]) & enabled[row] & ~active[row]
            while bits != 0 {
                let id = word << 5 | bits.trailingZeroBitCount
                bits &= bits &- 1
                let state = state(id, cpu)
                guard id < 1020, groups[bit: state.isGroupOne ? 1 : 0], state.reach.contains(cpu) else { continue }
                if state.priority < best?.priority ?? 0xff || best == nil {
                    best = Candidate(INTID: id, priority: state.priority, isGroupOne: state.isGroupOne)
                }
            }
        }
        return best
    }

    /// What processor `cpu`'s IRQ input is asserted for, or its FIQ input, where group 0 goes.
    package func signalled(_ cpu: Int) -> Candidate? {
        let interface = interfaces[cpu]
        guard let it = highestPending(cpu), it.priority < interface.priorityMask,
            interface.groupPriority(it.priority, isGroupOne: it.isGroupOne) < interface.runningPriority
        else { return nil }
        return it
    }

    /// The interrupt for which processor `cpu`'s input is asserted.
    package func signalledInterrupt(_ cpu: Int) -> Int? { signalled(cpu)?.INTID }
}
