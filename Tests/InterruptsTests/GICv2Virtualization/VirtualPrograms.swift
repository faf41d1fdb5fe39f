import Primitives
import TestSupport

@testable import Interrupts

/// Random accesses to a virtual interface, the likely ones often. Hypervisors keep virtual interrupts unique over the
/// list registers and below 1020 (IHI 0048B, section 5.2), so these do.
struct VirtualPrograms {
    var random: Seeded
    let lists: Int

    static let hypervisorWords: [UInt64] = [
        0x00, 0x04, 0x08, 0x10, 0x20, 0x24, 0x30, 0x34, 0xf0, 0x100, 0x104, 0x108, 0x10c,
    ]
    static let guestWords: [UInt64] = [
        0x00, 0x04, 0x08, 0x0c, 0x0c, 0x0c, 0x14, 0x18, 0x1c, 0x20, 0x28, 0xd0, 0xd4, 0xfc,
    ]

    init(_ seed: UInt64, lists: Int) {
        random = Seeded(seed)
        self.lists = lists
    }

    enum Step {
        case readHypervisor(UInt64)
        case writeHypervisor(UInt64, UInt32)
        case readGuest(UInt64)
        case writeGuest(UInt64, UInt32)
    }

    /// The accesses that make everything work, so that programs have something to do.
    static let opening: [Step] = [.writeHypervisor(0x00, 1), .writeHypervisor(0x08, 0xf84c_0007)]

    mutating func step(_ state: VirtualInterfaceControl) -> Step {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<24: return fill(state)
        case 24..<44: return .readGuest(0x0c)
        case 44..<58: return .writeGuest(random.chance(90) ? 0x10 : 0x24, someone(state))
        case 58..<64: return .writeGuest(0x1000, someone(state))
        case 64..<72: return .readGuest(Self.guestWords.randomElement(using: &random)!)
        case 72..<86: return .readHypervisor(Self.hypervisorWords.randomElement(using: &random)!)
        case 86..<88: return .writeGuest(0x00, control())
        case 88..<90: return .writeGuest(0x04, word())
        case 90..<92: return .writeGuest(random.chance(50) ? 0x08 : 0x1c, word())
        case 92..<95: return .writeHypervisor(0x00, word() & 0xffff_fffe | (random.chance(95) ? 1 : 0))
        case 95..<97: return .writeHypervisor(0x08, word() & 0xffff_fdf8 | control() | 0xc000_0000)
        case 97: return .writeHypervisor(0xf0, random.chance(70) ? 0 : word())
        case 98: return .writeGuest(0xd0, random.chance(70) ? 0 : word())
        default: return .writeHypervisor(Self.hypervisorWords[3...].randomElement(using: &random)!, 0)
        }
    }

    private mutating func word() -> UInt32 { UInt32(truncatingIfNeeded: random.next() >> 32) }

    /// GICV_CTLR, mostly with both groups on.
    private mutating func control() -> UInt32 {
        word() & 0x21c | (random.chance(75) ? 3 : word() & 3)
    }

    /// A list register gets something that no other one has.
    private mutating func fill(_ state: VirtualInterfaceControl) -> Step {
        let index = Int.random(in: 0..<lists, using: &random)
        var id: Int
        repeat {
            id = Int.random(in: random.chance(30) ? 0..<16 : 16..<60, using: &random)
            if random.chance(3) { id = Int.random(in: 60..<1020, using: &random) }
        } while state.lists.indices.contains { $0 != index && state.lists[$0].virtualID == id }
        var list = ListRegister(
            id, priority: UInt8(truncatingIfNeeded: random.next() >> 40),
            state: random.chance(70) ? .pending : ListRegister.State.allCases.randomElement(using: &random)!,
            isGroup1: random.chance(40)
        )
        if id >= 16, random.chance(30) {
            list.isHardware = true
            list.physicalID = Int.random(in: random.chance(90) ? 16..<80 : 0..<1024, using: &random)
        } else {
            if id < 16 { list.source = Int.random(in: 0..<8, using: &random) }
            list.requestsMaintenance = random.chance(40)
        }
        return .writeHypervisor(0x100 + 4 * UInt64(index), list.rawValue)
    }

    /// What to end: most often something that is active.
    private mutating func someone(_ state: VirtualInterfaceControl) -> UInt32 {
        let active = state.lists.filter(\.isActive)
        if !random.chance(85) || active.isEmpty { return UInt32.random(in: 0..<1024, using: &random) }
        let list = active.randomElement(using: &random)!
        return UInt32(list.virtualID) | (list.isSoftwareGenerated ? UInt32(list.source) << 10 : 0)
    }
}
