import Primitives

@testable import Architecture

/// The page walk once more, slowly: each paging mode written out as Intel SDM volume 3, chapter 4, gives it, with
/// nothing shared between the modes. The tests hold X86Paging to it.
struct ReferenceWalk {
    let cr0: UInt64
    let cr3: UInt64
    let cr4: UInt64
    let efer: UInt64
    let memory: ArrayMemory

    typealias Outcome = Result<Translation, TranslationFault>

    /// The bits `high` to `low` of `value`, as the manual counts them.
    private func bits(_ value: UInt64, _ high: UInt64, _ low: UInt64) -> UInt64 {
        let upTo = high == 63 ? value : value % (1 << (high + 1))
        return upTo / (1 << low)
    }

    private var executeDisable: Bool { bits(efer, 11, 11) == 1 }

    func walk(_ linear: UInt64) -> Outcome {
        // Section 4.1.1: which mode it is.
        if bits(cr0, 31, 31) == 0 { return .success(flat(linear)) }
        if bits(cr4, 5, 5) == 0 { return thirtyTwoBit(linear) }
        if bits(efer, 10, 10) == 0 { return pae(linear) }
        return bits(cr4, 12, 12) == 0 ? fourLevel(linear, from: bits(cr3, 51, 12) << 12) : fiveLevel(linear)
    }

    private func flat(_ linear: UInt64) -> Translation {
        let physical = bits(efer, 10, 10) == 1 ? linear : bits(linear, 31, 0)
        return Translation(
            physical: PhysicalAddress(physical), pageSize: 4096, isWritable: true, isUser: true, isExecutable: true,
            isPaged: false)
    }

    /// A page, with the rights that all `entries` on the way grant.
    private func page(_ physical: UInt64, size: UInt64, _ entries: [UInt64]) -> Outcome {
        var (writable, user, executable) = (true, true, true)
        for entry in entries {
            if bits(entry, 1, 1) == 0 { writable = false }
            if bits(entry, 2, 2) == 0 { user = false }
            if executeDisable && bits(entry, 63, 63) == 1 { executable = false }
        }
        return .success(
            Translation(
                physical: PhysicalAddress(physical), pageSize: size, isWritable: writable, isUser: user,
                isExecutable: executable, isGlobal: bits(entries.last!, 8, 8) == 1,
                isAccessed: bits(entries.last!, 5, 5) == 1, isDirty: bits(entries.last!, 6, 6) == 1))
    }

    /// The entry at `place`, or why the walk ends there.
    private func entry(
        _ place: UInt64, bytes: UInt64, level: Int, _ linear: UInt64
    ) throws(TranslationFault) -> UInt64 {
        guard place + bytes <= memory.count else {
            throw .tableOutsideMemory(VirtualAddress(linear), level: level, entry: PhysicalAddress(place))
        }
        let word = memory.words[Int(place / 8)]
        let value = bytes == 8 ? word : place % 8 == 0 ? bits(word, 31, 0) : bits(word, 63, 32)
        guard bits(value, 0, 0) == 1 else {
            throw .notPresent(VirtualAddress(linear), level: level, entry: PhysicalAddress(place))
        }
        return value
    }

    /// Section 4.3: "32-Bit Paging".
    private func thirtyTwoBit(_ linear: UInt64) -> Outcome {
        do throws(TranslationFault) {
            let pde = try entry(bits(cr3, 31, 12) << 12 | bits(linear, 31, 22) << 2, bytes: 4, level: 2, linear)
            if bits(cr4, 4, 4) == 1 && bits(pde, 7, 7) == 1 {
                let physical = bits(pde, 20, 13) << 32 | bits(pde, 31, 22) << 22 | bits(linear, 21, 0)
                return page(physical, size: 4 << 20, [pde])
            }
            let pte = try entry(bits(pde, 31, 12) << 12 | bits(linear, 21, 12) << 2, bytes: 4, level: 1, linear)
            return page(bits(pte, 31, 12) << 12 | bits(linear, 11, 0), size: 4096, [pde, pte])
        } catch { return .failure(error) }
    }

    /// Section 4.4: "PAE Paging". The directory pointers carry no rights.
    private func pae(_ linear: UInt64) -> Outcome {
        do throws(TranslationFault) {
            let pointer = try entry(bits(cr3, 31, 5) << 5 | bits(linear, 31, 30) << 3, bytes: 8, level: 3, linear)
            let pde = try entry(bits(pointer, 51, 12) << 12 | bits(linear, 29, 21) << 3, bytes: 8, level: 2, linear)
            if bits(pde, 7, 7) == 1 {
                return page(bits(pde, 51, 21) << 21 | bits(linear, 20, 0), size: 2 << 20, [pde])
            }
            let pte = try entry(bits(pde, 51, 12) << 12 | bits(linear, 20, 12) << 3, bytes: 8, level: 1, linear)
            return page(bits(pte, 51, 12) << 12 | bits(linear, 11, 0), size: 4096, [pde, pte])
        } catch { return .failure(error) }
    }

    /// Section 4.5: "4-Level Paging and 5-Level Paging", from the PML4 table on; `above` is the entry of level 5.
    private func fourLevel(_ linear: UInt64, from table: UInt64, above: [UInt64] = []) -> Outcome {
        // Volume 1, section 3.3.7.1: bits 63 to 47 are all alike.
        if above.isEmpty && bits(linear, 63, 47) != 0 && bits(linear, 63, 47) != 0x1_ffff {
            return .failure(.nonCanonical(VirtualAddress(linear)))
        }
        do throws(TranslationFault) {
            let pml4e = try entry(table | bits(linear, 47, 39) << 3, bytes: 8, level: 4, linear)
            let pdpte = try entry(bits(pml4e, 51, 12) << 12 | bits(linear, 38, 30) << 3, bytes: 8, level: 3, linear)
            if bits(pdpte, 7, 7) == 1 {
                return page(bits(pdpte, 51, 30) << 30 | bits(linear, 29, 0), size: 1 << 30, above + [pml4e, pdpte])
            }
            let pde = try entry(bits(pdpte, 51, 12) << 12 | bits(linear, 29, 21) << 3, bytes: 8, level: 2, linear)
            if bits(pde, 7, 7) == 1 {
                return page(bits(pde, 51, 21) << 21 | bits(linear, 20, 0), size: 2 << 20, above + [pml4e, pdpte, pde])
            }
            let pte = try entry(bits(pde, 51, 12) << 12 | bits(linear, 20, 12) << 3, bytes: 8, level: 1, linear)
            return page(
                bits(pte, 51, 12) << 12 | bits(linear, 11, 0), size: 4096, above + [pml4e, pdpte, pde, pte])
        } catch { return .failure(error) }
    }

    private func fiveLevel(_ linear: UInt64) -> Outcome {
        if bits(linear, 63, 56) != 0 && bits(linear, 63, 56) != 0xff {
            return .failure(.nonCanonical(VirtualAddress(linear)))
        }
        do throws(TranslationFault) {
            let pml5e = try entry(bits(cr3, 51, 12) << 12 | bits(linear, 56, 48) << 3, bytes: 8, level: 5, linear)
            return fourLevel(linear, from: bits(pml5e, 51, 12) << 12, above: [pml5e])
        } catch { return .failure(error) }
    }
}
