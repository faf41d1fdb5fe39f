// Four-level page tables of long mode: Intel SDM volume 3, section 4.5. Pages of 2 MiB and 4 KiB, all present,
// writable, supervisor. Leaves out: 1 GiB pages (not every processor has them), no-execute, five levels.

import Primitives

/// Page tables under construction: position-independent until `bytes(at:)`.
struct PageTables {
    static let largePage: UInt64 = 0x20_0000
    static let smallPage: UInt64 = 0x1000

    private enum Flag {
        static let present: UInt64 = 1 << 0
        static let writable: UInt64 = 1 << 1
        static let large: UInt64 = 1 << 7
    }

    /// 512 entries a table, the PML4 first. An entry that points to a table holds its number where the address goes.
    private var entries = [UInt64](repeating: 0, count: 512)
    /// Each table's level: 4 for the PML4 down to 1 for a page table.
    private var levels = [4]

    /// Bytes of memory that the tables fill: whole pages.
    var size: UInt64 { UInt64(levels.count) * 0x1000 }

    /// Maps the first 4 GiB and all of `memory` to itself.
    init(identityFor memory: MachineMemory) {
        map(0..<Self.identityEnd(for: memory) / Self.smallPage, to: 0)
    }

    /// The first address beyond the identity map of `memory`.
    static func identityEnd(for memory: MachineMemory) -> UInt64 {
        max(0x1_0000_0000, memory.end.rawValue.roundedUp(to: largePage))
    }

    /// Maps `pages` (numbers of 4 KiB virtual pages, in canonical addresses) to physical pages from `frame` on,
    /// in place of what was there. Uses 2 MiB pages wherever both sides are aligned for them.
    mutating func map(_ pages: Range<UInt64>, to frame: UInt64) {
        let perLarge = Self.largePage / Self.smallPage
        var page = pages.lowerBound
        while page < pages.upperBound {
            let target = frame + (page - pages.lowerBound)
            let isLarge =
                page % perLarge == 0 && target % perLarge == 0 && pages.upperBound - page >= perLarge
            set(page << 12, to: target << 12 | (isLarge ? Flag.large : 0), level: isLarge ? 2 : 1)
            page += isLarge ? perLarge : 1
        }
    }

    /// The tables as they lie in memory at `base`, where CR3 must point.
    func bytes(at base: PhysicalAddress) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: entries.count * 8)
        for (index, entry) in entries.enumerated() where entry != 0 {
            let isPointer = levels[index / 512] > 1 && entry & Flag.large == 0
            var rest = isPointer ? entry + base.rawValue : entry
            var offset = index * 8
            while rest != 0 {
                bytes[offset] = UInt8(truncatingIfNeeded: rest)
                rest >>= 8
                offset += 1
            }
        }
        return bytes
    }

    /// Makes the leaf entry of `address` at `level` (2 or 1) `value`, adding present and writable.
    private mutating func set(_ address: UInt64, to value: UInt64, level: Int) {
        var table = 0
        var above = 4
        while above > level {
            table = child(of: table * 512 + Self.index(address, level: above), level: above)
            above -= 1
        }
        entries[table * 512 + Self.index(address, level: level)] = value | Flag.present | Flag.writable
    }

    /// The number of the table that entry `slot` of a table at `level` points to; made where there is none,
    /// out of 512 small pages where there is a large one.
    private mutating func child(of slot: Int, level: Int) -> Int {
        let entry = entries[slot]
        if entry & Flag.present != 0, entry & Flag.large == 0 { return Int(entry >> 12) }
        let number = levels.count
        levels.append(level - 1)
        if entry == 0 {
            entries += [UInt64](repeating: 0, count: 512)
        } else {
            entries += (0..<512).map { entry & ~Flag.large + $0 << 12 }
        }
        entries[slot] = UInt64(number) << 12 | Flag.present | Flag.writable
        return number
    }

    private static func index(_ address: UInt64, level: Int) -> Int {
        Int(address >> (12 + 9 * (level - 1)) & 0x1FF)
    }
}
