import Primitives
import TestSupport
import Testing

@testable import Interrupts

/// Random accesses of any offset and width, sane or not, by several processors, with lines that come and go: nothing
/// is lost, nothing comes twice.
@Suite struct GICInvariantTests {
    private static let processors = 3
    private static let count = 64

    private static let personalities: [GICv2.Configuration] = [.kvm, .gic400, .qemu]

    /// An access that need not make sense.
    private func wild(_ gic: GICBoard, _ random: inout Seeded) {
        let cpu = Int.random(in: 0..<Self.processors, using: &random)
        let size = [1, 2, 4, 4, 4, 8].randomElement(using: &random)!
        let value = UInt32(truncatingIfNeeded: random.magnitude())
        let now = at(random.next() >> 40)
        if random.chance(60) {
            var offset = Int.random(in: 0..<0x1000, using: &random)
            if random.chance(80) { offset &= ~(size - 1) }
            // Mostly where the interrupts that exist are.
            if random.chance(70) { offset &= 0xf8f }
            if random.chance(70) {
                gic.put(offset, value, cpu, size: size, at: now)
            } else {
                _ = gic.get(offset, cpu, size: size)
            }
        } else {
            let offset = [0, 4, 8, 0xc, 0x10, 0x1c, 0x20, 0x24, 0xd0, 0xe0, 0x1000, Int(value & 0x1fff)]
                .randomElement(using: &random)!
            if random.chance(50) {
                gic.putC(offset, value, cpu, size: random.chance(90) ? 4 : size, at: now)
            } else {
                _ = gic.getC(offset, cpu, at: now)
            }
        }
    }

    private func fuzzed(_ seed: UInt64) -> GICBoard {
        var random = Seeded(seed &+ 1_000)
        var program = GICProgram(seed: seed, processors: Self.processors, count: Self.count)
        let gic = GICBoard(
            Self.personalities[Int(seed % 3)], processors: Self.processors, interrupts: Self.count, on: false)
        for step in program.setUp() { gic.perform(step) }
        for _ in 0..<1_000 {
            if random.chance(30) { wild(gic, &random) } else { gic.perform(program.next()) }
        }
        return gic
    }

    /// Opens every gate: what is pending then comes to processor 0, or to its own.
    private func open(_ gic: GICBoard) {
        gic.put(0x000, 3)
        for cpu in 0..<Self.processors {
            gic.putC(0x00, 7, cpu)
            gic.putC(0x04, 0xff, cpu)
            for word in 0..<4 {
                gic.putC(0xd0 + 4 * word, 0, cpu)
                gic.putC(0xe0 + 4 * word, 0, cpu)
            }
            gic.put(0x100, 0xffff_ffff, cpu)
            gic.put(0x380, 0xffff_ffff, cpu)
            for id in 0..<32 { gic.priority(id, UInt32(id), cpu) }
        }
        gic.put(0x104, 0xffff_ffff)
        gic.put(0x384, 0xffff_ffff)
        for id in 32..<64 {
            gic.priority(id, UInt32(id))
            gic.target(id, 1)
        }
    }

    /// What waits for a processor: SGIs once for each source.
    private func outstanding(_ gic: GICBoard, _ cpu: Int) -> [UInt32] {
        (0..<Self.count).flatMap { id -> [UInt32] in
            let state = gic.gic.distributor.state(id, cpu)
            if id >= 32, cpu != 0 { return [] }
            guard id < 16 else { return state.isPending ? [UInt32(id)] : [] }
            return (0..<8).filter { state.sources >> UInt8($0) & 1 != 0 }.map { UInt32(id | $0 << 10) }
        }
    }

    @Test("nothing that is pending is lost: with the gates open each comes, once", arguments: 0..<24 as Range<UInt64>)
    func nothingIsLost(seed: UInt64) {
        let gic = fuzzed(seed)
        open(gic)
        for cpu in 0..<Self.processors {
            let expected = outstanding(gic, cpu)
            var taken: [UInt32] = []
            while gic.irq(cpu), taken.count < 500 {
                let word = gic.ack(cpu)
                taken.append(word)
                // A device is content once it is served.
                if word & 0x3ff >= 16 { gic.line(Int(word & 0x3ff), false, cpu) }
                gic.eoi(word, cpu)
            }
            #expect(taken.sorted() == expected.sorted(), "cpu \(cpu)")
            #expect(gic.ack(cpu) == 1023 && gic.running(cpu) == 0xff)
        }
    }

    @Test("a level that stays high comes again after every end", arguments: 0..<12 as Range<UInt64>)
    func levelsComeAgain(seed: UInt64) {
        let gic = fuzzed(seed)
        open(gic)
        gic.put(0xc08, 0)
        gic.put(0xc0c, 0)
        for id in 32..<Self.count { gic.line(id, false) }
        gic.put(0x284, 0xffff_ffff)
        gic.put(0x280, 0xffff_ffff)
        for i in 0..<4 { gic.put(0xf10 + 4 * i, 0xffff_ffff) }
        for id in 16..<32 { gic.line(id, false) }
        gic.line(50, true)
        for _ in 0..<5 {
            #expect(gic.ack() == 50 && !gic.irq())
            gic.eoi(50)
            #expect(gic.irq())
        }
        gic.line(50, false)
        #expect(!gic.irq())
    }

    @Test(
        "SGI sources are conserved: sent is acknowledged, taken back or still waiting",
        arguments: 0..<24 as Range<UInt64>)
    func sourcesAreConserved(seed: UInt64) {
        let gic = fuzzed(seed)
        for id in 0..<16 {
            let counts = gic.journal.statistics[.line(id)]
            let waiting = (0..<Self.processors).map { gic.gic.distributor.state(id, $0).sources.nonzeroBitCount }
                .reduce(0, +)
            let (sent, taken, back) = (counts?[.pend] ?? 0, counts?[.acknowledge] ?? 0, counts?[.drop] ?? 0)
            #expect(sent == taken + back + UInt64(waiting), "SGI \(id)")
        }
    }

    @Test(
        "nothing is delivered twice: no more acknowledges than pending, none of what is active",
        arguments: 0..<24 as Range<UInt64>)
    func nothingComesTwice(seed: UInt64) {
        var program = GICProgram(seed: seed, processors: Self.processors, count: Self.count)
        let gic = GICBoard(
            Self.personalities[Int(seed % 3)], processors: Self.processors, interrupts: Self.count, on: false)
        for step in program.setUp() { gic.perform(step) }
        for _ in 0..<1_000 {
            let step = program.next()
            guard case .acknowledge(let cpu, let isAlias) = step, !isAlias || gic.configuration.has(.aliases) else {
                gic.perform(step)
                continue
            }
            let before = gic.gic.distributor
            let word = gic.perform(step) ?? 0
            let id = Int(word & 0x3ff)
            guard id < 1020 else {
                #expect(gic.gic.distributor == before)
                continue
            }
            #expect(!before.state(id, cpu).isActive && before.state(id, cpu).isPending && gic.isActive(id, cpu))
            if id < 16 { #expect(before.state(id, cpu).sources >> UInt8(word >> 10) & 1 == 1) }
            program.toEnd[cpu].append(Int(word))
        }
        for number in gic.journal.statistics.numbers where (number.line ?? 1023) < 1020 {
            let counts = gic.journal.statistics[number]
            #expect((counts?[.acknowledge] ?? 0) <= (counts?[.pend] ?? 0), "\(number)")
            #expect((counts?[.endOfInterrupt] ?? 0) <= (counts?[.acknowledge] ?? 0), "\(number)")
        }
    }

    @Test(
        "every acknowledge in the trace was pending and delivered before, in this order",
        arguments: 0..<12 as Range<UInt64>)
    func orderOfEvents(seed: UInt64) {
        var program = GICProgram(seed: seed, processors: Self.processors, count: Self.count)
        let gic = GICBoard(.gic400, processors: Self.processors, interrupts: Self.count, on: false)
        var time: UInt64 = 1
        for step in program.setUp() + (0..<700).map({ _ in program.next() }) {
            time += 7
            if let word = gic.perform(step, at: at(time)), case .acknowledge(let cpu, _) = step, word & 0x3ff < 1020 {
                program.toEnd[cpu].append(Int(word))
            }
        }
        let events = gic.journal.trace.last()
        #expect(gic.journal.trace.lost == 0 && events.map(\.time) == events.map(\.time).sorted())
        var pended: [InterruptNumber: Int] = [:]
        for event in events {
            switch event.kind {
            case .pend: pended[event.number, default: 0] += 1
            case .deliver: #expect(pended[event.number, default: 0] > 0, "\(event)")
            case .acknowledge:
                pended[event.number, default: 0] -= 1
                #expect(pended[event.number, default: 0] >= 0, "\(event)")
            default: break
            }
        }
        let acknowledged = events.filter { $0.kind == .acknowledge }
        for event in acknowledged {
            let delivery = events.last {
                $0.kind == .deliver && $0.number == event.number && $0.processor == event.processor
                    && $0.sequence < event.sequence
            }
            #expect(delivery != nil, "\(event)")
        }
        #expect(acknowledged.count > 10)
    }
}
