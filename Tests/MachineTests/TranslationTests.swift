import Architecture
import KVM
import Primitives
import TestSupport
import Testing

@testable import Machine

/// Our page walk beside the kernel's own, which KVM_TRANSLATE does.
@Suite("Page walk against KVM", .enabled(if: Sandbox.isPossible, Comment(rawValue: Sandbox.whyNot ?? "")))
struct TranslationTests {
    struct Mode: CustomTestStringConvertible, Sendable {
        let name: String
        let cr0: UInt64
        let cr4: UInt64
        let efer: UInt64
        /// For each level from the leaves up, the bits of an entry that must be 0 (Intel SDM volume 3, chapter 4), of
        /// one that refers to a table and of one that maps a page; nil where none can.
        let reserved: [(table: UInt64, page: UInt64?)]
        var entrySize: UInt64 = 8

        var testDescription: String { name }
    }

    /// Address bits that point beyond the 2 MiB of memory, and all above; random addresses stay below.
    private static let size: UInt64 = 0x20_0000
    private static let high: UInt64 = 0xfff0_0000_0000_0000
    private static let noExecute: UInt64 = 1 << 63
    // Bit 8 of an entry above a directory's is ignored by Intel processors and reserved in AMD's.

    private static let narrowModes = [
        Mode(name: "no paging", cr0: 0x11, cr4: 0, efer: 0, reserved: []),
        Mode(
            name: "32-bit, 4 KiB pages only", cr0: 0x8000_0011, cr4: 0, efer: 0, reserved: [(0, nil), (0, nil)],
            entrySize: 4),
        Mode(
            name: "32-bit with 4 MiB pages", cr0: 0x8000_0011, cr4: 0x10, efer: 0,
            // Bits 17 to 21: beyond the 36 bits that every processor with PSE-36 has.
            reserved: [(0, nil), (0x80, 0x3e_0000)], entrySize: 4),
        Mode(
            name: "PAE", cr0: 0x8000_0011, cr4: 0x20, efer: 0,
            reserved: [(high, nil), (high | 0x80, high | 0x1f_e000), (high | 0x1e6, nil)]),
        Mode(
            name: "PAE with execute-disable", cr0: 0x8000_0011, cr4: 0x20, efer: 0x800,
            reserved: [
                (high & ~noExecute, nil), (high & ~noExecute | 0x80, high & ~noExecute | 0x1f_e000),
                (high | 0x1e6, nil),
            ]),
    ]

    private static let longModes = [
        Mode(
            name: "4 levels", cr0: 0x8000_0011, cr4: 0x20, efer: 0x500,
            reserved: [
                (noExecute, nil), (noExecute | 0x80, noExecute | 0x1f_e000), (noExecute | 0x180, nil),
                (noExecute | 0x180, nil),
            ]),
        Mode(
            name: "4 levels with execute-disable", cr0: 0x8000_0011, cr4: 0x20, efer: 0xd00,
            reserved: [(0, nil), (0x80, 0x1f_e000), (0x180, nil), (0x180, nil)]),
    ]

    /// Pages whose entries are tables of `level`: 32 each, from the lowest up.
    private func pages(_ level: Int) -> Range<UInt64> { UInt64(level - 1) * 32..<UInt64(level) * 32 }

    private func entry(_ mode: Mode, _ level: Int, _ random: inout Seeded) -> UInt64 {
        let (table, page) = mode.reserved[level - 1]
        var value = random.next() & (mode.entrySize == 4 ? 0xf7f : 0xfff0_0000_0000_0f7f)
        value = random.chance(90) ? value | 1 : value & ~1
        if let page, random.chance(25) {
            return (value | 0x80 | random.next() & 0xffff_f000) & ~page
        }
        // Now and then a table outside of memory; a leaf may map any address.
        let target =
            level == 1 || random.chance(4)
            ? random.next() & 0xffff_f000 : UInt64.random(in: pages(level - 1), using: &random) << 12
        return (value | target) & ~table
    }

    private func fill(_ memory: GuestMemory, _ mode: Mode, _ random: inout Seeded) {
        for level in mode.reserved.indices.map({ $0 + 1 }) {
            for page in pages(level) {
                var bytes: [UInt8] = []
                bytes.reserveCapacity(0x1000)
                for _ in 0..<512 {
                    var word = entry(mode, level, &random)
                    if mode.entrySize == 4 { word = word & 0xffff_ffff | entry(mode, level, &random) << 32 }
                    bytes.append(littleEndian: word)
                }
                let isWritten = memory.write(PhysicalAddress(page << 12), bytes[...])
                #expect(isWritten)
            }
        }
    }

    private func file(_ mode: Mode, _ sandbox: Sandbox, root: UInt64) -> RegisterFile {
        var file = sandbox.fresh
        let isLong = mode.efer & 0x400 != 0
        file["cs_attr"] = isLong ? 0xa09b : 0xc09b
        file["ss_attr"] = 0xc093
        file["cr4"] = mode.cr4
        file["cr3"] = root
        file["efer"] = mode.efer
        file["cr0"] = mode.cr0
        return file
    }

    @Test("thousands of addresses in random tables lead where KVM says", arguments: longModes, [1, 2, 3] as [UInt64])
    func long(_ mode: Mode, seed: UInt64) throws { try compare(mode, seed: seed) }

    @Test(
        "so they do outside of long mode",
        .enabled(
            if: try pagesOutsideLongMode, "this host's KVM pages in long mode only: it does not keep CR0.PG elsewhere"),
        arguments: narrowModes, [1, 2, 3] as [UInt64])
    func narrow(_ mode: Mode, seed: UInt64) throws { try compare(mode, seed: seed) }

    private static var pagesOutsideLongMode: Bool {
        get throws {
            let sandbox = try Sandbox(memorySize: size)
            var file = sandbox.fresh
            file["cr0"] = 0x8000_0011
            try sandbox.vcpu.set(.system, from: file.storage, at: X86.Storage.system)
            return try sandbox.get()["cr0"] == 0x8000_0011
        }
    }

    private func compare(_ mode: Mode, seed: UInt64) throws {
        var random = Seeded(seed)
        let sandbox = try Sandbox(memorySize: Self.size)
        fill(sandbox.memory, mode, &random)
        let (isLong, levels) = (mode.efer & 0x400 != 0, mode.reserved.count)
        var (hits, faults) = (0, 0)
        for _ in 0..<8 {
            let root = levels == 0 ? 0 : UInt64.random(in: pages(levels), using: &random) << 12
            let file = file(mode, sandbox, root: root)
            try sandbox.vcpu.set(.system, from: file.storage, at: X86.Storage.system)
            let paging = X86.paging(file)
            for _ in 0..<500 {
                let address = VirtualAddress(isLong ? random.canonical() : random.next() & 0xffff_ffff)
                let kernel = try sandbox.vcpu.translate(address)
                let ours = try? paging.translate(address, in: sandbox.memory).physical
                guard ours == kernel else {
                    Issue.record(
                        "\(address), CR3 \(hexadecimal(root)): \(ours?.description ?? "none"), KVM \(kernel?.description ?? "none")"
                    )
                    return
                }
                if kernel == nil { faults += 1 } else { hits += 1 }
            }
        }
        #expect(hits > 1000)
        if levels > 0 { #expect(faults > 100) }
    }
}
