// The register space of the Distributor: Arm IHI 0048B, table 4-1, and the GIC-400's additions.
//
// The access law is that of KVM's vgic: natural alignment, 32 bits everywhere, 8 bits where a byte is one interrupt's.
// What breaks it, and what lies behind the last interrupt or in a hole, reads 0 and ignores writes.

import Primitives

extension Distributor {
    /// A register, decoded once. A word number counts 32 interrupts each, an INTID is that of the first byte.
    enum Register: Hashable {
        case control
        case type
        case identification
        case group(word: Int)
        case setEnable(word: Int)
        case clearEnable(word: Int)
        case setPending(word: Int)
        case clearPending(word: Int)
        case setActive(word: Int)
        case clearActive(word: Int)
        case priority(INTID: Int)
        case targets(INTID: Int)
        /// 16 interrupts each.
        case trigger(half: Int)
        /// GICD_PPISR and GICD_SPISR.
        case lines(word: Int)
        /// GICD_NSACR: RAZ/WI without the security extensions.
        case nonSecureAccess
        case softwareInterrupt
        case clearSources(INTID: Int)
        case setSources(INTID: Int)
        /// ICPIDR4 to 7, 0 to 3, ICCIDR0 to 3.
        case component(Int)
    }

    /// What an access that reaches no register did wrong.
    enum Refusal: Error, Hashable {
        case hole
        /// Not an access that this register takes: its width or its alignment.
        case access
        /// The first INTID that it is about does not exist.
        case absent(INTID: Int)
    }

    /// Finds what `size` bytes at `offset` of the page are.
    static func decode(_ offset: Int, size: Int, _ configuration: GICv2.Configuration) throws(Refusal) -> Register {
        guard let register = Register(offset: offset, configuration) else { throw .hole }
        guard size == 4 || size == 1 && register.takesBytes, offset & (size - 1) == 0 else { throw .access }
        let first = register.firstInterrupt
        if first >= configuration.interrupts { throw .absent(INTID: first) }
        return register
    }
}

extension Distributor.Register {
    /// Nil for a hole. Registers of more than a byte are found by any of their bytes.
    init?(offset: Int, _ configuration: GICv2.Configuration) {
        let word = (offset & 0x7f) >> 2
        switch offset {
        case 0x000...0x003: self = .control
        case 0x004...0x007: self = .type
        case 0x008...0x00b: self = .identification
        case 0x080...0x0ff: self = .group(word: word)
        case 0x100...0x17f: self = .setEnable(word: word)
        case 0x180...0x1ff: self = .clearEnable(word: word)
        case 0x200...0x27f: self = .setPending(word: word)
        case 0x280...0x2ff: self = .clearPending(word: word)
        case 0x300...0x37f: self = .setActive(word: word)
        case 0x380...0x3ff: self = .clearActive(word: word)
        case 0x400...0x7fb: self = .priority(INTID: offset - 0x400)
        case 0x800...0xbfb: self = .targets(INTID: offset - 0x800)
        case 0xc00...0xcff: self = .trigger(half: (offset - 0xc00) >> 2)
        case 0xd00...0xd7f:
            guard configuration.has(.lineRegisters) else { return nil }
            self = .lines(word: word)
        case 0xe00...0xeff: self = .nonSecureAccess
        case 0xf00...0xf03: self = .softwareInterrupt
        case 0xf10...0xf1f: self = .clearSources(INTID: offset - 0xf10)
        case 0xf20...0xf2f: self = .setSources(INTID: offset - 0xf20)
        case 0xfd0...0xfff:
            guard configuration.has(.identification) else { return nil }
            self = .component((offset - 0xfd0) >> 2)
        default: return nil
        }
    }

    var takesBytes: Bool {
        switch self {
        case .priority, .targets, .clearSources, .setSources: true
        default: false
        }
    }

    /// The lowest INTID it is about; 0 where it is about none.
    var firstInterrupt: Int {
        switch self {
        case .group(let word), .setEnable(let word), .clearEnable(let word), .setPending(let word),
            .clearPending(let word), .setActive(let word), .clearActive(let word), .lines(let word):
            word << 5
        case .priority(let id), .targets(let id): id
        case .trigger(let half): half << 4
        case .control, .type, .identification, .nonSecureAccess, .softwareInterrupt, .clearSources, .setSources,
            .component:
            0
        }
    }

    var isReadable: Bool { self != .softwareInterrupt }

    var isWritable: Bool {
        switch self {
        case .type, .identification, .lines, .component: false
        default: true
        }
    }
}
