import Primitives

@testable import Architecture

/// The stage 1 walk once more, slowly: each granule's tables written out level by level, as the figures of the Arm ARM's
/// chapter D8 have them. The tests hold Arm64Paging to it.
struct Arm64ReferenceWalk {
    let paging: Arm64Paging
    let memory: ArrayMemory

    typealias Outcome = Result<Translation, TranslationFault>

    /// The bits `high` to `low` of `value`, as the manual counts them.
    private func bits(_ value: UInt64, _ high: UInt64, _ low: UInt64) -> UInt64 {
        let upTo = high == 63 ? value : value % (1 << (high + 1))
        return upTo / (1 << low)
    }

    private func flag(_ name: UInt64) -> Bool { bits(paging.tcr, name, name) == 1 }

    /// A level: its number, the lowest address bit of its index, whether it may have blocks.
    private typealias Level = (number: Int, low: UInt64, hasBlocks: Bool)

    func walk(_ address: UInt64) -> Outcome {
        let upper = bits(address, 55, 55) == 1
        let topIgnored = flag(upper ? 38 : 37)
        if bits(paging.sctlr, 0, 0) == 0 {
            return .success(
                Translation(
                    physical: PhysicalAddress(topIgnored ? bits(address, 55, 0) : address), pageSize: 4096,
                    isWritable: true, isUser: true, isExecutable: true, isPaged: false))
        }
        let granules: [UInt64] = upper ? [4, 16, 4, 64] : [4, 64, 16, 4]
        let granule = granules[Int(upper ? bits(paging.tcr, 31, 30) : bits(paging.tcr, 15, 14))]
        let lpa2 = flag(59) && granule != 64
        let outputs52 = bits(paging.tcr, 34, 32) >= 6 && (lpa2 || granule == 64)
        var size = 64 - (upper ? bits(paging.tcr, 21, 16) : bits(paging.tcr, 5, 0))
        size = min(size, lpa2 || granule == 64 ? 52 : 48)
        size = max(size, granule == 64 ? 17 : 16)
        // The bits that must all be copies of bit 55.
        for bit in size...63 where !(topIgnored && bit > 55) && bits(address, bit, bit) != (upper ? 1 : 0) {
            var wrong: UInt64 = 0
            for bit in size...63 where !(topIgnored && bit > 55) && bits(address, bit, bit) != (upper ? 1 : 0) {
                wrong = bit
            }
            return fault(address, .outsideRegions(bits: Int(size)), 1 << min(wrong, 55))
        }
        if flag(upper ? 23 : 7) { return fault(address, .walkDisabled(isUpper: upper), 1 << size) }
        return walk(
            address, from: upper ? paging.ttbr1 : paging.ttbr0, size: size, granule, outputs52, lpa2,
            flat: flag(upper ? 42 : 41))
    }

    private func fault(_ address: UInt64, _ cause: Stage1Fault.Cause, _ span: UInt64) -> Outcome {
        .failure(.stage1(Stage1Fault(address: VirtualAddress(address), cause: cause, span: span)))
    }

    private static func levels(_ granule: UInt64, _ outputs52: Bool, _ lpa2: Bool) -> [Level] {
        switch granule {
        case 4: [(-1, 48, false), (0, 39, lpa2), (1, 30, true), (2, 21, true), (3, 12, false)]
        case 16: [(0, 47, false), (1, 36, lpa2), (2, 25, true), (3, 14, false)]
        default: [(1, 42, outputs52), (2, 29, true), (3, 16, false)]
        }
    }

    private func walk(
        _ address: UInt64, from register: UInt64, size: UInt64, _ granule: UInt64, _ outputs52: Bool, _ lpa2: Bool,
        flat: Bool
    ) -> Outcome {
        let levels = Self.levels(granule, outputs52, lpa2).filter { $0.low < size }
        var table = bits(register, 47, outputs52 ? 6 : 1) << (outputs52 ? 6 : 1)
        if outputs52 { table += bits(register, 5, 2) << 48 }
        let first = (1 << (size - levels[0].low)) * 8 as UInt64
        table -= table % first
        var high = size - 1
        var (tableReadOnly, tableKernel, tableUXN, tablePXN) = (false, false, false, false)
        for level in levels {
            let place = table + bits(address, high, level.low) * 8
            let span: UInt64 = 1 << level.low
            guard let descriptor = memory.word(at: PhysicalAddress(place)) else {
                let cause = Stage1Fault.Cause.tableOutsideMemory(level: level.number, entry: PhysicalAddress(place))
                return fault(address, cause, span)
            }
            let type = bits(descriptor, 1, 0)
            let isLast = level.number == 3
            guard type == 3 || (type == 1 && level.hasBlocks) else {
                let cause = Stage1Fault.Cause.invalidDescriptor(level: level.number, entry: PhysicalAddress(place))
                return fault(address, cause, span)
            }
            var output = bits(descriptor, 47, granule == 4 ? 12 : granule == 16 ? 14 : 16) * granule * 1024
            if outputs52 && granule == 64 { output += bits(descriptor, 15, 12) << 48 }
            if outputs52 && granule != 64 {
                output += bits(descriptor, 49, 48) << 48 + bits(descriptor, 9, 8) << 50
            }
            if type == 3 && !isLast {
                if !flat {
                    if bits(descriptor, 62, 62) == 1 { tableReadOnly = true }
                    if bits(descriptor, 61, 61) == 1 { tableKernel = true }
                    if bits(descriptor, 60, 60) == 1 { tableUXN = true }
                    if bits(descriptor, 59, 59) == 1 { tablePXN = true }
                }
                table = output
                high = level.low - 1
                continue
            }
            let hardwareDirty = flag(39) && flag(40) && bits(descriptor, 51, 51) == 1
            let writable = (bits(descriptor, 7, 7) == 0 || hardwareDirty) && !tableReadOnly
            let user = bits(descriptor, 6, 6) == 1 && !tableKernel
            var userRuns = bits(descriptor, 54, 54) == 0 && !tableUXN
            var kernelRuns = bits(descriptor, 53, 53) == 0 && !tablePXN
            if user && writable { kernelRuns = false }
            if bits(paging.sctlr, 19, 19) == 1 && writable { (userRuns, kernelRuns) = (false, false) }
            return .success(
                Translation(
                    physical: PhysicalAddress(output - output % span + address % span), pageSize: span,
                    isWritable: writable, isUser: user, isExecutable: userRuns || kernelRuns,
                    isGlobal: bits(descriptor, 11, 11) == 0, isAccessed: bits(descriptor, 10, 10) == 1,
                    isDirty: hardwareDirty && bits(descriptor, 7, 7) == 0,
                    isContiguous: bits(descriptor, 52, 52) == 1))
        }
        fatalError("no level is the last")
    }
}
