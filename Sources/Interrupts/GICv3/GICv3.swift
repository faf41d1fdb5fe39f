// A generic interrupt controller of version 3 (Arm IHI 0069) as one value: the Distributor, a Redistributor and a CPU
// interface for each processor. It is not a controller that runs, as GICv2 is: what the registers of one show is put into
// it, to be looked at, explained, and to find what a request changes before the real one gets it.
//
// One security state, affinity routing on. Not modelled: LPIs and the ITS, extended SPIs and PPIs, NMIs, what a second
// security state sees.

import Primitives

/// A whole GICv3 as its registers show it.
package struct GICv3: Sendable {
    /// Where an implementation differs.
    package struct Traits: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// GICD_CTLR.EnableGrp1 serves both groups; EnableGrp0 does not exist (KVM, vgic-mmio-v3.c of 6.12).
        package static let oneEnable = Self(rawValue: 1 << 0)

        package static let kvm: Self = [.oneEnable]
    }

    package let traits: Traits
    /// GICD_CTLR, GICD_TYPER, GICD_IIDR.
    package internal(set) var control: UInt32 = 0
    package internal(set) var type: UInt32
    package internal(set) var identification: UInt32 = 0
    package internal(set) var redistributors: [Redistributor]
    package internal(set) var interfaces: [Interface]

    // One bit an interrupt. The words of the private interrupts come first, one a processor, then those of the SPIs:
    // `place` finds them.
    var group: [UInt32]
    var enabled: [UInt32]
    var edge: [UInt32]
    var line: [UInt32]
    /// Set by an edge or by software.
    var latch: [UInt32]
    var active: [UInt32]
    /// One byte an interrupt, at 32 times its word's row plus its bit.
    var priority: [UInt8]
    /// GICD_IROUTER, at 32 times the word's row plus the bit; those of private interrupts are never used.
    var route: [UInt64]

    /// All registers 0 but GICD_TYPER, which says how many interrupts there are.
    init(processors count: Int, type: UInt32, _ traits: Traits = .kvm) {
        precondition((1...64).contains(count), "1 to 64 processors")
        self.type = type
        self.traits = traits
        redistributors = [Redistributor](repeating: Redistributor(), count: count)
        interfaces = [Interface](repeating: Interface(), count: count)
        let rows = count + Self.words(type) - 1
        let none = [UInt32](repeating: 0, count: rows)
        (group, enabled, edge, line, latch, active) = (none, none, none, none, none, none)
        priority = [UInt8](repeating: 0, count: rows << 5)
        route = [UInt64](repeating: 0, count: rows << 5)
    }

    /// GICD_TYPER.ITLinesNumber: words of one bit an interrupt.
    private static func words(_ type: UInt32) -> Int { Int(type & 0x1f) + 1 }
    var words: Int { Self.words(type) }

    /// SGIs, PPIs and SPIs; 1020 and above are no interrupts.
    package var interrupts: Int { Swift.min(1020, words << 5) }

    // MARK: Places

    /// Where a word of one bit an interrupt is: word 0 is processor `cpu`'s own.
    func place(_ word: Int, _ cpu: Int) -> Int { word == 0 ? cpu : redistributors.count + word - 1 }

    /// Where one element an interrupt is.
    func slot(_ id: Int, _ cpu: Int) -> Int { place(id >> 5, cpu) << 5 | id & 31 }

    func bit(_ words: [UInt32], _ id: Int, _ cpu: Int) -> Bool { words[place(id >> 5, cpu)][bit: id & 31] }

    // MARK: One interrupt

    /// One interrupt; of a private one, processor `cpu`'s.
    package struct State: GICInterruptState {
        package let isEnabled: Bool
        package let isActive: Bool
        package let isLatched: Bool
        package let isLineHigh: Bool
        package let isEdge: Bool
        package let isGroupOne: Bool
        package let priority: UInt8
        /// GICD_IROUTER.
        package let route: Route
        /// The processors it goes to.
        package let reach: ProcessorSet
    }

    package func state(_ id: Int, _ cpu: Int) -> State {
        let slot = slot(id, cpu)
        let route = Route(rawValue: route[slot])
        return State(
            isEnabled: bit(enabled, id, cpu), isActive: bit(active, id, cpu), isLatched: bit(latch, id, cpu),
            isLineHigh: bit(line, id, cpu), isEdge: bit(edge, id, cpu), isGroupOne: bit(group, id, cpu),
            priority: priority[slot], route: route, reach: id < 32 ? ProcessorSet(cpu) : reach(of: route, id))
    }

    /// The processors that an SPI of that route can go to (IHI 0069, sections 3.3.2 and 4.3).
    private func reach(of route: Route, _ id: Int) -> ProcessorSet {
        let isGroupOne = bit(group, id, 0)
        return redistributors.indices.reduce(into: ProcessorSet()) { set, cpu in
            let it = redistributors[cpu]
            if route.isAny ? !it.refusesAny(isGroupOne: isGroupOne) : it.affinity == route.affinity { set.insert(cpu) }
        }
    }
}

/// GICD_IROUTER of an SPI (IHI 0069, section 12.9.22).
package struct Route: Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
    package init(_ affinity: Affinity) { rawValue = UInt64(affinity.rawValue).spread }

    /// Interrupt_Routing_Mode: any one processor takes it.
    package var isAny: Bool { rawValue[bit: 31] }
    package var affinity: Affinity {
        Affinity(rawValue: UInt32(truncatingIfNeeded: rawValue & 0xff_ffff | (rawValue >> 32 & 0xff) << 24))
    }
}

extension UInt64 {
    /// Four packed affinity bytes as MPIDR_EL1 and GICD_IROUTER have them: Aff3 from bit 32 on.
    fileprivate var spread: UInt64 { self & 0xff_ffff | (self >> 24 & 0xff) << 32 }
}

extension Route: CustomStringConvertible {
    package var description: String { isAny ? "any" : "\(affinity)" }
}

/// Who a processor is: four levels, as GICR_TYPER packs them, Aff3 highest.
package struct Affinity: Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// "0.0.0.1", Aff3 first.
    package var description: String {
        [24, 16, 8, 0].map { "\(rawValue >> $0 & 0xff)" }.joined(separator: ".")
    }
}

extension GICv3 {
    /// What concerns a whole Redistributor (IHI 0069, section 12.11).
    package struct Redistributor: Hashable, Sendable {
        /// GICR_CTLR, GICR_TYPER, GICR_WAKER.
        package internal(set) var control: UInt32 = 0
        package internal(set) var type: UInt64 = 0
        package internal(set) var waker: UInt32 = 0

        package var affinity: Affinity { Affinity(rawValue: UInt32(truncatingIfNeeded: type >> 32)) }
        /// ChildrenAsleep: it holds back everything.
        package var isAsleep: Bool { waker[bit: 2] }
        /// DPG0, DPG1NS: it is left out where any processor may take an SPI.
        func refusesAny(isGroupOne: Bool) -> Bool { control[bit: isGroupOne ? 25 : 24] }
    }

    /// The CPU interface: system registers of one processor (IHI 0069, section 12.2).
    package struct Interface: Hashable, Sendable {
        var values: [SystemRegister: UInt64] = [:]

        package subscript(register: SystemRegister) -> UInt64 { values[register] ?? 0 }

        package var priorityMask: UInt8 { UInt8(truncatingIfNeeded: self[.priorityMask]) }
        /// ICC_SRE_EL1.SRE: the system registers are in use.
        package var hasSystemRegisters: Bool { self[.enable][bit: 0] }
        /// ICC_CTLR_EL1.CBPR, EOImode, and PRIbits, one less than the bits.
        package var hasCommonBinaryPoint: Bool { self[.control][bit: 0] }
        package var splitsEnd: Bool { self[.control][bit: 1] }
        package var priorityBits: Int { Int(self[.control][bits: 8...10]) + 1 }

        /// Group 1 as bit 1.
        var enabledGroups: UInt32 { UInt32(self[.groupZero] & 1 | (self[.groupOne] & 1) << 1) }

        /// The part of a priority that decides on preemption (IHI 0069, section 4.8.2).
        package func groupPriority(_ priority: UInt8, isGroupOne: Bool) -> UInt8 {
            if isGroupOne, !hasCommonBinaryPoint {
                return priority & (0xff << Swift.max(1, UInt8(self[.binaryPointOne] & 7)))
            }
            let point = UInt8(self[.binaryPointZero] & 7)
            return point == 7 ? 0 : priority & (0xff << (point + 1))
        }

        /// ICC_RPR_EL1, by the active priorities: the highest, 0xff when idle. A bit is a group priority of 7 bits at most.
        package var runningPriority: UInt8 {
            let shift = 8 - Swift.min(7, priorityBits)
            for word in 0..<4 {
                let levels = (self[.activeZero(word)] | self[.activeOne(word)]) & 0xffff_ffff
                if levels != 0 {
                    return UInt8(truncatingIfNeeded: (word << 5 + levels.trailingZeroBitCount) << shift)
                }
            }
            return 0xff
        }
    }
}
