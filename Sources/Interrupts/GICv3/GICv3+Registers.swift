// Where the registers of a GICv3 are (Arm IHI 0069, tables 12-25, 12-27 and 12-29, section 12.2), and what is in them.
// Whatever reads or changes a real one and whatever does so on the value here names them the same way.

import Primitives

extension GICv3 {
    /// A register. Those of the Distributor and the Redistributors have 32 bits; wider ones are two.
    package enum Register: Hashable, Sendable {
        case distributor(Int)
        /// From the start of the processor's Redistributor, whose second 64 KiB are for SGIs and PPIs.
        case redistributor(Int, cpu: Int)
        case system(SystemRegister, cpu: Int)
        /// No register of the architecture: the input levels of 32 interrupts, as KVM distinguishes them from the latch
        /// that its GICD_ISPENDR is to user space.
        case levels(Int, cpu: Int)
    }

    /// ICC_*_EL1.
    package enum SystemRegister: Hashable, Sendable {
        case priorityMask, control, enable, groupZero, groupOne, binaryPointZero, binaryPointOne
        /// ICC_AP0R0_EL1 to 3, ICC_AP1R0_EL1 to 3: a bit for each active priority, the highest first.
        case activeZero(Int)
        case activeOne(Int)

        package static let all: [Self] =
            [.control, .enable, .groupZero, .groupOne, .priorityMask, .binaryPointZero, .binaryPointOne]
            + (0..<4).map { .activeZero($0) } + (0..<4).map { .activeOne($0) }

        /// "PMR" of ICC_PMR_EL1.
        package var name: String {
            switch self {
            case .priorityMask: "PMR"
            case .control: "CTLR"
            case .enable: "SRE"
            case .groupZero: "IGRPEN0"
            case .groupOne: "IGRPEN1"
            case .binaryPointZero: "BPR0"
            case .binaryPointOne: "BPR1"
            case .activeZero(let word): "AP0R\(word)"
            case .activeOne(let word): "AP1R\(word)"
            }
        }

        /// Op0, Op1, CRn, CRm, Op2 as MRS has them, in 2, 3, 4, 4 and 3 bits.
        package var encoding: UInt16 {
            let (crn, crm, op2): (UInt16, UInt16, UInt16) =
                switch self {
                case .priorityMask: (4, 6, 0)
                case .control: (12, 12, 4)
                case .enable: (12, 12, 5)
                case .groupZero: (12, 12, 6)
                case .groupOne: (12, 12, 7)
                case .binaryPointZero: (12, 8, 3)
                case .binaryPointOne: (12, 12, 3)
                case .activeZero(let word): (12, 8, 4 + UInt16(word))
                case .activeOne(let word): (12, 9, UInt16(word))
                }
            return 3 << 14 | crn << 7 | crm << 3 | op2
        }
    }

    /// Registers of a field for each interrupt, the lowest first; by the offset of the first of them.
    package enum Block: Int, CaseIterable, Sendable {
        case group = 0x0080
        case setEnable = 0x0100
        case clearEnable = 0x0180
        case setPending = 0x0200
        case clearPending = 0x0280
        case setActive = 0x0300
        case clearActive = 0x0380
        case priority = 0x0400
        case trigger = 0x0c00
        /// The Distributor's alone.
        case route = 0x6000

        /// Bits of a field.
        var width: Int {
            switch self {
            case .group, .setEnable, .clearEnable, .setPending, .clearPending, .setActive, .clearActive: 1
            case .trigger: 2
            case .priority: 8
            case .route: 64
            }
        }

        /// The register that has (the low half of) the field of interrupt `id`.
        package func register(of id: Int, _ cpu: Int) -> Register {
            let offset = rawValue + id * width / 32 * 4
            return id < 32 ? .redistributor(GICv3.privateFrame + offset, cpu: cpu) : .distributor(offset)
        }

        /// The lowest bit of its field there.
        func shift(of id: Int) -> Int { id * width % 32 }

        /// The block that `offset` of the Distributor is in, and its first interrupt.
        static func find(_ offset: Int) -> (block: Block, id: Int)? {
            let block = allCases.last { $0.rawValue <= offset && offset < $0.rawValue + 1024 * $0.width / 8 }
            return block.map { ($0, (offset - $0.rawValue) * 8 / $0.width) }
        }
    }

    /// GICR: the second frame, which has SGIs and PPIs.
    static let privateFrame = 0x1_0000
    /// GICD_CTLR, GICD_TYPER, GICD_IIDR, GICR_CTLR, GICR_TYPER and its upper half, GICR_WAKER.
    enum Offset {
        static let control = 0x0000
        static let type = 0x0004
        static let identification = 0x0008
        static let redistributorControl = 0x0000
        static let redistributorType = 0x0008
        static let redistributorTypeHigh = 0x000c
        static let waker = 0x0014
    }

    // MARK: Reading and storing

    /// As user space reads it of KVM, which is as a guest does but for GICD_ISPENDR: that has the latch alone.
    package func load(_ register: Register) -> UInt64 {
        switch register {
        case .distributor(Offset.control): UInt64(control)
        case .distributor(Offset.type): UInt64(type)
        case .distributor(Offset.identification): UInt64(identification)
        case .distributor(let offset): UInt64(load(offset, isPrivate: false, 0))
        case .redistributor(Offset.redistributorControl, let cpu): UInt64(redistributors[cpu].control)
        case .redistributor(Offset.redistributorType, let cpu): redistributors[cpu].type & 0xffff_ffff
        case .redistributor(Offset.redistributorTypeHigh, let cpu): redistributors[cpu].type >> 32
        case .redistributor(Offset.waker, let cpu): UInt64(redistributors[cpu].waker)
        case .redistributor(let offset, let cpu): UInt64(load(offset - Self.privateFrame, isPrivate: true, cpu))
        case .system(let name, let cpu): interfaces[cpu][name]
        case .levels(let first, let cpu): UInt64(line[place(first >> 5, cpu)])
        }
    }

    /// Where the block's registers are that `offset` names; nil where nothing is.
    private func find(_ offset: Int, isPrivate: Bool) -> (block: Block, id: Int)? {
        guard let (block, id) = Block.find(offset), (id < 32) == isPrivate, id < words << 5 else { return nil }
        return isPrivate && block == .route ? nil : (block, id)
    }

    private func load(_ offset: Int, isPrivate: Bool, _ cpu: Int) -> UInt32 {
        guard let (block, id) = find(offset, isPrivate: isPrivate) else { return 0 }
        let row = place(id >> 5, cpu)
        switch block {
        case .group: return group[row]
        case .setEnable, .clearEnable: return enabled[row]
        case .setPending: return latch[row]
        // KVM's user space reads nothing there.
        case .clearPending: return 0
        case .setActive, .clearActive: return active[row]
        case .priority: return (0..<4).reduce(0) { $0 | UInt32(priority[slot(id + $1, cpu)]) << UInt32(8 * $1) }
        case .trigger:
            return (0..<16).reduce(0) { $0 | (bit(edge, id + $1, cpu) ? 2 << UInt32(2 * $1) : 0) }
        case .route: return UInt32(truncatingIfNeeded: route[slot(id, cpu)] >> UInt64(offset & 4 == 0 ? 0 : 32))
        }
    }

    /// As user space writes it to KVM: GICD_ISPENDR sets and clears latches, GICD_ICPENDR does nothing.
    mutating func store(_ register: Register, _ value: UInt64) {
        let word = UInt32(truncatingIfNeeded: value)
        switch register {
        case .distributor(Offset.control): control = word
        case .distributor(Offset.type): break
        case .distributor(Offset.identification): identification = word
        case .distributor(let offset): store(word, offset, isPrivate: false, 0)
        case .redistributor(Offset.redistributorControl, let cpu): redistributors[cpu].control = word
        case .redistributor(Offset.redistributorType, let cpu): redistributors[cpu].type[bits: 0...31] = value
        case .redistributor(Offset.redistributorTypeHigh, let cpu): redistributors[cpu].type[bits: 32...63] = value
        case .redistributor(Offset.waker, let cpu): redistributors[cpu].waker = word
        case .redistributor(let offset, let cpu): store(word, offset - Self.privateFrame, isPrivate: true, cpu)
        case .system(let name, let cpu): interfaces[cpu].values[name] = value
        case .levels(let first, let cpu): line[place(first >> 5, cpu)] = word
        }
    }

    private mutating func store(_ value: UInt32, _ offset: Int, isPrivate: Bool, _ cpu: Int) {
        guard let (block, id) = find(offset, isPrivate: isPrivate) else { return }
        let row = place(id >> 5, cpu)
        switch block {
        case .group: group[row] = value
        case .setEnable: enabled[row] |= value
        case .clearEnable: enabled[row] &= ~value
        case .setPending: latch[row] = value
        case .clearPending: break
        case .setActive: active[row] |= value
        case .clearActive: active[row] &= ~value
        case .priority:
            for i in 0..<4 { priority[slot(id + i, cpu)] = UInt8(truncatingIfNeeded: value >> UInt32(8 * i)) }
        case .trigger:
            for i in 0..<16 { edge[row][bit: (id + i) & 31] = value[bit: 2 * i + 1] }
        case .route:
            route[slot(id, cpu)][bits: offset & 4 == 0 ? 0...31 : 32...63] = UInt64(value)
        }
    }
}
