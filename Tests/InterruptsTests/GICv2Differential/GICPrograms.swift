// Random programs for all four blocks.

import Primitives
import TestSupport

@testable import Interrupts

/// Accesses, the likely ones often. What ends QEMU or is UNPREDICTABLE is left out:
///
/// - GICD_SPENDSGIR with a byte of 0: QEMU makes that SGI pending from nobody and fails an assertion at its acknowledge.
/// - Two list registers with one virtual interrupt, or one from 1020 on (IHI 0048B, section 5.2).
struct GICPrograms {
    private var random: Seeded
    private var guest: VirtualPrograms
    private var opening: [Access]

    init(_ seed: UInt64) {
        random = Seeded(seed ^ 0x51_7a11)
        guest = VirtualPrograms(seed, lists: 4)
        // Everything works at first, so that programs have something to do; what is odd comes by itself.
        opening = [
            .write(.distributor, 0x000, 3), .write(.interface, 0x00, 7), .write(.interface, 0x04, 0xf0),
            .write(.distributor, 0x100, ~0), .write(.distributor, 0x104, ~0), .write(.hypervisor, 0x00, 1),
            .write(.hypervisor, 0x08, 0xf84c_0007),
        ]
        // Equal priorities never preempt.
        for index in 0..<16 as Range<UInt64> { opening.append(.write(.distributor, 0x400 + 4 * index, word())) }
        opening.append(.write(.interface, 0x08, word()))
        opening.append(.write(.interface, 0x1c, word()))
    }

    mutating func next(_ board: DifferentialBoard) -> Access {
        if !opening.isEmpty { return opening.removeFirst() }
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<42: return virtual(board)
        case 42..<64: return interface(board)
        case 64..<76:
            var id = Int.random(in: 16..<64, using: &random)
            if id == DifferentialBoard.maintenance { id += 1 }
            return .line(id, !board.raised.contains(id))
        case 76..<99: return distributor()
        default: return narrow()
        }
    }

    private mutating func word() -> UInt32 { UInt32(truncatingIfNeeded: random.next() >> 32) }
    /// Few bits.
    private mutating func sparse() -> UInt32 { word() & word() & word() }
    private mutating func pick<T>(_ all: [T]) -> T { all[Int.random(in: all.indices, using: &random)] }

    private mutating func virtual(_ board: DifferentialBoard) -> Access {
        if random.chance(1) {
            return random.chance(50) ? .read(.hypervisor, 0x110) : .write(.hypervisor, 0x110, word())
        }
        switch guest.step(board.guest.hypervisor) {
        case .readHypervisor(let offset): return .read(.hypervisor, offset)
        case .writeHypervisor(let offset, let value): return .write(.hypervisor, offset, value)
        case .readGuest(let offset): return .read(.virtual, offset)
        case .writeGuest(let offset, let value): return .write(.virtual, offset, value)
        }
    }

    private static let interfaceWords: [UInt64] = [
        0x00, 0x04, 0x08, 0x14, 0x14, 0x18, 0x18, 0x18, 0x1c, 0x20, 0x28, 0xd0, 0xd4, 0xd8, 0xdc, 0xe0, 0xe4, 0xe8,
        0xec, 0xfc, 0x40,
    ]

    private mutating func interface(_ board: DifferentialBoard) -> Access {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<40: return .read(.interface, 0x0c)
        case 40..<62: return .write(.interface, 0x10, active(board))
        case 62..<72: return .write(.interface, 0x1000, active(board))
        case 72..<88: return .read(.interface, pick(Self.interfaceWords))
        case 88..<90: return .write(.interface, 0x00, word() & 0x21c | (random.chance(80) ? 3 : word()))
        case 90..<93: return .write(.interface, 0x04, random.chance(40) ? 0xf0 : word())
        case 93..<95: return .write(.interface, random.chance(50) ? 0x08 : 0x1c, word())
        case 95..<97:
            let offset = pick([0xd0, 0xd4, 0xd8, 0xdc, 0xe0, 0xe4, 0xe8, 0xec] as [UInt64])
            return .write(.interface, offset, random.chance(80) ? 0 : sparse())
        // Read-only ones and holes.
        default: return .write(.interface, pick([0x0c, 0x14, 0x18, 0xfc, 0x40, 0x24, 0x1ffc]), word())
        }
    }

    /// What to end: most often what is active.
    private mutating func active(_ board: DifferentialBoard) -> UInt32 {
        let running = board.gic.running[0]
        if let last = running.last, random.chance(85) {
            return UInt32(random.chance(90) ? last : pick(running))
        }
        return UInt32.random(in: 0..<1024, using: &random)
    }

    /// A word of one bit an interrupt: mostly of the first 64, sometimes of the last, rarely of none that exist.
    private mutating func index() -> UInt64 {
        let number = Int.random(in: 0..<100, using: &random)
        return number < 90 ? UInt64(number % 2) : number < 97 ? 8 : 9 + UInt64(number) % 20
    }

    private mutating func distributor() -> Access {
        let bits = pick([0x080, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380] as [UInt64])
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<25: return .read(.distributor, bits + 4 * index())
        case 25..<50: return .write(.distributor, bits + 4 * index(), bits == 0x100 ? word() : sparse())
        case 50..<58:
            let id = UInt64.random(in: 0..<64, using: &random)
            return random.chance(80)
                ? .write(.distributor, 0x400 + id, word() & 0xff, size: 1)
                : .write(.distributor, 0x400 + id / 4 * 4, word())
        case 58..<63:
            let id = UInt64.random(in: 0..<(random.chance(80) ? 64 : 1020), using: &random)
            return random.chance(50)
                ? .read(.distributor, 0x400 + id, size: 1) : .read(.distributor, 0x400 + id / 4 * 4)
        case 63..<66:
            let id = UInt64.random(in: 0..<(random.chance(80) ? 64 : 1020), using: &random)
            return random.chance(50)
                ? .write(.distributor, 0x800 + id, word() & 0xff, size: 1)
                : .read(.distributor, 0x800 + id / 4 * 4)
        case 66..<70:
            let half = UInt64.random(in: 0..<(random.chance(80) ? 4 : 64), using: &random)
            return random.chance(50)
                ? .write(.distributor, 0xc00 + 4 * half, word() & 0xaaaa_aaaa) : .read(.distributor, 0xc00 + 4 * half)
        case 70..<82: return .write(.distributor, 0xf00, word())
        case 82..<90: return sources()
        case 90..<93: return .write(.distributor, 0x000, random.chance(80) ? 3 : word())
        case 93..<98: return .read(.distributor, pick([0x000, 0x004, 0x008, 0x00c, 0xf00, 0xe00, 0xd00, 0xc90]))
        default: return .read(.distributor, 0xfd0 + 4 * UInt64.random(in: 0..<12, using: &random))
        }
    }

    private mutating func sources() -> Access {
        let id = UInt64.random(in: 0..<16, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return .write(.distributor, 0xf10 + id, word() & 0xff, size: 1)
        case 1: return .write(.distributor, 0xf20 + id, 1 << (word() & 7), size: 1)
        case 2: return .write(.distributor, 0xf20 + id / 4 * 4, sparse() | 0x0110_0201)
        default: return .read(.distributor, (random.chance(50) ? 0xf10 : 0xf20) + id / 4 * 4)
        }
    }

    /// One or two bytes of a word: not of those that act.
    private mutating func narrow() -> Access {
        let size = random.chance(50) ? 1 : 2
        let (region, offset) = pick(
            [
                (.distributor, 0x000), (.distributor, 0x100), (.distributor, 0x204), (.distributor, 0x304),
                (.interface, 0x00), (.interface, 0x04), (.interface, 0x14), (.hypervisor, 0x00), (.hypervisor, 0x100),
                (.hypervisor, 0x30), (.virtual, 0x00), (.virtual, 0x04), (.virtual, 0x14),
            ] as [(Region, UInt64)])
        return random.chance(60)
            ? .read(region, offset, size: size) : .write(region, offset, word() & .mask(8 * size), size: size)
    }
}
