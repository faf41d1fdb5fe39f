import Primitives
import TestSupport
import Testing

@testable import Interrupts

/// The model beside the plain one of Reference.swift, on random programs.
@Suite struct ReferenceTests {
    private static let processors = 3

    @Test(
        "random programs leave the model and the plain one in the same state", arguments: 0..<10 as Range<UInt64>
    )
    func randomPrograms(batch: UInt64) {
        for seed in batch * 20..<batch * 20 + 20 where !isSame(seed) { return }
    }

    private func isSame(_ seed: UInt64) -> Bool {
        var random = Seeded(seed)
        let pc = machine(Self.processors)
        var plain = ReferencePC(Self.processors)
        for cpu in 0..<Self.processors {
            plain.locals[cpu].isOn = true
            plain.locals[cpu].logical = 1 << cpu
            pc.put(0x0d0, 1 << UInt32(24 + cpu), cpu)
            pc.put(0x350, 0x1_0000, cpu)
        }
        for number in 0..<150 {
            let what = step(pc, &plain, &random)
            if !compare(pc, plain, "step \(number), \(what), of seed \(seed)") { return false }
        }
        return true
    }

    /// Does the same to both; says what.
    private func step(_ pc: Board, _ plain: inout ReferencePC, _ random: inout Seeded) -> String {
        let cpu = Int.random(in: 0..<Self.processors, using: &random)
        let pin = Int.random(in: 16..<24, using: &random)
        let vector =
            random.chance(4) ? Int.random(in: 0..<16, using: &random) : Int.random(in: 0x30...0x5f, using: &random)
        let destination = [0, 1, 2, 3, 6, 7, 0xff, 0x40].randomElement(using: &random)!
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<16:
            let level = random.chance(60)
            pc.line(pin, level)
            plain.line(pin, level)
            return "line \(pin) \(level)"
        case 16..<30:
            let entry = ReferencePin(
                vector: vector, isLowest: random.chance(25), isLogical: random.chance(50),
                isLevel: random.chance(60), isMasked: random.chance(15), destination: destination)
            var low = UInt32(vector) | (entry.isLowest ? 0x100 : 0) | (entry.isLogical ? 0x800 : 0)
            low |= (entry.isLevel ? 0x8000 : 0) | (entry.isMasked ? 0x1_0000 : 0)
            // Masked while the other half is written, as drivers do: one change for both.
            pc.putIO(UInt32(0x10 + 2 * pin), pc.getIO(UInt32(0x10 + 2 * pin)) | 0x1_0000)
            pc.program(pin, low | (random.chance(20) ? 0x5000 : 0), to: UInt32(destination))
            plain.program(pin, entry)
            return "program \(pin) \(entry)"
        case 30..<40:
            let (isLowest, isLogical, isLevel) = (random.chance(30), random.chance(50), random.chance(30))
            let data = UInt32(vector) | (isLowest ? 0x100 : 0) | (isLevel ? 0xc000 : 0)
            pc.message(0xfee0_0000 | UInt64(destination) << 12 | (isLogical ? 4 : 0), data)
            _ = plain.send(vector, to: destination, logical: isLogical, lowest: isLowest, level: isLevel)
            return "message \(hexadecimal(data)) to \(destination)"
        case 40..<48 where vector >= 16:
            pc.put(0x310, UInt32(destination) << 24, cpu)
            pc.put(0x300, 0x4800 | UInt32(vector), cpu)
            _ = plain.send(vector, to: destination, logical: true, lowest: false, level: false)
            return "IPI"
        case 48..<54:
            let tpr = UInt32.random(in: 0...0x6f, using: &random)
            pc.put(0x080, tpr, cpu)
            plain.locals[cpu].tpr = Int(tpr)
            return "TPR"
        case 54..<57:
            let (isOn, keepsEOI) = (random.chance(80), random.chance(20))
            pc.put(0x0f0, 0xff | (isOn ? 0x100 : 0) | (keepsEOI ? 0x1000 : 0), cpu)
            plain.locals[cpu].isOn = isOn
            plain.locals[cpu].keepsEOI = keepsEOI
            return "SVR"
        case 57..<59:
            let logical = UInt32.random(in: 0...7, using: &random)
            pc.put(0x0d0, logical << 24, cpu)
            plain.locals[cpu].logical = Int(logical)
            return "LDR"
        case 59..<61:
            _ = pc.controller.writeMemory(UInt64(vector), IOAPIC.page + 0x40, size: 4, cpu, at: at(0))
            plain.end(vector)
            return "EOI register \(vector)"
        case 61..<80:
            let (mine, other) = (pc.take(cpu), plain.take(cpu))
            #expect(mine.map(Int.init) == other)
            return "take"
        default:
            pc.eoi(cpu)
            plain.eoi(cpu)
            return "EOI"
        }
    }

    private func compare(_ pc: Board, _ plain: ReferencePC, _ place: String) -> Bool {
        func set(_ vectors: Set<Int>) -> VectorSet { VectorSet(vectors.map(UInt8.init)) }
        for (cpu, expected) in plain.locals.enumerated() {
            let local = pc.locals[cpu]
            let isSame =
                local.interruptRequest == set(expected.waiting) && local.inService == set(expected.serving)
                && local.triggerMode == set(expected.levels) && Int(local.processorPriority) == expected.ppr
                && local.nextVector.map(Int.init) == expected.next
                && (local.errors & 0x40 != 0) == expected.sawIllegalVector
            #expect(isSame, "cpu \(cpu): \(place)")
            if !isSame { return false }
        }
        for pin in 16..<24 {
            let (entry, expected) = (pc.ioapic.entries[pin], plain.pins[pin])
            let isSame = entry.remoteIRR == expected.remoteIRR && pc.ioapic.lines[bit: pin] == expected.isHigh
            #expect(isSame, "pin \(pin): \(place)")
            if !isSame { return false }
        }
        return true
    }
}
