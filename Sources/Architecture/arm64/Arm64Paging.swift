import Primitives

/// The stage 1 page walk of EL1 and EL0 (Arm ARM, chapter D8): TTBR0 and TTBR1, 4, 16 and 64 KiB granules, addresses
/// of 48 bits, and of 52 with FEAT_LPA, FEAT_LVA and FEAT_LPA2. Output address sizes, the access flag and memory types
/// are not checked: a debugger reads what the tables map, allowed or not. Left out: E0PD, PAN, permission indirection
/// (FEAT_S1PIE), 128-bit descriptors.
package struct Arm64Paging: Equatable, Sendable {
    package let sctlr: UInt64
    package let tcr: UInt64
    package let ttbr0: UInt64
    package let ttbr1: UInt64

    package init(sctlr: UInt64, tcr: UInt64, ttbr0: UInt64, ttbr1: UInt64) {
        self.sctlr = sctlr
        self.tcr = tcr
        self.ttbr0 = ttbr0
        self.ttbr1 = ttbr1
    }

    /// SCTLR_EL1.M: otherwise every address leads to itself.
    package var isOn: Bool { sctlr[bit: 0] }

    /// Addresses between what TTBR0 and TTBR1 cover; nil while translation is off. With a top byte that is ignored they
    /// hold copies of both.
    package var hole: ClosedRange<UInt64>? {
        guard isOn else { return nil }
        let (low, high): (UInt64, UInt64) = (1 << region(0).bits, 1 << region(1 << 55).bits)
        return low...(0 &- high &- 1)
    }

    /// The descriptor's bits of one way of writing output addresses.
    private func outputAddress(_ descriptor: UInt64, _ region: Arm64TableRegion) -> UInt64 {
        var address = descriptor[bits: region.granuleBits...47] << UInt64(region.granuleBits)
        if region.isWide {
            if region.granuleBits == 16 {
                address |= descriptor[bits: 12...15] << 48
            } else {
                address |= descriptor[bits: 48...49] << 48 | descriptor[bits: 8...9] << 50
            }
        }
        return address
    }

    /// The region that bit 55 of an address chooses.
    func region(_ address: UInt64) -> Arm64TableRegion { Arm64TableRegion(isUpper: address[bit: 55], self) }

    /// Walks the tables in `memory` for `address`.
    package func translate(
        _ address: VirtualAddress, in memory: some PhysicalMemory
    ) throws(TranslationFault) -> Translation {
        let region = region(address.rawValue)
        guard isOn else {
            let untagged = region.ignoresTopByte ? address.rawValue & .mask(56) : address.rawValue
            return Translation(
                physical: PhysicalAddress(untagged), pageSize: 0x1000, isWritable: true, isUser: true,
                isExecutable: true, isPaged: false)
        }
        try region.check(address)
        var table = region.root
        var inherited = Inherited()
        for level in region.firstLevel...3 {
            let index = region.index(level)
            let place = PhysicalAddress(table + address.rawValue[bits: index] * 8)
            let span: UInt64 = 1 << UInt64(index.lowerBound)
            guard let descriptor = memory.word(at: place) else {
                throw .stage1(
                    Stage1Fault(address: address, cause: .tableOutsideMemory(level: level, entry: place), span: span))
            }
            switch region.kind(of: descriptor, level: level) {
            case .invalid:
                throw .stage1(
                    Stage1Fault(address: address, cause: .invalidDescriptor(level: level, entry: place), span: span))
            case .table:
                if !region.hasFlatRights { inherited.take(descriptor) }
                table = outputAddress(descriptor, region)
            case .page:
                let base = outputAddress(descriptor, region) & ~(span - 1)
                return page(
                    descriptor, at: PhysicalAddress(base | address.rawValue & (span - 1)), size: span, inherited)
            }
        }
        preconditionFailure("the walk ends at level 3")
    }

    /// What tables on the way take away from all that they lead to: bits 59 to 62 of their descriptors.
    private struct Inherited {
        var bits: UInt64 = 0

        mutating func take(_ descriptor: UInt64) { bits |= descriptor[bits: 59...62] }

        var isPrivilegedNoExecute: Bool { bits[bit: 0] }
        var isUserNoExecute: Bool { bits[bit: 1] }
        var isKernelOnly: Bool { bits[bit: 2] }
        var isReadOnly: Bool { bits[bit: 3] }
    }

    /// The rights and flags of a page or block.
    private func page(
        _ descriptor: UInt64, at physical: PhysicalAddress, size: UInt64, _ inherited: Inherited
    ) -> Translation {
        // TCR_EL1.HA and HD, and the descriptor's DBM: the processor clears AP[2] at the first write.
        let tracksWrites = tcr[bit: 39] && tcr[bit: 40] && descriptor[bit: 51]
        let isWritable = (!descriptor[bit: 7] || tracksWrites) && !inherited.isReadOnly
        let isUser = descriptor[bit: 6] && !inherited.isKernelOnly
        // What user mode may write the kernel never executes; with SCTLR_EL1.WXN nothing that can be written is executed.
        let kernelExecutes = !descriptor[bit: 53] && !inherited.isPrivilegedNoExecute && !(isUser && isWritable)
        let userExecutes = !descriptor[bit: 54] && !inherited.isUserNoExecute
        let isForbidden = sctlr[bit: 19] && isWritable
        return Translation(
            physical: physical, pageSize: size, isWritable: isWritable, isUser: isUser,
            isExecutable: (kernelExecutes || userExecutes) && !isForbidden, isGlobal: !descriptor[bit: 11],
            isAccessed: descriptor[bit: 10], isDirty: tracksWrites && !descriptor[bit: 7],
            isContiguous: descriptor[bit: 52])
    }

    /// First addresses of the 4 KiB pages that hold the tables: of the first `limit` or so, where there are more.
    package func tablePages(in memory: some PhysicalMemory, limit: Int = 0x4000) -> Set<UInt64> {
        guard isOn else { return [] }
        var pages: Set<UInt64> = []
        for region in [region(0), region(1 << 55)] where !region.isDisabled {
            var tables: Set<UInt64> = [region.root]
            for level in region.firstLevel...3 {
                var next: Set<UInt64> = []
                let count = 1 << region.index(level).count
                for table in tables where pages.count < limit {
                    let end = table + UInt64(count * 8)
                    pages.formUnion(stride(from: table & ~0xfff, to: end, by: 0x1000))
                    guard level < 3 else { continue }
                    for entry in 0..<count {
                        guard let descriptor = memory.word(at: PhysicalAddress(table + UInt64(entry * 8))) else {
                            break
                        }
                        if case .table = region.kind(of: descriptor, level: level) {
                            next.insert(outputAddress(descriptor, region))
                        }
                    }
                }
                tables = next
            }
        }
        return pages
    }
}
