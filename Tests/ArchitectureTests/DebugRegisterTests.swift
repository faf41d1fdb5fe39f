import Primitives
import TestSupport
import Testing

@testable import Architecture

/// Intel SDM volume 3, section 18.2.
@Suite("Debug registers")
struct DebugRegisterTests {
    private typealias Slot = X86DebugRegisters.Slot

    /// The manual's field values: R/Wn (00 execution, 01 writes, 11 reads and writes) and LENn (00 1 byte, 01 2 bytes,
    /// 11 4 bytes, 10 8 bytes), each bit by the place that figure 18-1 gives it.
    private func control(_ slots: [X86DebugRegisters.Slot?]) -> UInt64 {
        var value: UInt64 = 0
        for case (let index, let slot?) in slots.enumerated() {
            let enable: UInt64 = [0x1, 0x4, 0x10, 0x40][index]
            let (accessLow, lengthLow): (UInt64, UInt64) = [
                (0x1_0000, 0x4_0000), (0x10_0000, 0x40_0000), (0x100_0000, 0x400_0000), (0x1000_0000, 0x4000_0000),
            ][index]
            value += 0x100 & ~value | enable
            switch slot.access {
            case .execute: break
            case .write: value += accessLow
            case .readWrite: value += accessLow * 3
            }
            switch slot.length {
            case 2: value += lengthLow
            case 4: value += lengthLow * 3
            case 8: value += lengthLow * 2
            default: break
            }
        }
        return value
    }

    private func anySlot(_ random: inout Seeded) -> X86DebugRegisters.Slot {
        let access: X86DebugRegisters.Access = [.execute, .write, .readWrite].randomElement(using: &random)!
        let length = access == .execute ? 1 : 1 << Int.random(in: 0...3, using: &random)
        return X86DebugRegisters.Slot(VirtualAddress(random.next() & ~7), access, length: length)
    }

    private func take(_ slot: X86DebugRegisters.Slot, in registers: inout X86DebugRegisters) {
        let isTaken = registers.add(slot)
        #expect(isTaken)
    }

    @Test("DR7 and DR0 to DR3 are what the manual says for the slots", arguments: 1...100 as ClosedRange<UInt64>)
    func encoding(seed: UInt64) {
        var random = Seeded(seed)
        let slots = (0..<Int.random(in: 0...4, using: &random)).map { _ in anySlot(&random) }
        var registers = X86DebugRegisters()
        for slot in slots { take(slot, in: &registers) }
        #expect(registers.control == control(slots))
        #expect(registers.addresses == slots.map(\.address.rawValue) + [UInt64](repeating: 0, count: 4 - slots.count))
        #expect(registers.free == 4 - slots.count)
        // The execution slots off, the others where they were.
        #expect(registers.control(executing: { _ in false }) == control(slots.map { $0.access == .execute ? nil : $0 }))
    }

    @Test("DR7 of known settings")
    func knownValues() {
        var registers = X86DebugRegisters()
        #expect(registers.control == 0)
        take(Slot(VirtualAddress(0x1000), .execute, length: 1), in: &registers)
        #expect(registers.control == 0x101)
        #expect(registers.control(executing: { _ in false }) == 0)
        take(Slot(VirtualAddress(0x2000), .write, length: 4), in: &registers)
        #expect(registers.control == 0xd0_0105)
        take(Slot(VirtualAddress(0x3000), .readWrite, length: 8), in: &registers)
        #expect(registers.control == 0xbd0_0115)
    }

    @Test("there are four slots, and one that is there already needs no other")
    func full() {
        var registers = X86DebugRegisters()
        let slots = (1...5).map { Slot(VirtualAddress(UInt64($0) * 0x1000), .execute, length: 1) }
        for slot in slots.prefix(4) { take(slot, in: &registers) }
        let fifth = registers.add(slots[4])
        #expect(!fifth)
        take(slots[2], in: &registers)
        #expect(registers.slots == Array(slots.prefix(4)))
    }

    @Test("DR6 names the slots that were hit", arguments: 0...15 as ClosedRange<UInt64>)
    func hits(status: UInt64) {
        var registers = X86DebugRegisters()
        let slots = (0...2).map { Slot(VirtualAddress(UInt64($0) * 8), .write, length: 8) }
        for slot in slots { take(slot, in: &registers) }
        // The bits that are always set, and BS.
        let found = registers.hits(status | 0xffff_0ff0 | 0x4000)
        #expect(found == slots.enumerated().filter { status >> UInt64($0.offset) & 1 == 1 }.map(\.element))
    }

    // MARK: - Covering a range

    /// The least number of aligned pieces of 1, 2, 4 and 8 bytes that make up the range exactly, by trying all.
    private func leastPieces(_ start: UInt64, _ count: Int) -> Int {
        var best = [Int](repeating: .max, count: count + 1)
        best[0] = 0
        for done in 0..<count where best[done] != .max {
            for length in [1, 2, 4, 8] where done + length <= count && (start &+ UInt64(done)) % UInt64(length) == 0 {
                best[done + length] = min(best[done + length], best[done] + 1)
            }
        }
        return best[count]
    }

    @Test("the slots cover the range exactly, and no fewer would", arguments: 1...8 as ClosedRange<UInt64>)
    func cover(seed: UInt64) {
        var random = Seeded(seed)
        for _ in 0..<300 {
            let count = Int.random(in: 1...40, using: &random)
            let start = random.next() & 0xffff_ffff_ffff
            let least = leastPieces(start, count)
            guard let slots = X86DebugRegisters.cover(VirtualAddress(start), count: count, .write) else {
                #expect(least > 4, "\(count) bytes from \(start)")
                continue
            }
            #expect(slots.count == least, "\(count) bytes from \(start)")
            var next = start
            for slot in slots {
                #expect(slot.address.rawValue == next && slot.access == .write)
                #expect([1, 2, 4, 8].contains(slot.length) && next % UInt64(slot.length) == 0)
                next += UInt64(slot.length)
            }
            #expect(next == start + UInt64(count))
        }
    }

    @Test("a range at the very top of the address space is covered too")
    func top() {
        let slots = X86DebugRegisters.cover(VirtualAddress(.max - 15), count: 16, .readWrite)
        #expect(slots?.map(\.length) == [8, 8])
        #expect(slots?.map(\.address.rawValue) == [0xffff_ffff_ffff_fff0, 0xffff_ffff_ffff_fff8])
    }
}
