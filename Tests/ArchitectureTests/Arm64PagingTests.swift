import Primitives
import TestSupport
import Testing

@testable import Architecture

@Suite("Stage 1 walk")
struct Arm64PagingTests {
    /// A way of translating, by TCR_EL1: both halves alike in granule and size.
    struct Mode: CustomTestStringConvertible, Sendable {
        let name: String
        /// In KiB.
        let granule: UInt64
        /// TxSZ.
        let size: UInt64
        var other: UInt64 = 0
        var sctlr: UInt64 = 1

        var testDescription: String { name }

        var tcr: UInt64 {
            let (tg0, tg1): (UInt64, UInt64) = granule == 4 ? (0, 2) : granule == 16 ? (2, 1) : (1, 3)
            return size | size << 16 | tg0 << 14 | tg1 << 30 | other
        }
    }

    private static let wide: UInt64 = 6 << 32
    private static let lpa2: UInt64 = 1 << 59 | 6 << 32

    static let modes = [
        Mode(name: "off", granule: 4, size: 16, sctlr: 0),
        Mode(name: "off, top byte ignored", granule: 4, size: 16, other: 3 << 37, sctlr: 0),
        Mode(name: "4 KiB, 48 bits", granule: 4, size: 16), Mode(name: "4 KiB, 39 bits", granule: 4, size: 25),
        Mode(name: "4 KiB, 36 bits, top byte ignored", granule: 4, size: 28, other: 3 << 37),
        Mode(name: "4 KiB, 25 bits, the smallest without FEAT_TTST", granule: 4, size: 39),
        Mode(name: "4 KiB, one level", granule: 4, size: 48),
        Mode(name: "4 KiB, more bits than there are", granule: 4, size: 5),
        Mode(name: "4 KiB, LPA2, 52 bits", granule: 4, size: 12, other: lpa2),
        Mode(name: "4 KiB, LPA2, 48 bits", granule: 4, size: 16, other: lpa2),
        Mode(name: "4 KiB, dirty state kept by the processor", granule: 4, size: 25, other: 3 << 39),
        Mode(name: "4 KiB, write implies no execution", granule: 4, size: 25, sctlr: 1 | 1 << 19),
        Mode(name: "4 KiB, flat rights", granule: 4, size: 25, other: 3 << 41),
        Mode(name: "16 KiB, 48 bits", granule: 16, size: 16), Mode(name: "16 KiB, 47 bits", granule: 16, size: 17),
        Mode(name: "16 KiB, 36 bits", granule: 16, size: 28),
        Mode(name: "16 KiB, LPA2, 52 bits", granule: 16, size: 12, other: lpa2),
        Mode(name: "64 KiB, 48 bits", granule: 64, size: 16), Mode(name: "64 KiB, 42 bits", granule: 64, size: 22),
        Mode(name: "64 KiB, 52 bits, LPA", granule: 64, size: 12, other: wide),
        Mode(name: "64 KiB, 52 bits, LVA only", granule: 64, size: 12),
        Mode(name: "64 KiB, one level", granule: 64, size: 60),
        Mode(name: "TTBR0 disabled", granule: 4, size: 25, other: 1 << 7),
        Mode(name: "TTBR1 disabled", granule: 64, size: 22, other: 1 << 23),
    ]

    /// As many granules of tables.
    private static let tables: UInt64 = 8

    /// Memory whose every word is a descriptor: mostly valid, leading mostly to memory, with random rights and flags.
    private func memory(_ mode: Mode, _ random: inout Seeded) -> ArrayMemory {
        let granule = mode.granule * 1024
        let words = (0..<Self.tables * granule / 8).map { _ in
            var word = random.next() & 0xfff0_0000_0000_08fc
            word |= UInt64.random(in: 0..<Self.tables, using: &random) * granule
            if random.chance(8) { word |= random.next() & 0x0000_ffff_ffff_fc00 }
            if random.chance(3) { word |= random.next() & 0x0003_0000_0000_f300 }
            if random.chance(90) { word |= 1 }
            if random.chance(80) { word |= 2 }
            return word
        }
        return ArrayMemory(words: words)
    }

    /// An address that a table covers, mostly.
    private func address(_ mode: Mode, _ random: inout Seeded) -> UInt64 {
        let any = random.next()
        let bits = min(max(16, 64 - mode.size), mode.size == 12 ? 52 : 48)
        switch Int.random(in: 0..<10, using: &random) {
        case 0: return any
        case 1: return any & .mask(56)
        case 2...5: return any & .mask(Int(bits))
        default: return any | ~.mask(Int(bits))
        }
    }

    private func paging(_ mode: Mode, _ random: inout Seeded) -> Arm64Paging {
        // ASIDs, CnP and what TCR_EL1 says of caches are no part of an address.
        func root(_ random: inout Seeded) -> UInt64 {
            let table = UInt64.random(in: 0..<Self.tables, using: &random) * mode.granule * 1024
            return table | random.next() & 0xffff_0000_0000_0001
        }
        return Arm64Paging(
            sctlr: mode.sctlr | random.next() & 0x3000_1006, tcr: mode.tcr | random.next() & 0x3f00_3f00 | 1 << 36,
            ttbr0: root(&random), ttbr1: root(&random))
    }

    private func run(_ paging: Arm64Paging, _ address: UInt64, _ memory: some PhysicalMemory)
        -> Arm64ReferenceWalk.Outcome
    {
        do throws(TranslationFault) {
            return .success(try paging.translate(VirtualAddress(address), in: memory))
        } catch { return .failure(error) }
    }

    @Test("random tables are walked as the manual says", arguments: modes, [1, 2] as [UInt64])
    func random(_ mode: Mode, seed: UInt64) {
        var random = Seeded(seed)
        let memory = memory(mode, &random)
        var (hits, blocks, faults) = (0, 0, 0)
        for _ in 0..<1000 {
            let (paging, address) = (paging(mode, &random), address(mode, &random))
            let found = run(paging, address, memory)
            let expected = Arm64ReferenceWalk(paging: paging, memory: memory).walk(address)
            guard found == expected else {
                Issue.record("\(hexadecimal(address)) under \(paging): \(found), not \(expected)")
                return
            }
            switch found {
            case .success(let translation):
                hits += 1
                if translation.pageSize > mode.granule * 1024 { blocks += 1 }
            case .failure: faults += 1
            }
        }
        // The tables must have been worth walking.
        #expect(hits > 150, "\(hits) hits")
        if mode.sctlr & 1 != 0 {
            #expect(faults > 30, "\(faults) faults")
            if mode.size < 40 { #expect(blocks > 10, "\(blocks) blocks") }
        }
    }

    // MARK: - Tables that kernels make

    /// Three levels of 4 KiB tables in pages 1 to 3 for 39 bits, as Linux has them; page 4 is mapped at the bottom of both
    /// halves, a block of 2 MiB behind it.
    private static let kernel: (paging: Arm64Paging, memory: ArrayMemory) = {
        var memory = ArrayMemory(words: [UInt64](repeating: 0, count: 8 * 512))
        memory.words[512] = 0x2003
        memory.words[1024] = 0x3003
        // UXN and PXN, AF, AP[2]; an EL1 page that EL1 alone executes.
        memory.words[1024 + 1] = 0x0060_0000_4020_0481
        memory.words[1536] = 0x0040_0000_0000_4403
        memory.words[1537] = 0x0020_0000_0000_5c43
        return (Arm64Paging(sctlr: 1, tcr: 0x8019_0019, ttbr0: 0x1000, ttbr1: 0x1000), memory)
    }()

    @Test(
        "rights are those of a kernel's text, a user's page and a read-only block",
        arguments: [
            (0xffff_ff80_0000_0123, 0x4123, 0x1000, "kw-x", true), (0x1008, 0x5008, 0x1000, "uw-x", false),
            (0x20_0000, 0x4020_0000, 0x20_0000, "kr--", true),
        ] as [(UInt64, UInt64, UInt64, String, Bool)])
    func rights(address: UInt64, physical: UInt64, size: UInt64, rights: String, isGlobal: Bool) throws {
        let found = try Self.kernel.paging.translate(VirtualAddress(address), in: Self.kernel.memory)
        #expect(found.physical.rawValue == physical && found.pageSize == size)
        let text = "\(found.isUser ? "u" : "k")\(found.isWritable ? "w" : "r")-\(found.isExecutable ? "x" : "-")"
        #expect(text == rights)
        #expect(found.isGlobal == isGlobal && found.isAccessed)
    }

    @Test("a fault names the level and the descriptor, and how far it reaches")
    func faults() {
        let (paging, memory) = Self.kernel
        let cases: [(UInt64, String, UInt64)] = [
            (0x40_0000, "the level 2 descriptor at physical 0x2010 is not valid", 0x20_0000),
            (0x2000, "the level 3 descriptor at physical 0x3010 is not valid", 0x1000),
            (0x80_0000_0000, "outside of both table regions: bits 39 and up differ", 1 << 39),
            (0xff00_0000_0000_1008, "outside of both table regions", 1 << 55),
        ]
        for (address, words, span) in cases {
            guard case .failure(let fault) = run(paging, address, memory) else {
                Issue.record("\(hexadecimal(address)) is mapped")
                continue
            }
            #expect("\(fault)".contains(words), "\(fault)")
            #expect(fault.span == span, "\(fault)")
        }
    }

    @Test("a tagged address leads where it leads without its tag, if the top byte is ignored")
    func tags() throws {
        let (plain, memory) = Self.kernel
        let paging = Arm64Paging(sctlr: 1, tcr: plain.tcr | 1 << 37, ttbr0: plain.ttbr0, ttbr1: plain.ttbr1)
        let tagged = VirtualAddress(0xab00_0000_0000_1008)
        #expect(try paging.translate(tagged, in: memory).physical.rawValue == 0x5008)
        #expect(throws: TranslationFault.self) { try plain.translate(tagged, in: memory) }
    }

    @Test("the hole lies between both halves, and its neighbours do not")
    func hole() throws {
        let (paging, _) = Self.kernel
        #expect(paging.hole == 0x80_0000_0000...0xffff_ff7f_ffff_ffff)
        #expect(Arm64Paging(sctlr: 0, tcr: 0, ttbr0: 0, ttbr1: 0).hole == nil)
    }

    @Test("the pages of the tables are all that any walk looks at", arguments: modes)
    func tablePages(_ mode: Mode) {
        var random = Seeded(7)
        for _ in 0..<4 {
            let witness = Witness(memory(mode, &random))
            let paging = paging(mode, &random)
            let pages = paging.tablePages(in: witness.memory)
            for _ in 0..<400 { _ = run(paging, address(mode, &random), witness) }
            #expect(witness.pages.isSubset(of: pages))
            #expect(witness.pages.isEmpty == (mode.sctlr == 0))
        }
        let (paging, memory) = Self.kernel
        #expect(paging.tablePages(in: memory) == [0x1000, 0x2000, 0x3000])
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

    @Test("the registers of a vCPU choose the tables, of either architecture")
    func ofRegisters() {
        var file = RegisterFile(size: Architecture.arm64.storageSize)
        for (name, value) in [("sctlr_el1", 1), ("tcr_el1", 2), ("ttbr0_el1", 3), ("ttbr1_el1", 4)] {
            file[name, in: Arm64.layout] = UInt64(value)
        }
        #expect(Architecture.arm64.paging(file) == .arm64(Arm64Paging(sctlr: 1, tcr: 2, ttbr0: 3, ttbr1: 4)))
        var other = RegisterFile(size: Architecture.x86_64.storageSize)
        other["cr3", in: X86.layout64] = 0x1000
        #expect(Architecture.x86_64.paging(other) == .x86(X86Paging(cr0: 0, cr3: 0x1000, cr4: 0, efer: 0)))
    }
}
