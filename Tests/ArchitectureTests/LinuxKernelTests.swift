import Primitives
import TestSupport
import Testing

@testable import Architecture

/// Where a running Linux kernel is, in address spaces and memory made for the purpose.
@Suite("A Linux kernel's slide")
struct LinuxKernelTests {
    /// 8 MiB of memory: tables from 0x1000 on, an image of 2 MiB at 2 MiB.
    private struct Guest {
        var memory = ArrayMemory(words: [UInt64](repeating: 0, count: 8 << 17))
        private var next: UInt64 = 0x2000
        static let root: UInt64 = 0x1000
        static let image: UInt64 = 0x20_0000

        private mutating func table(_ place: UInt64, _ index: UInt64) -> UInt64 {
            let slot = Int((place + index * 8) / 8)
            if memory.words[slot] == 0 {
                memory.words[slot] = next | 7
                next += 0x1000
            }
            return memory.words[slot] & 0x000f_ffff_ffff_f000
        }

        /// Maps a page of 2 MiB, or of 4 KiB.
        mutating func map(
            _ address: UInt64, to physical: UInt64, root: UInt64 = root, executable: Bool = true, small: Bool = false
        ) {
            let flags = 3 | (executable ? 0 : 1 << 63) as UInt64
            var place = root
            for shift in [39, 30] as [UInt64] { place = table(place, address >> shift & 511) }
            if !small {
                memory.words[Int((place + (address >> 21 & 511) * 8) / 8)] = physical | flags | 0x80
                return
            }
            place = table(place, address >> 21 & 511)
            memory.words[Int((place + (address >> 12 & 511) * 8) / 8)] = physical | flags
        }

        mutating func put(_ text: String, at place: UInt64) {
            for (i, word) in X86CrashNote.words(text).enumerated() { memory.words[Int(place / 8) + i] = word }
        }

        /// The image with its banner, mapped `slide` above where it was linked.
        mutating func start(slide: UInt64, link: UInt64 = 0xffff_ffff_8100_0000, banner: Bool = true) {
            map(link &+ slide, to: Guest.image)
            if banner { put("Linux version 6.1.0 (somebody)", at: Guest.image + 0x1_2340) }
        }

        func find(
            root: UInt64 = root, link: UInt64 = 0xffff_ffff_8100_0000, cr0: UInt64 = 0x8000_0011, efer: UInt64 = 0xd01
        ) -> Result<X86LinuxKernel, X86LinuxKernel.Absence> {
            let paging = X86Paging(cr0: cr0, cr3: root, cr4: 0x20, efer: efer)
            do throws(X86LinuxKernel.Absence) {
                return .success(try X86LinuxKernel.find(paging, linkedAt: VirtualAddress(link), in: memory))
            } catch { return .failure(error) }
        }
    }

    private static let link: UInt64 = 0xffff_ffff_8100_0000

    private func kernel(
        _ slide: UInt64, _ source: X86LinuxKernel.Source, link: UInt64 = link, release: String? = nil, id: String? = nil
    ) -> Result<X86LinuxKernel, X86LinuxKernel.Absence> {
        .success(
            X86LinuxKernel(
                slide: slide, start: VirtualAddress(link &+ slide), source: source, release: release, buildID: id))
    }

    @Test(
        "without a note the first executable page shows it, whatever the slide",
        arguments: [0, 0x20_0000, 0x1a00_0000, 0x3e00_0000, 0x3ee0_0000] as [UInt64])
    func pageTables(slide: UInt64) {
        var guest = Guest()
        guest.start(slide: slide)
        #expect(guest.find() == kernel(slide, .pageTables))
    }

    @Test("pages that are not executable lie below without being taken for the image, small ones too")
    func dataBelow() {
        var guest = Guest()
        guest.map(0xffff_ffff_8000_0000, to: 0x40_0000, executable: false)
        guest.map(0xffff_ffff_8220_3000, to: 0x40_0000, executable: false, small: true)
        guest.start(slide: 0x200_0000)
        #expect(guest.find() == kernel(0x200_0000, .pageTables))
    }

    @Test("an image that was linked elsewhere has its slide from there")
    func linkedElsewhere() {
        var guest = Guest()
        guest.start(slide: 0x600_0000, link: 0xffff_ffff_8020_0000)
        #expect(guest.find(link: 0xffff_ffff_8020_0000) == kernel(0x600_0000, .pageTables, link: 0xffff_ffff_8020_0000))
    }

    @Test("the kernel's own note counts before the tables", arguments: [false, true])
    func note(asELFNote: Bool) {
        var guest = Guest()
        guest.start(slide: 0x600_0000, banner: false)
        let text =
            "OSRELEASE=6.1.0-7\nBUILD-ID=00ffee\nPAGESIZE=4096\nSYMBOL(init)=1\nKERNELOFFSET=6000000\nNUMBER(x)=1\n"
        if asELFNote {
            // namesz 11, descsz, type 0, "VMCOREINFO".
            guest.memory.words[0x50_0000 / 8] = 11 | UInt64(text.utf8.count) << 32
            guest.put("\0\0\0\0VMCOREINFO\0\0", at: 0x50_0008)
            guest.put(text, at: 0x50_0018)
        } else {
            guest.put(text, at: 0x50_0000)
        }
        #expect(guest.find() == kernel(0x600_0000, .note, release: "6.1.0-7", id: "00ffee"))
    }

    @Test("what an earlier kernel left in memory is not believed")
    func stale() {
        var guest = Guest()
        guest.put("OSRELEASE=5.0\nKERNELOFFSET=20000000\n", at: 0x40_0000)
        guest.put("OSRELEASE=5.1\nKERNELOFFSET=6000001\n", at: 0x41_0000)
        guest.put("OSRELEASE=5.2\nKERNELOFFSET=xyz\n", at: 0x42_0000)
        guest.put("OSRELEASE=5.3\n", at: 0x43_0000)
        guest.start(slide: 0x600_0000)
        #expect(guest.find() == kernel(0x600_0000, .pageTables))
        guest.put("OSRELEASE=6.1\nKERNELOFFSET=6000000\n", at: 0x60_0000)
        #expect(guest.find() == kernel(0x600_0000, .note, release: "6.1"))
    }

    @Test("in user mode with page table isolation the kernel's tables are looked at, in the page before")
    func isolation() {
        var guest = Guest()
        // The kernel's root is at 0x10000, the user's behind it; only the entry code is in the latter.
        guest.map(Self.link + 0x600_0000, to: Guest.image, root: 0x1_0000)
        guest.map(Self.link + 0x6c0_0000, to: 0x40_0000, root: 0x1_0000)
        guest.map(Self.link + 0x6c0_0000, to: 0x40_0000, root: 0x1_1000)
        guest.put("Linux version 6", at: Guest.image + 64)
        #expect(guest.find(root: 0x1_1000) == kernel(0x600_0000, .pageTables))
        #expect(guest.find(root: 0x1_0000) == kernel(0x600_0000, .pageTables))
        // CR3's low bits are a PCID.
        #expect(guest.find(root: 0x1_1806) == kernel(0x600_0000, .pageTables))
    }

    @Test("what is no Linux kernel is none, and says why")
    func none() {
        var guest = Guest()
        #expect(guest.find() == .failure(.nothingMapped))
        guest.map(0x10_0000, to: 0)
        guest.map(0xffff_8000_0000_0000, to: 0)
        #expect(guest.find() == .failure(.nothingMapped))
        guest.map(0xffff_ffff_9000_0000, to: 0x40_0000, executable: false)
        #expect(guest.find() == .failure(.nothingMapped))
        guest.start(slide: 0x600_0000, banner: false)
        #expect(guest.find() == .failure(.foreign(VirtualAddress(Self.link + 0x600_0000))))
        guest.put("Linux versioned", at: Guest.image + 64)
        #expect(guest.find() == .failure(.foreign(VirtualAddress(Self.link + 0x600_0000))))
        guest.put("Linux version 3", at: Guest.image + 64)
        #expect(guest.find() == kernel(0x600_0000, .pageTables))
        // Below where any kernel is linked; not at a multiple of 2 MiB.
        guest.map(0xffff_ffff_8040_0000, to: Guest.image)
        #expect(guest.find() == .failure(.foreign(VirtualAddress(0xffff_ffff_8040_0000))))
        guest = Guest()
        guest.map(0xffff_ffff_8600_3000, to: Guest.image, small: true)
        #expect(guest.find() == .failure(.foreign(VirtualAddress(0xffff_ffff_8600_3000))))
    }

    @Test("without paging, or outside of long mode, there is none")
    func modes() {
        var guest = Guest()
        guest.start(slide: 0)
        #expect(guest.find(cr0: 0x11) == .failure(.notLongMode))
        #expect(guest.find(efer: 0x801) == .failure(.notLongMode))
    }

    @Test("random memory is searched without harm", arguments: 1...4 as ClosedRange<UInt64>)
    func anything(seed: UInt64) {
        var random = Seeded(seed)
        // Entries that lead to memory, some of them present.
        let words = (0..<16 * 512).map { _ in random.next() & 0x8000_0000_0000_ff7f | (random.chance(20) ? 1 : 0) }
        let memory = ArrayMemory(words: words)
        for root in 1..<4 as Range<UInt64> {
            let paging = X86Paging(cr0: 0x8000_0011, cr3: root << 12, cr4: 0x20, efer: 0xd01)
            let found = try? X86LinuxKernel.find(paging, in: memory)
            #expect(found == nil)
        }
    }
}
