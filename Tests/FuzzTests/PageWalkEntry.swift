import Architecture
import Primitives
import TestSupport

/// 64 KiB that repeat a few words.
private struct RepeatingMemory: PhysicalMemory {
    let words: [UInt64]
    static let size: UInt64 = 0x1_0000

    var ranges: [Range<PhysicalAddress>] { [PhysicalAddress(0)..<PhysicalAddress(Self.size)] }

    func word(at address: PhysicalAddress) -> UInt64? {
        guard address.rawValue % 8 == 0, address.rawValue < Self.size else { return nil }
        return words.isEmpty ? 0 : words[Int(address.rawValue / 8) % words.count]
    }

    func read(_ address: PhysicalAddress, into bytes: inout [UInt8]) -> Bool { false }
    func write(_ address: PhysicalAddress, _ bytes: ArraySlice<UInt8>) -> Bool { false }
}

/// CR0, CR3, CR4, EFER, an address, and the words that memory repeats: every way of paging.
private let pageTables: [[UInt64]] = [
    [0, 0, 0, 0, 0x1234],
    [1 << 31, 0x1000, 0, 0, 0x40_3000, 0x2003, 0x3007],
    [1 << 31, 0x1000, 1 << 4, 0, 0x80_3000, 0x83, 0xc0_0087],
    [1 << 31, 0x1000, 1 << 5, 0, 0x4000_3000, 0x2001, 0x3003, 0x4007],
    [1 << 31, 0x1000, 1 << 5, 0x500, 0x1234, 0x2003, 0x3003, 0x4003, 0x5003],
    [1 << 31, 0x1000, 1 << 5, 0xd00, .max, 0x1003, 0x8000_0000_0000_1003],
    [1 << 31, 0x1000, 1 << 5, 0xd00, 1 << 47, 0x83],
    [1 << 31, 0x1000, 0x1020, 0xd00, 1 << 56, 0x1003],
    [1 << 31, 0x1000, 1 << 5, 0x500, 0, 0x1_0003],
]

private let tableEntries: [UInt64] = [0x83, 0xe7, 0x1003, 0x2003, 0x1_0003, 0x8000_0000_0000_3007]

/// SCTLR_EL1, TCR_EL1, both TTBRs, an address and descriptors: granules of 4, 16 and 64 KiB, 48 and 52 bits.
private let stage1Tables: [[UInt64]] = [
    [0, 0, 0, 0, 0x1234],
    [1, 0x8010_0010, 0x1000, 0x2000, 0x40_3000, 0x2003, 0x3003, 0x403],
    [1, 0x8019_0019, 0x1000, 0x2000, 0xffff_ff80_0000_1234, 0x401, 0x2003],
    [1, 0x60_4010_8010, 0x4000, 0x8000, 0xff00_0000_0001_2345, 0x4003, 0x8003, 0x200_0401],
    [1, 0x6_c00c_400c, 0x4000, 0x8000, 0xfff0_0000_0000_0000, 0x1_0003, 0x2000_0401],
    [1, 0x0800_0006_800c_000c, 0x1000, 0x2000, 0xfff0_0000_0000_1000, 0x1003, 0x703],
    [1, 0x8090_0090, 0x1000, 0x2000, 0x1000, 0x1003],
]

private let descriptors: [UInt64] = [0x401, 0x403, 0x1003, 0x2003, 0x1_0003, 0x60_0000_0000_0703]

private func littleEndian(_ word: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }

extension FuzzEntry {
    /// CR0, CR3, CR4, EFER and an address, 8 bytes each, and table entries as many as there are.
    static let pageWalk = FuzzEntry(
        name: "page-walk", quick: 10_000,
        seeds: pageTables.map { $0.flatMap(littleEndian) }, words: tableEntries.map(littleEndian)
    ) { input in
        let words: [UInt64] = stride(from: 0, to: input.count & ~7, by: 8).map { input.number(at: $0, count: 8) }
        guard words.count >= 5 else { return nil }
        return flaw(
            of: .x86(X86Paging(cr0: words[0], cr3: words[1], cr4: words[2], efer: words[3])), near: words[4],
            words[5...])
    }

    /// SCTLR_EL1, TCR_EL1, TTBR0_EL1, TTBR1_EL1 and an address, 8 bytes each, and descriptors as many as there are.
    static let stage1Walk = FuzzEntry(
        name: "stage1-walk", quick: 10_000,
        seeds: stage1Tables.map { $0.flatMap(littleEndian) }, words: descriptors.map(littleEndian)
    ) { input in
        let words: [UInt64] = stride(from: 0, to: input.count & ~7, by: 8).map { input.number(at: $0, count: 8) }
        guard words.count >= 5 else { return nil }
        return flaw(
            of: .arm64(Arm64Paging(sctlr: words[0], tcr: words[1], ttbr0: words[2], ttbr1: words[3])), near: words[4],
            words[5...])
    }

    private static func flaw(of paging: Paging, near address: UInt64, _ entries: ArraySlice<UInt64>) -> String? {
        let memory = RepeatingMemory(words: Array(entries))
        for address in [address, ~address, address &+ 0x1000, address ^ 1 << 47, address ^ 1 << 63, address ^ 1 << 55] {
            if let flaw = flaw(of: paging, at: address, memory) { return "\(hexadecimal(address)): \(flaw)" }
        }
        return nil
    }

    private static func flaw(of paging: Paging, at address: UInt64, _ memory: RepeatingMemory) -> String? {
        do throws(TranslationFault) {
            let found = try paging.translate(VirtualAddress(address), in: memory)
            guard found.pageSize.nonzeroBitCount == 1 else { return "a page of \(found.pageSize) bytes" }
            return found.physical.rawValue % found.pageSize == address % found.pageSize ? nil : "the wrong offset"
        } catch {
            // Everything in the span leads nowhere, for the same reason.
            let mask = error.span &- 1
            for other in [address & ~mask, address | mask] {
                do throws(TranslationFault) {
                    _ = try paging.translate(VirtualAddress(other), in: memory)
                    return "\(hexadecimal(other)) of the same span is mapped: \(error)"
                } catch let second {
                    guard place(of: error) == place(of: second) else { return "\(error), but \(second)" }
                }
            }
            return nil
        }
    }

    private static func place(of fault: Stage1Fault) -> PhysicalAddress? {
        switch fault.cause {
        case .outsideRegions, .walkDisabled: nil
        case .invalidDescriptor(_, let entry), .tableOutsideMemory(_, let entry): entry
        }
    }

    /// The entry that a walk ended at; nil where the address alone was wrong.
    private static func place(of fault: TranslationFault) -> PhysicalAddress? {
        switch fault {
        case .nonCanonical: nil
        case .stage1(let fault): place(of: fault)
        case .notPresent(_, _, let entry), .tableOutsideMemory(_, _, let entry): entry
        }
    }
}
