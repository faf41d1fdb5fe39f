import Primitives

/// Half of the address space, with the register that translates it: TTBR0_EL1 for addresses whose bit 55 is clear,
/// TTBR1_EL1 for the others (Arm ARM, chapter D8; TCR_EL1 in D19).
struct Arm64TableRegion {
    let isUpper: Bool
    /// 12, 14 or 16: log2 of the smallest page, and of a whole table.
    let granuleBits: Int
    /// Bits of an address that are translated: 64 - TxSZ.
    let bits: UInt64
    /// TCR_EL1.EPDx.
    let isDisabled: Bool
    /// TCR_EL1.TBIx.
    let ignoresTopByte: Bool
    /// TCR_EL1.HPDx: tables take no rights away.
    let hasFlatRights: Bool
    /// Output addresses have 52 bits.
    let isWide: Bool
    /// TCR_EL1.DS: with 4 and 16 KiB granules, descriptors as FEAT_LPA2 has them.
    private let isLPA2: Bool
    /// The address of the first table.
    private(set) var root: UInt64

    /// Sizes that the architecture does not have are taken for the nearest that it has, as it allows.
    init(isUpper: Bool, _ paging: Arm64Paging) {
        let tcr = paging.tcr
        self.isUpper = isUpper
        // TG0 has 0 for 4 KiB, 1 for 64, 2 for 16; TG1 has 2, 3 and 1.
        switch (isUpper, isUpper ? tcr[bits: 30...31] : tcr[bits: 14...15]) {
        case (false, 1), (true, 3): granuleBits = 16
        case (false, 2), (true, 1): granuleBits = 14
        default: granuleBits = 12
        }
        isLPA2 = tcr[bit: 59] && granuleBits < 16
        isWide = tcr[bits: 32...34] >= 6 && (isLPA2 || granuleBits == 16)
        let most: UInt64 = isLPA2 || granuleBits == 16 ? 52 : 48
        let least: UInt64 = granuleBits == 16 ? 17 : 16
        let size = isUpper ? tcr[bits: 16...21] : tcr[bits: 0...5]
        bits = min(max(64 - size, least), most)
        isDisabled = tcr[bit: isUpper ? 23 : 7]
        ignoresTopByte = tcr[bit: isUpper ? 38 : 37]
        hasFlatRights = tcr[bit: isUpper ? 42 : 41]
        let register = isUpper ? paging.ttbr1 : paging.ttbr0
        var base = register[bits: 1...47] << 1
        if isWide { base = base & ~0x3f | register[bits: 2...5] << 48 }
        root = base
        // A table is aligned to its size.
        root &= ~((1 << UInt64(index(firstLevel).count) * 8) - 1)
    }

    /// Address bits that one table resolves, but for the first.
    private var stride: Int { granuleBits - 3 }

    /// The level of the first table: 3 less one for each table before the last; -1 with 52 bits in 4 KiB granules.
    var firstLevel: Int { 3 - (Int(bits) - granuleBits - 1) / stride }

    /// The address bits that index a table of `level`.
    func index(_ level: Int) -> ClosedRange<Int> {
        let low = granuleBits + stride * (3 - level)
        return low...(level == firstLevel ? Int(bits) : low + stride) - 1
    }

    enum Kind {
        case invalid, table, page
    }

    /// What a descriptor in a table of `level` is.
    func kind(of descriptor: UInt64, level: Int) -> Kind {
        guard descriptor[bit: 0] else { return .invalid }
        if level == 3 { return descriptor[bit: 1] ? .page : .invalid }
        if descriptor[bit: 1] { return .table }
        return level >= firstBlockLevel ? .page : .invalid
    }

    /// The first level with blocks: 1 GiB, 32 MiB and 512 MiB, and with 52-bit addresses 512 GiB, 64 GiB and 4 TiB.
    private var firstBlockLevel: Int {
        switch granuleBits {
        case 12: isLPA2 ? 0 : 1
        case 14: isLPA2 ? 1 : 2
        default: isWide ? 1 : 2
        }
    }

    /// Refuses an address that no table translates: its bits from `bits` up to 63, or to 55, are not all like bit 55, or
    /// the walk is turned off.
    func check(_ address: VirtualAddress) throws(TranslationFault) {
        let value = address.rawValue
        // Ones where bits differ from bit 55.
        var odd = (isUpper ? ~value : value) & ~UInt64.mask(Int(bits))
        if ignoresTopByte { odd &= .mask(56) }
        if odd != 0 {
            // All that is alike down to the highest such bit, and down to bit 55, is as wrong.
            let top = min(63 - odd.leadingZeroBitCount, 55)
            throw .stage1(
                Stage1Fault(address: address, cause: .outsideRegions(bits: Int(bits)), span: 1 << UInt64(top)))
        }
        guard !isDisabled else {
            throw .stage1(
                Stage1Fault(address: address, cause: .walkDisabled(isUpper: isUpper), span: 1 << bits))
        }
    }
}
