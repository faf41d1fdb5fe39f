import Interrupts
import Primitives
import TestSupport
import Testing

@testable import Machine

/// The split machine beside one whose I/O APIC is the kernel's too: the same random programs on both.
@Suite(
    "Split interrupt controllers like the kernel's",
    .enabled(if: Sandbox.isPossible, Comment(rawValue: Sandbox.whyNot ?? "")))
struct SplitControllerTests {
    private static let page: UInt32 = 0xfee0_0000

    private final class Pair {
        let whole: KernelBoard
        let split: SplitBoard
        private var queue: [KernelBoard.Operation] = []

        init() throws {
            whole = try KernelBoard()
            split = try SplitBoard()
        }

        func store(_ address: UInt32, _ value: UInt32) { queue.append(.store(address: address, value)) }

        func setIO(_ register: UInt32, _ value: UInt32) {
            store(0xfec0_0000, register)
            store(0xfec0_0010, value)
        }

        /// What a guest that can take interrupts takes now.
        func take() throws {
            try flush()
            try whole.acknowledge()
            try split.kernel.acknowledge()
        }

        func setLine(_ line: Int, _ level: Bool) throws {
            try flush()
            try whole.setLine(line, level)
            try split.setLine(line, level)
        }

        func flush() throws {
            if queue.isEmpty { return }
            _ = try whole.run(queue)
            _ = try split.kernel.run(queue)
            queue = []
        }
    }

    /// KVM reports an EOI at the next entry, which a software KVM may have many instructions later: one that does
    /// nothing, in a run of its own.
    private func waitForEnd(_ pair: Pair) throws {
        try pair.flush()
        pair.store(Self.page + 0x80, 0)
        try pair.flush()
    }

    @Test("I/O APIC: 200 programs of entries, lines, interrupts and EOIs", arguments: 0..<4 as Range<UInt64>)
    func programs(batch: UInt64) throws {
        for seed in batch * 50..<batch * 50 + 50 {
            var random = Seeded(5000 + seed)
            let pair = try Pair()
            pair.store(Self.page + 0xf0, 0x1ff)
            pair.store(Self.page + 0xd0, 0x0100_0000)
            pair.store(Self.page + 0x350, 0x1_0000)
            for _ in 0..<50 { try step(pair, &random) }
            try waitForEnd(pair)
            try compare(pair, "seed \(seed)")
        }
    }

    /// As in InterruptControllerTests: no two pins have the same vector, and none is below 16.
    private func step(_ pair: Pair, _ random: inout Seeded) throws {
        let pin = Int.random(in: 14..<24, using: &random)
        switch Int.random(in: 0..<18, using: &random) {
        case 0..<5:
            let vector = UInt32.random(in: 1..<16, using: &random) << 4 | UInt32(pin - 14)
            var low = UInt32(truncatingIfNeeded: random.next()) & 0x8800 | vector
            low |= random.chance(30) ? 0x100 : 0
            low |= random.chance(15) ? 0x1_0000 : 0
            pair.setIO(UInt32(0x11 + 2 * pin), [0, 0, 1 << 24, 0xff << 24, 6 << 24].randomElement(using: &random)!)
            pair.setIO(UInt32(0x10 + 2 * pin), low)
        case 5..<12: try pair.setLine(pin, random.chance(60))
        case 12..<15: try pair.take()
        default:
            pair.store(Self.page + 0xb0, 0)
            try waitForEnd(pair)
        }
    }

    private func compare(_ pair: Pair, _ place: String) throws {
        let (whole, split) = (try pair.whole.localAPIC(), try pair.split.kernel.localAPIC())
        #expect(whole.interruptRequest == split.interruptRequest, "IRR, \(place)")
        #expect(whole.inService == split.inService, "ISR, \(place)")
        #expect(whole.triggerMode == split.triggerMode, "TMR, \(place)")
        let (entries, mine) = (try pair.whole.chips().ioapic.entries, pair.split.model.ioapic.entries)
        for pin in 0..<IOAPIC.pins {
            let (a, b) = (entries[pin].rawValue & 0xff00_0000_0001_ffff, mine[pin].rawValue)
            #expect(a == b, "pin \(pin): KVM \(hexadecimal(a)), \(hexadecimal(b)); \(place)")
        }
    }
}
