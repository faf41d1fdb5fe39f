import Primitives
import TestSupport
import Testing

@testable import Architecture

@Suite("Page walk")
struct PagingTests {
    /// A paging mode by the control registers that choose it (Intel SDM volume 3, section 4.1.1).
    struct Mode: CustomTestStringConvertible, Sendable {
        let name: String
        var cr0: UInt64 = 0x8000_0011
        var cr4: UInt64
        var efer: UInt64
        /// Bytes of a table's entry.
        var entrySize = 8

        var testDescription: String { name }
    }

    static let modes = [
        Mode(name: "no paging", cr0: 0x11, cr4: 0x10, efer: 0),
        Mode(name: "32-bit, 4 KiB pages only", cr4: 0, efer: 0, entrySize: 4),
        Mode(name: "32-bit with 4 MiB pages", cr4: 0x10, efer: 0, entrySize: 4),
        Mode(name: "32-bit, EFER.NXE set", cr4: 0x10, efer: 0x800, entrySize: 4),
        Mode(name: "PAE", cr4: 0x20, efer: 0), Mode(name: "PAE with execute-disable", cr4: 0x30, efer: 0x800),
        Mode(name: "4 levels", cr4: 0x20, efer: 0x500),
        Mode(name: "4 levels with execute-disable", cr4: 0x20, efer: 0xd00),
        Mode(name: "5 levels", cr4: 0x1020, efer: 0x500),
        Mode(name: "5 levels with execute-disable", cr4: 0x1020, efer: 0xd00),
    ]

    private static let pages: UInt64 = 32

    /// Memory whose every word is an entry: mostly present, leading mostly to memory, with random rights and flags.
    private func tables(_ mode: Mode, _ random: inout Seeded) -> ArrayMemory {
        func entry(_ random: inout Seeded) -> UInt64 {
            let target = random.chance(95) ? UInt64.random(in: 0..<Self.pages, using: &random) : random.next()
            var value = target << 12 & 0x000f_ffff_ffff_f000 | random.next() & 0xfff0_0000_0000_0f66
            if random.chance(92) { value |= 1 }
            if random.chance(15) { value |= 0x80 | random.next() & 0x000f_ffff_ffe0_0000 }
            return value
        }
        let words = (0..<Self.pages * 512).map { _ in
            guard mode.entrySize == 4 else { return entry(&random) }
            return entry(&random) & 0xffff_ffff | entry(&random) << 32
        }
        return ArrayMemory(words: words)
    }

    /// An address that is canonical mostly.
    private func address(_ random: inout Seeded) -> UInt64 {
        let any = random.next()
        switch Int.random(in: 0..<10, using: &random) {
        case 0: return any
        case 1...3: return any & 0xffff_ffff
        case 4...5: return any & 0x0000_7fff_ffff_ffff
        case 6...7: return any | 0xffff_8000_0000_0000
        default: return any & 0x01ff_ffff_ffff_ffff | (any >> 56 & 1) * 0xfe00_0000_0000_0000
        }
    }

    private func run(_ paging: X86Paging, _ address: UInt64, _ memory: ArrayMemory) -> ReferenceWalk.Outcome {
        do throws(TranslationFault) {
            return .success(try paging.translate(VirtualAddress(address), in: memory))
        } catch { return .failure(error) }
    }

    @Test("random tables are walked as the manual says", arguments: modes, [1, 2, 3] as [UInt64])
    func random(_ mode: Mode, seed: UInt64) {
        var random = Seeded(seed)
        let memory = tables(mode, &random)
        var (hits, large, faults) = (0, 0, 0)
        for _ in 0..<1200 {
            // The flags in CR3's low bits (PWT, PCD, a PCID) and its high ones (LAM), and CR4's others, are no part of an
            // address.
            let root =
                UInt64.random(in: 0..<Self.pages, using: &random) << 12 | random.next() & 0xfff0_0000_0000_0ff8
            let cr4 = mode.cr4 | random.next() & 0x2_00cf
            let address = address(&random)
            let paging = X86Paging(cr0: mode.cr0, cr3: root, cr4: cr4, efer: mode.efer)
            let reference = ReferenceWalk(cr0: mode.cr0, cr3: root, cr4: cr4, efer: mode.efer, memory: memory)
            let (found, expected) = (run(paging, address, memory), reference.walk(address))
            guard found == expected else {
                Issue.record("\(hexadecimal(address)) under CR3 \(hexadecimal(root)): \(found), not \(expected)")
                return
            }
            switch found {
            case .success(let translation):
                hits += 1
                if translation.pageSize > 0x1000 { large += 1 }
            case .failure: faults += 1
            }
        }
        // The tables must have been worth walking.
        #expect(hits > 300)
        if mode.cr0 > 0xffff { #expect(faults > 30) }
        if mode.cr0 > 0xffff && mode.cr4 != 0 { #expect(large > 30) }
    }

    /// Remembers which pages were looked at.
    private final class Witness: PhysicalMemory {
        let memory: ArrayMemory
        private(set) var pages: Set<UInt64> = []

        init(_ memory: ArrayMemory) { self.memory = memory }

        var ranges: [Range<PhysicalAddress>] { memory.ranges }

        func word(at address: PhysicalAddress) -> UInt64? {
            let word = memory.word(at: address)
            if word != nil { pages.insert(address.rawValue & ~0xfff) }
            return word
        }

        func read(_ address: PhysicalAddress, into bytes: inout [UInt8]) -> Bool { false }

        func write(_ address: PhysicalAddress, _ bytes: ArraySlice<UInt8>) -> Bool { false }
    }

    @Test("the pages of the tables are all that any walk looks at", arguments: modes)
    func tablePages(_ mode: Mode) {
        var random = Seeded(7)
        for _ in 0..<20 {
            let witness = Witness(tables(mode, &random))
            let root = UInt64.random(in: 0..<Self.pages, using: &random) << 12
            let paging = X86Paging(cr0: mode.cr0, cr3: root, cr4: mode.cr4, efer: mode.efer)
            let pages = paging.tablePages(in: witness.memory)
            for _ in 0..<500 { _ = try? paging.translate(VirtualAddress(address(&random)), in: witness) }
            #expect(witness.pages.isSubset(of: pages))
            #expect(witness.pages.isEmpty == (mode.cr0 == 0x11))
        }
    }

    @Test("a page that is mapped is none of the tables'")
    func tablePagesOfOneMapping() {
        // Four levels in pages 1 to 4; page 5 is mapped, and a 2 MiB page at 0 beside it.
        var memory = ArrayMemory(words: [UInt64](repeating: 0, count: 6 * 512))
        for level in 1...3 { memory.words[level * 512] = UInt64(level + 1) << 12 | 7 }
        memory.words[3 * 512 + 1] = 0x87
        memory.words[4 * 512] = 5 << 12 | 7
        let paging = X86Paging(cr0: 0x8000_0011, cr3: 0x1000, cr4: 0x20, efer: 0x500)
        #expect(paging.tablePages(in: memory) == [0x1000, 0x2000, 0x3000, 0x4000])
    }

    @Test("a root outside of memory is a fault that says where", arguments: modes.dropFirst())
    func rootOutside(_ mode: Mode) {
        let memory = ArrayMemory(words: [0, 0])
        let paging = X86Paging(cr0: mode.cr0, cr3: 0x4000_0000, cr4: mode.cr4, efer: mode.efer)
        let levels = mode.entrySize == 4 ? 2 : mode.efer & 0x400 == 0 ? 3 : mode.cr4 & 0x1000 == 0 ? 4 : 5
        #expect(
            throws: TranslationFault.tableOutsideMemory(
                VirtualAddress(0), level: levels, entry: PhysicalAddress(0x4000_0000))
        ) { try paging.translate(VirtualAddress(0), in: memory) }
    }

    @Test(
        "addresses in the hole are not canonical",
        arguments: [
            (0x20, 0x0000_8000_0000_0000), (0x20, 0xffff_7fff_ffff_ffff), (0x20, 0x0100_0000_0000_0000),
            (0x1020, 0x0100_0000_0000_0000), (0x1020, 0xfeff_ffff_ffff_ffff),
        ] as [(UInt64, UInt64)])
    func hole(cr4: UInt64, address: UInt64) {
        let paging = X86Paging(cr0: 0x8000_0001, cr3: 0, cr4: cr4, efer: 0x500)
        let memory = ArrayMemory(words: [UInt64](repeating: 0x83, count: 512))
        #expect(throws: TranslationFault.nonCanonical(VirtualAddress(address))) {
            try paging.translate(VirtualAddress(address), in: memory)
        }
    }

    @Test("the hole is where addresses are not canonical, to the byte", arguments: [0x20, 0x1020] as [UInt64])
    func holeBorders(cr4: UInt64) throws {
        let paging = X86Paging(cr0: 0x8000_0001, cr3: 0, cr4: cr4, efer: 0x500)
        let memory = ArrayMemory(words: [UInt64](repeating: 0, count: 512))
        func isCanonical(_ address: UInt64) -> Bool {
            do throws(TranslationFault) { _ = try paging.translate(VirtualAddress(address), in: memory) } catch {
                if case .nonCanonical = error { return false }
            }
            return true
        }
        let hole = try #require(paging.hole)
        #expect(!isCanonical(hole.lowerBound) && !isCanonical(hole.upperBound))
        #expect(isCanonical(hole.lowerBound - 1) && isCanonical(hole.upperBound + 1))
        #expect(X86Paging(cr0: 0x8000_0001, cr3: 0, cr4: cr4, efer: 0).hole == nil)
    }

    @Test("5 levels reach where 4 do not")
    func fiveLevels() throws {
        let memory = ArrayMemory(words: [UInt64](repeating: 0x3, count: 512))
        let paging = X86Paging(cr0: 0x8000_0001, cr3: 0, cr4: 0x1020, efer: 0x500)
        let address = VirtualAddress(0x00ff_ffff_ffff_f123)
        #expect(try paging.translate(address, in: memory).physical == PhysicalAddress(0x123))
    }

    @Test("a 4 MiB page can lie above 4 GiB (PSE-36)")
    func pse36() throws {
        // Bits 13 to 20 are address bits 32 to 39.
        let memory = ArrayMemory(words: [0x0040_0083 | 0xab << 13])
        let paging = X86Paging(cr0: 0x8000_0001, cr3: 0, cr4: 0x10, efer: 0)
        let found = try paging.translate(VirtualAddress(0x12_3456), in: memory)
        #expect(found.physical == PhysicalAddress(0xab_0052_3456))
        #expect(found.pageSize == 4 << 20)
    }

    @Test("a write-protected, kernel-only, no-execute page says so; the rights of all levels count")
    func rights() throws {
        // PML4, directory pointers, directory and table in the four words at 0, 0x1000, 0x2000 and 0x3000.
        func rights(_ flags: [UInt64], efer: UInt64 = 0xd00) throws -> [Bool] {
            var words = [UInt64](repeating: 0, count: 4 * 512)
            for (level, flag) in flags.enumerated() { words[level * 512] = UInt64(level + 1) << 12 | flag }
            let paging = X86Paging(cr0: 0x8000_0001, cr3: 0, cr4: 0x20, efer: efer)
            let found = try paging.translate(VirtualAddress(0), in: ArrayMemory(words: words))
            return [found.isWritable, found.isUser, found.isExecutable]
        }
        let noExecute: UInt64 = 1 << 63
        #expect(try rights([7, 7, 7, 7]) == [true, true, true])
        for level in 0..<4 {
            var flags: [UInt64] = [7, 7, 7, 7]
            flags[level] = 5
            #expect(try rights(flags) == [false, true, true])
            flags[level] = 3
            #expect(try rights(flags) == [true, false, true])
            flags[level] = 7 | noExecute
            #expect(try rights(flags) == [true, true, false])
            #expect(try rights(flags, efer: 0x500) == [true, true, true])
        }
    }

    @Test("the registers' own control registers choose the walk")
    func fromRegisters() {
        var file = RegisterFile.protected
        let layout = X86.layout64
        let values: [(String, UInt64)] = [("cr0", 0x8000_0001), ("cr3", 0x1234_5000), ("cr4", 0x20), ("efer", 0x500)]
        for (name, value) in values { file[name, in: layout] = value }
        #expect(X86.paging(file) == X86Paging(cr0: 0x8000_0001, cr3: 0x1234_5000, cr4: 0x20, efer: 0x500))
    }
}
