import Interrupts
import Primitives
import TestSupport
import Testing

@testable import Machine

/// The model of the interrupt controllers beside the kernel's: random programs done by a guest on the one, by calls on
/// the other.
@Suite(
    "Interrupt controllers like the kernel's",
    .enabled(if: Sandbox.isPossible, Comment(rawValue: Sandbox.whyNot ?? "")))
struct InterruptControllerTests {
    /// Bits of local APIC registers in which the model is known to differ from KVM:
    /// - PPR: KVM works it out when it is asked; what follows from TPR and ISR is compared instead.
    /// - DFR: KVM shows the one of xAPIC mode in x2APIC mode, which has none.
    /// - ESR: KVM has none, it reads 0.
    /// - Local vectors: KVM stores the read-only delivery status, and of LINT0 and LINT1 the read-only remote IRR.
    /// - Current count: as old as the moment of reading.
    ///
    /// What KVM does beyond these would change later behaviour too, so the programs leave it out:
    /// - Vectors below 16: KVM accepts them.
    /// - Level-triggered messages between processors: KVM honours the level, SDM volume 3, table 11-3, says edge.
    /// - A lowest-priority message to logical processors some of which do not exist: KVM chooses among all by the
    ///   vector, and drops it if that one is missing.
    /// - Pins of both trigger modes with one vector: on an EOI KVM sends an edge pin again whose line is up.
    /// - 8259: KVM's special mask mode does nothing, its poll sets no ISR, in its special fully nested mode inputs 3 to
    ///   7 of the first chip do not wait for the second, ICW1 keeps ISR, and before any ICW1 it gives vector 0 and up.
    private static let differences: [Int: UInt32] = [
        0x0a0: .max, 0x280: .max, 0x320: 0x1000, 0x330: 0x1000, 0x340: 0x1000, 0x350: 0x5000, 0x360: 0x5000,
        0x370: 0x1000, 0x390: .max,
    ]

    private static let page: UInt32 = 0xfee0_0000

    /// Both sides after the same operations.
    private final class Pair {
        let kernel: KernelBoard
        var model: PCInterruptController
        private var queue: [KernelBoard.Operation] = []

        init(hasDeadlineTimer: Bool) throws {
            kernel = try KernelBoard()
            var configuration = PCInterruptController.Configuration()
            configuration.features.suppressesEOI = false
            configuration.features.hasDeadlineTimer = hasDeadlineTimer
            configuration.timerPin = 0
            model = PCInterruptController(configuration)
        }

        private let now = ModelTime(nanoseconds: 0)

        func store(_ address: UInt32, _ value: UInt32) {
            queue.append(.store(address: address, value))
            _ = model.writeMemory(UInt64(value), PhysicalAddress(UInt64(address)), size: 4, 0, at: now)
        }

        func out(_ port: UInt16, _ value: UInt8) {
            queue.append(.out(port: port, value))
            _ = model.writePort(port, value, at: now)
        }

        func write(_ register: UInt32, _ value: UInt32) {
            queue.append(.writeRegister(register, value))
            _ = model.writeRegister(register, UInt64(value), 0, at: now)
        }

        func setIO(_ register: UInt32, _ value: UInt32) {
            store(0xfec0_0000, register)
            store(0xfec0_0010, value)
        }

        /// The processor takes what the 8259 pair has, in the guest.
        func takeExternal() {
            queue.append(.take)
            if model.pending(0) == .external { _ = model.acknowledge(0, at: now) }
        }

        /// The processor takes what the local APIC has.
        func take(isX2APIC: Bool = false) throws {
            try flush()
            try kernel.acknowledge(isX2APIC: isX2APIC)
            if case .vector = model.pending(0) { _ = model.acknowledge(0, at: now) }
        }

        /// Lines are the host's: what the guest has to do before is done first.
        func setLine(_ line: Int, _ level: Bool) throws {
            try flush()
            try kernel.setLine(line, level)
            _ = model.setLine(line, level, at: now)
        }

        func flush() throws {
            if !queue.isEmpty { _ = try kernel.run(queue) }
            queue = []
        }
    }

    /// KVM knows the deadline mode of the timer only where the processor has it.
    private static let hasDeadlineTimer: Bool = {
        guard let kernel = try? KernelBoard(),
            (try? kernel.run([.store(address: page + 0xf0, 0x1ff), .store(address: page + 0x320, 0x5_0040)])) != nil,
            let registers = try? kernel.localAPIC()
        else { return false }
        return registers.register(0x320) & 0x4_0000 != 0
    }()

    /// What the host keeps of a task priority. Where it is the virtual one of SVM, that is the class alone (AMD APM volume
    /// 2, section 15.21.2, V_TPR).
    private static let priorityMask: UInt32 = {
        guard let kernel = try? KernelBoard(), (try? kernel.run([.store(address: page + 0x80, 0x1f)])) != nil,
            let registers = try? kernel.localAPIC()
        else { return 0xff }
        return registers.register(0x80) == 0x10 ? 0xf0 : 0xff
    }()

    private func vector(_ random: inout Seeded) -> UInt32 { UInt32.random(in: 0x10...0xff, using: &random) }

    private func compare(_ pair: Pair, isX2APIC: Bool = false, _ place: String) throws {
        try pair.flush()
        let (kernel, model) = (try pair.kernel.localAPIC(isX2APIC: isX2APIC), pair.model.locals[0])
        let mine = model.registers(at: ModelTime(nanoseconds: 0))
        #expect(kernel.effectivePriority == model.processorPriority, "\(place)")
        for offset in stride(from: 0x20, to: 0x3f0, by: 16) {
            let mask = offset == 0x0e0 && isX2APIC ? .max : Self.differences[offset] ?? 0
            let (a, b) = (kernel.register(offset) & ~mask, mine.register(offset) & ~mask)
            #expect(
                a == b, "local APIC \(hexadecimal(UInt(offset))): KVM \(hexadecimal(a)), \(hexadecimal(b)); \(place)")
        }
    }

    // MARK: Local APIC

    @Test("local APIC: 350 programs of register writes and interrupts", arguments: 0..<7 as Range<UInt64>)
    func localAPIC(batch: UInt64) throws {
        for seed in batch * 50..<batch * 50 + 50 {
            var random = Seeded(seed)
            let pair = try Pair(hasDeadlineTimer: Self.hasDeadlineTimer)
            pair.store(Self.page + 0xf0, 0x1ff)
            for _ in 0..<40 { try localStep(pair, &random) }
            try compare(pair, "seed \(seed)")
        }
    }

    private func localStep(_ pair: Pair, _ random: inout Seeded) throws {
        let word = UInt32(truncatingIfNeeded: random.next() >> 20)
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<6: pair.store(Self.page + 0x300, 0x4_4000 | vector(&random))
        case 6..<10: try pair.take()
        case 10..<12: pair.store(Self.page + 0xb0, word)
        case 12: pair.store(Self.page + 0x80, word & 0xffff_ff00 | word & 0x7f & Self.priorityMask)
        case 13: pair.store(Self.page + [0xd0, 0xe0, 0x310, 0x20].randomElement(using: &random)!, word)
        case 14: pair.store(Self.page + 0xf0, word | (random.chance(80) ? 0x100 : 0))
        case 15:
            let entry = ([0x330, 0x340, 0x360, 0x370] as [UInt32]).randomElement(using: &random)!
            pair.store(Self.page + entry, word)
        case 16: pair.store(Self.page + 0x350, random.chance(50) ? 0x700 : word | 0x1_0000)
        case 17: pair.store(Self.page + 0x320, word | 0x1_0000)
        case 18: pair.store(Self.page + 0x380, word | 0x8000_0000)
        default: pair.store(Self.page + 0x3e0, word)
        }
    }

    @Test("local APIC in x2APIC mode: 150 programs", arguments: 0..<3 as Range<UInt64>)
    func x2APIC(batch: UInt64) throws {
        for seed in batch * 50..<batch * 50 + 50 {
            var random = Seeded(1000 + seed)
            let pair = try Pair(hasDeadlineTimer: Self.hasDeadlineTimer)
            pair.store(Self.page + 0xf0, 0x1ff)
            pair.write(0x1b, 0xfee0_0d00)
            for _ in 0..<30 {
                let byte = UInt32.random(in: 0...0xff, using: &random)
                switch Int.random(in: 0..<16, using: &random) {
                case 0..<3: pair.write(0x83f, vector(&random))
                case 3..<6: pair.write(0x830, 0x4_0000 | vector(&random))
                case 6..<10: try pair.take(isX2APIC: true)
                case 10..<12: pair.write(0x80b, 0)
                case 12: pair.write(0x808, byte & 0x7f & Self.priorityMask)
                case 13: pair.write(0x80f, 0x100 | byte)
                case 14: pair.write([0x833, 0x834].randomElement(using: &random)!, 0x1_0000 | byte)
                default: pair.write(0x83e, byte & 0xb)
                }
            }
            try compare(pair, isX2APIC: true, "seed \(seed)")
        }
    }

    // MARK: I/O APIC

    @Test(
        "I/O APIC and local APIC: 250 programs of entries, lines, interrupts and EOIs",
        arguments: 0..<5 as Range<UInt64>)
    func ioapic(batch: UInt64) throws {
        for seed in batch * 50..<batch * 50 + 50 {
            var random = Seeded(2000 + seed)
            let pair = try Pair(hasDeadlineTimer: Self.hasDeadlineTimer)
            pair.store(Self.page + 0xf0, 0x1ff)
            pair.store(Self.page + 0xd0, 0x0100_0000)
            pair.store(Self.page + 0x350, 0x1_0000)
            for _ in 0..<50 { try ioStep(pair, &random) }
            try compare(pair, "seed \(seed)")
            try compareIO(pair, "seed \(seed)")
        }
    }

    private func ioStep(_ pair: Pair, _ random: inout Seeded) throws {
        let pin = Int.random(in: 14..<24, using: &random)
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<5:
            // Fixed or lowest priority, to physical 0 or logical 1, or nobody; reserved bits as they come. No two pins
            // have the same vector.
            let vector = UInt32.random(in: 1..<16, using: &random) << 4 | UInt32(pin - 14)
            var low = UInt32(truncatingIfNeeded: random.next()) & 0xfffe_f800 | vector
            low |= random.chance(30) ? 0x100 : 0
            low |= random.chance(15) ? 0x1_0000 : 0
            pair.setIO(UInt32(0x11 + 2 * pin), [0, 0, 1 << 24, 0xff << 24, 6 << 24].randomElement(using: &random)!)
            pair.setIO(UInt32(0x10 + 2 * pin), low)
        case 5..<12: try pair.setLine(pin, random.chance(60))
        case 12..<15: try pair.take()
        case 15..<18: pair.store(Self.page + 0xb0, 0)
        case 18: pair.setIO(0, UInt32(truncatingIfNeeded: random.next()))
        default: pair.setIO(UInt32.random(in: 0x40...0xff, using: &random), 0)
        }
    }

    private func compareIO(_ pair: Pair, _ place: String) throws {
        let kernel = try pair.kernel.chips().ioapic
        #expect(kernel.id == pair.model.ioapic.id && kernel.selected == pair.model.ioapic.selected, "\(place)")
        // KVM does not report a line that is up when its edge has been sent.
        #expect(kernel.lines & ~pair.model.ioapic.lines == 0, "\(place)")
        for pin in 0..<IOAPIC.pins {
            // KVM stores reserved bits 17 to 55; the model has them zero.
            let (a, b) = (kernel.entries[pin].rawValue & 0xff00_0000_0001_ffff, pair.model.ioapic.entries[pin].rawValue)
            #expect(a == b, "pin \(pin): KVM \(hexadecimal(a)), \(hexadecimal(b)); \(place)")
        }
    }

    // MARK: 8259

    @Test("8259 pair: 250 programs of commands, masks, lines and interrupts", arguments: 0..<5 as Range<UInt64>)
    func pair(batch: UInt64) throws {
        for seed in batch * 50..<batch * 50 + 50 {
            var random = Seeded(3000 + seed)
            let pair = try Pair(hasDeadlineTimer: Self.hasDeadlineTimer)
            for (port, base, wire) in [(0x20, 0x30, 4), (0xa0, 0x38, 2)] as [(UInt16, UInt8, UInt8)] {
                pair.out(port, 0x11)
                pair.out(port + 1, base)
                pair.out(port + 1, wire)
                pair.out(port + 1, random.chance(20) ? 3 : 1)
            }
            pair.out(0x4d0, UInt8(truncatingIfNeeded: random.next()))
            pair.out(0x4d1, UInt8(truncatingIfNeeded: random.next()))
            for _ in 0..<50 { try pairStep(pair, &random) }
            try pair.flush()
            let kernel = try pair.kernel.chips().pair
            #expect(text(kernel) == text(pair.model.pics), "seed \(seed)")
        }
    }

    /// Everything but the first chip's input 2 in IRR: KVM pulses it whenever the second chip has something.
    private func text(_ pair: PICPair) -> String {
        ([(pair.master, 0xfb), (pair.slave, 0xff)] as [(PIC8259, UInt8)])
            .map { chip, wired in
                "irr \(chip.request & wired) isr \(chip.inService) imr \(chip.mask) base \(chip.base) "
                    + "lowest \(chip.lowest) elcr \(chip.levels) reads isr \(chip.readsInService) "
                    + "auto \(chip.isAutomatic) \(chip.rotatesAutomatically) nested \(chip.isSpeciallyNested)"
            }
            .joined(separator: "; ")
    }

    private func pairStep(_ pair: Pair, _ random: inout Seeded) throws {
        let port: UInt16 = random.chance(50) ? 0x20 : 0xa0
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<8:
            try pair.setLine([1, 3, 4, 5, 7, 8, 10, 11, 14, 15].randomElement(using: &random)!, random.chance(60))
        case 8..<13: pair.takeExternal()
        case 13..<16: pair.out(port, 0x20)
        case 16: pair.out(port, UInt8.random(in: 0..<8, using: &random) << 5 | UInt8.random(in: 0..<8, using: &random))
        case 17: pair.out(port, random.chance(50) ? 0x0a : 0x0b)
        default:
            pair.out(
                port + 1, UInt8(truncatingIfNeeded: random.next()) & UInt8(truncatingIfNeeded: random.next()) & 0xfb)
        }
    }
}
