import Primitives

/// The x86 page walk (Intel SDM volume 3, chapter 4): 32-bit, PAE, 4-level and 5-level paging with all page sizes.
/// Reserved bits and protection keys are not checked: a debugger reads what the tables map, allowed or not.
package struct X86Paging: Equatable, Sendable {
    package let cr0: UInt64
    package let cr3: UInt64
    package let cr4: UInt64
    package let efer: UInt64

    package init(cr0: UInt64, cr3: UInt64, cr4: UInt64, efer: UInt64) {
        self.cr0 = cr0
        self.cr3 = cr3
        self.cr4 = cr4
        self.efer = efer
    }

    /// One way of paging: its levels from the root, each the address bits that index its table.
    private struct Scheme {
        let indexes: [ClosedRange<Int>]
        let entrySize: Int
        /// The root table's address within CR3.
        let rootMask: UInt64
        /// The address within an entry.
        let addressMask: UInt64
    }

    private static let levels4 = [39...47, 30...38, 21...29, 12...20]
    private static let wide: UInt64 = 0x000f_ffff_ffff_f000
    private static let bits32 = Scheme(
        indexes: [22...31, 12...21], entrySize: 4, rootMask: 0xffff_f000, addressMask: 0xffff_f000)
    private static let pae = Scheme(
        indexes: [30...31, 21...29, 12...20], entrySize: 8, rootMask: 0xffff_ffe0, addressMask: wide)
    private static let fourLevels = Scheme(indexes: levels4, entrySize: 8, rootMask: wide, addressMask: wide)
    private static let fiveLevels = Scheme(
        indexes: [48...56] + levels4, entrySize: 8, rootMask: wide, addressMask: wide)

    /// EFER.LMA.
    var isLong: Bool { efer[bit: 10] }

    /// The last address there is: outside of long mode an address has 32 bits.
    package var lastAddress: UInt64 { isLong ? .max : 0xffff_ffff }

    /// Addresses that are not canonical; nil outside of long mode.
    package var hole: ClosedRange<UInt64>? {
        guard isLong else { return nil }
        let half: UInt64 = cr4[bit: 12] ? 1 << 56 : 1 << 47
        return half...(0 &- half &- 1)
    }

    /// The same way of paging from another root.
    func replacingRoot(_ cr3: UInt64) -> X86Paging { X86Paging(cr0: cr0, cr3: cr3, cr4: cr4, efer: efer) }

    /// CR0.PG: otherwise every address leads to itself.
    package var isOn: Bool { cr0[bit: 31] }

    /// Nil while paging is off.
    private var scheme: Scheme? {
        guard isOn else { return nil }
        if isLong { return cr4[bit: 12] ? Self.fiveLevels : Self.fourLevels }
        return cr4[bit: 5] ? Self.pae : Self.bits32
    }

    /// Walks the tables in `memory` for `address`.
    package func translate(
        _ address: VirtualAddress, in memory: some PhysicalMemory
    ) throws(TranslationFault) -> Translation {
        try walk(address, in: memory) { _, _ in }
    }

    /// Sets the accessed bits of the entries that `address` goes through, and for a write the dirty bit of the last one, as
    /// the processor does (Intel SDM volume 3, section 4.8).
    package func markAccess(to address: VirtualAddress, isWrite: Bool, in memory: some PhysicalMemory) {
        var passed: [(place: PhysicalAddress, flags: UInt8)] = []
        guard (try? walk(address, in: memory) { passed.append(($0, $1)) }) != nil, !passed.isEmpty else { return }
        for (i, entry) in passed.enumerated() {
            let isRootOfPAE = i == 0 && passed.count > 1 && isOn && !isLong && cr4[bit: 5]
            let wanted: UInt8 = isRootOfPAE ? 0 : isWrite && i == passed.count - 1 ? 0x60 : 0x20
            if entry.flags & wanted != wanted { _ = memory.write(entry.place, [entry.flags | wanted]) }
        }
    }

    /// Calls `passing` with the place of each entry that is gone through, and its lowest byte.
    private func walk(
        _ address: VirtualAddress, in memory: some PhysicalMemory, passing: (PhysicalAddress, UInt8) -> Void
    ) throws(TranslationFault) -> Translation {
        let linear = isLong ? address.rawValue : address.rawValue & 0xffff_ffff
        guard let scheme else {
            return Translation(
                physical: PhysicalAddress(linear), pageSize: 0x1000, isWritable: true, isUser: true,
                isExecutable: true, isPaged: false)
        }
        if isLong {
            let unused = 64 - (scheme.indexes[0].upperBound + 1)
            guard UInt64(bitPattern: Int64(bitPattern: linear << UInt64(unused)) >> Int64(unused)) == linear else {
                throw .nonCanonical(address)
            }
        }
        var table = cr3 & scheme.rootMask
        var result = Translation(
            physical: PhysicalAddress(0), pageSize: 0, isWritable: true, isUser: true, isExecutable: true)
        for (depth, index) in scheme.indexes.enumerated() {
            let level = scheme.indexes.count - depth
            let place = PhysicalAddress(table + linear[bits: index] * UInt64(scheme.entrySize))
            guard let entry = read(place, size: scheme.entrySize, from: memory) else {
                throw .tableOutsideMemory(address, level: level, entry: place)
            }
            guard entry[bit: 0] else { throw .notPresent(address, level: level, entry: place) }
            passing(place, UInt8(truncatingIfNeeded: entry))
            // The four entries of PAE's root carry no rights.
            if !(level == 3 && scheme.indexes.count == 3) {
                result.isWritable = result.isWritable && entry[bit: 1]
                result.isUser = result.isUser && entry[bit: 2]
                result.isExecutable = result.isExecutable && !(efer[bit: 11] && entry[bit: 63])
            }
            if level == 1 || (entry[bit: 7] && isLarge(level, scheme)) {
                result.pageSize = 1 << UInt64(index.lowerBound)
                var base = entry & scheme.addressMask
                // PSE-36: bits 13 to 20 of a 4 MiB entry are address bits 32 to 39.
                if level == 2 && scheme.entrySize == 4 { base = entry & 0xffc0_0000 | entry[bits: 13...20] << 32 }
                (result.isGlobal, result.isAccessed, result.isDirty) = (entry[bit: 8], entry[bit: 5], entry[bit: 6])
                let mask = result.pageSize - 1
                result.physical = PhysicalAddress(base & ~mask | linear & mask)
                return result
            }
            table = entry & scheme.addressMask
        }
        preconditionFailure("the walk ends at level 1")
    }

    /// First addresses of the pages that hold the tables: of the first `limit` or so, where there are more.
    package func tablePages(in memory: some PhysicalMemory, limit: Int = 0x4000) -> Set<UInt64> {
        guard let scheme else { return [] }
        var level: Set<UInt64> = [cr3 & scheme.rootMask]
        var pages = Set(level.map { $0 & ~0xfff })
        for (depth, index) in scheme.indexes.enumerated().dropLast() {
            var next: Set<UInt64> = []
            for table in level where pages.count < limit {
                for entry in 0..<(1 << index.count) {
                    let place = PhysicalAddress(table + UInt64(entry * scheme.entrySize))
                    guard let value = read(place, size: scheme.entrySize, from: memory) else { break }
                    if value[bit: 0], !(value[bit: 7] && isLarge(scheme.indexes.count - depth, scheme)) {
                        next.insert(value & scheme.addressMask)
                    }
                }
            }
            pages.formUnion(next)
            level = next
        }
        return pages
    }

    /// Where bit 7 of an entry means a page: 4 MiB with PSE, 2 MiB, 1 GiB.
    private func isLarge(_ level: Int, _ scheme: Scheme) -> Bool {
        switch scheme.indexes.count {
        case 2: cr4[bit: 4]
        case 3: level == 2
        default: level == 2 || level == 3
        }
    }

    private func read(_ place: PhysicalAddress, size: Int, from memory: some PhysicalMemory) -> UInt64? {
        guard let word = memory.word(at: PhysicalAddress(place.rawValue & ~7)) else { return nil }
        if size == 8 { return word }
        return place.rawValue & 4 == 0 ? word & 0xffff_ffff : word >> 32
    }
}
