import Primitives
import Testing

@testable import Interrupts

/// Each test builds one reason why an interrupt does not come, and wants that reason and no other.
@Suite struct GICv3ExplanationTests {
    private func obstacles(_ dump: GICv3Dump, _ id: Int = 33, cpu: Int? = nil, _ facts: [ProcessorFacts] = [])
        -> [InterruptCheck.Obstacle]
    {
        dump.gic.explain(id, cpu: cpu, facts).compactMap(\.obstacle)
    }

    private func waiting(processors: Int = 1) -> GICv3Dump {
        var dump = GICv3Dump.on(processors: processors)
        dump.set(0x0200, width: 1, 33, to: 1)
        return dump
    }

    @Test("a fresh GIC says first that PMR masks everything")
    func priorityMaskFirst() {
        var dump = GICv3Dump()
        dump.set(0x0200, width: 1, 33, to: 1)
        let checks = dump.gic.explain(33, cpu: nil, [])
        #expect(checks[0].obstacle == .priorityMaskZero && checks[0].condition == "PMR = 00")
        #expect(
            checks.compactMap(\.obstacle) == [.priorityMaskZero, .distributorDisabled, .notEnabled, .interfaceDisabled])
        #expect(checks.filter { $0.condition.contains("PMR") }.count == 1)
    }

    @Test("not pending: an edge that did not come, a level that is low, an SGI that nobody sent")
    func notPending() {
        var dump = GICv3Dump.on()
        dump.set(0x0c00, width: 2, 40, to: 0)
        let gic = dump.gic
        for id in [33, 40, 3, 27] {
            #expect(gic.explain(id, cpu: nil, []).compactMap(\.obstacle) == [.notPending], "\(id)")
        }
        #expect(Set([33, 40, 3].map { gic.explain($0, cpu: nil, [])[0].reason }).count == 3)
    }

    private typealias Gate = (obstacle: InterruptCheck.Obstacle, close: @Sendable (inout GICv3Dump) -> Void)

    private static let gates: [Gate] = [
        (.distributorDisabled, { $0.words[.distributor(0)] = 0x50 }),
        (.notEnabled, { $0.set(0x0100, width: 1, 33, to: 0) }),
        (.alreadyActive, { $0.set(0x0300, width: 1, 33, to: 1) }),
        (.nobodyAddressed, { $0.words[.distributor(0x6000 + 8 * 33)] = 9 }),
        (.redistributorAsleep, { $0.words[.redistributor(0x0014, cpu: 0)] = 6 }),
        (.interfaceDisabled, { $0.words[.system(.groupOne, cpu: 0)] = 0 }),
        (.priorityMaskZero, { $0.words[.system(.priorityMask, cpu: 0)] = 0 }),
        (.priorityMask, { $0.words[.system(.priorityMask, cpu: 0)] = 0xa0 }),
        (.runningPriority, { $0.words[.system(.activeOne(0), cpu: 0)] = 1 << 20 }),
    ]

    @Test("each gate is an obstacle of its own", arguments: gates.indices)
    func gate(index: Int) {
        var dump = waiting()
        #expect(obstacles(dump) == [])
        Self.gates[index].close(&dump)
        #expect(obstacles(dump) == [Self.gates[index].obstacle])
    }

    @Test("another goes first; a higher priority that is active holds back, a lower one does not")
    func priorities() {
        var dump = waiting()
        dump.set(0x0200, width: 1, 40, to: 1)
        dump.set(0x0400, width: 8, 40, to: 0x80)
        #expect(obstacles(dump) == [.higherPending] && obstacles(dump, 40) == [])
        dump.set(0x0200, width: 1, 40, to: 0)
        dump.words[.system(.activeOne(0), cpu: 0)] = 1 << 22
        #expect(obstacles(dump) == [], "0xb0 is active")
    }

    @Test("it goes to another processor")
    func route() {
        let dump = waiting(processors: 2)
        #expect(obstacles(dump, cpu: 0) == [] && obstacles(dump, cpu: 1) == [.notAddressed])
    }

    @Test("the processor's masks: IRQs for group 1, FIQs for group 0")
    func processor() {
        var dump = waiting()
        var facts = ProcessorFacts()
        (facts.isArm, facts.interruptsEnabled, facts.fastInterruptsEnabled) = (true, false, true)
        facts.place = "pc=0x40080000"
        #expect(obstacles(dump, 33, [facts]) == [.interruptsDisabled])
        let last = dump.gic.explain(33, cpu: nil, [facts]).last
        #expect(last?.condition == "PSTATE.I = 1" && last?.reason == "cpu0 masks IRQs, pc=0x40080000")
        dump.set(0x0080, width: 1, 33, to: 0)
        dump.words[.system(.groupZero, cpu: 0)] = 1
        #expect(obstacles(dump, 33, [facts]) == [])
        facts.fastInterruptsEnabled = false
        #expect(obstacles(dump, 33, [facts]) == [.interruptsDisabled])
    }

    @Test("a private interrupt is explained where it is pending; the Redistributor is named")
    func privateOnes() {
        var dump = GICv3Dump.on(processors: 2)
        dump.setLevel(27, 1, to: true)
        let checks = dump.gic.explain(27, cpu: nil, [])
        #expect(checks.allSatisfy { $0.obstacle == nil } && checks[0].stage == "cpu 1 GICR")
        #expect(checks.contains { $0.condition == "GICR_ISENABLER0.27 = 1" })
    }

    @Test("there is no interrupt of that number")
    func absent() { #expect(obstacles(GICv3Dump.on(), 96) == [.notWired]) }
}
