import Primitives
import Testing

@testable import Interrupts

/// Each test builds one reason why an interrupt does not come, and wants that reason and no other.
@Suite struct GICExplanationTests {
    private func obstacles(_ gic: GICBoard, _ id: Int, cpu: Int? = nil, _ facts: [ProcessorFacts] = [])
        -> [InterruptCheck.Obstacle]
    {
        gic.gic.explain(id, cpu: cpu, facts).compactMap(\.obstacle)
    }

    private func waiting(_ configuration: GICv2.Configuration = .kvm, processors: Int = 1, control: UInt32 = 1)
        -> GICBoard
    {
        let gic = GICBoard(configuration, processors: processors, control: control)
        gic.priority(33, 0xa0)
        gic.put(0x204, 2)
        return gic
    }

    @Test("nothing stands in the way of one that will come")
    func nothing() {
        #expect(obstacles(waiting(), 33) == [])
    }

    @Test("a fresh GIC says first that PMR masks everything")
    func priorityMaskFirst() {
        let gic = GICBoard(on: false)
        gic.pulse(33)
        let checks = gic.gic.explain(33)
        #expect(checks[0].obstacle == .priorityMaskZero && checks[0].condition == "PMR = 00")
        #expect(
            checks.compactMap(\.obstacle) == [.priorityMaskZero, .distributorDisabled, .notEnabled, .interfaceDisabled])
        #expect(checks.filter { $0.condition.contains("PMR") }.count == 1)
    }

    @Test("not pending: an edge that did not come, a level that is low, an SGI that nobody sent")
    func notPending() {
        let gic = GICBoard()
        gic.level(40)
        #expect(obstacles(gic, 33) == [.notPending] && obstacles(gic, 40) == [.notPending])
        #expect(obstacles(gic, 3) == [.notPending] && obstacles(gic, 27) == [.notPending])
        let reasons = [33, 40, 3].map { gic.gic.explain($0)[0].reason }
        #expect(Set(reasons).count == 3)
    }

    @Test("each gate is an obstacle of its own")
    func gates() {
        let gic = waiting()
        for (expected, close, open) in [
            (.distributorDisabled, { gic.put(0x000, 0) }, { gic.put(0x000, 1) }),
            (.notEnabled, { gic.put(0x184, 2) }, { gic.put(0x104, 2) }),
            (.alreadyActive, { gic.put(0x304, 2) }, { gic.put(0x384, 2) }),
            (.interfaceDisabled, { gic.putC(0x00, 2) }, { gic.putC(0x00, 1) }),
            (.priorityMask, { gic.putC(0x04, 0xa0) }, { gic.putC(0x04, 0xff) }),
            (.priorityMaskZero, { gic.putC(0x04, 0) }, { gic.putC(0x04, 0xff) }),
        ] as [(InterruptCheck.Obstacle, () -> Void, () -> Void)] {
            close()
            #expect(obstacles(gic, 33) == [expected])
            open()
            #expect(obstacles(gic, 33) == [])
        }
    }

    @Test("a running priority, with the interrupt that has it; another that goes first")
    func priorities() {
        let gic = waiting()
        gic.priority(40, 0x80)
        gic.pulse(40)
        #expect(obstacles(gic, 33) == [.higherPending] && obstacles(gic, 40) == [])
        _ = gic.ack()
        #expect(obstacles(gic, 33) == [.runningPriority])
        #expect(gic.gic.explain(33).first { $0.obstacle != nil }?.reason.contains("(interrupt 40)") == true)
    }

    @Test("one in service says who has it")
    func inService() {
        let gic = waiting()
        _ = gic.ack()
        gic.pulse(33)
        let check = gic.gic.explain(33).first { $0.obstacle == .alreadyActive }
        #expect(check?.reason == "cpu 0 has acknowledged it, without an EOI so far")
        gic.putC(0x00, 0x201)
        gic.eoi(33)
        #expect(gic.gic.explain(33).first { $0.obstacle == .alreadyActive }?.reason.contains("GICC_DIR") == true)
    }

    @Test("no target, another target than asked about, and all targets")
    func targets() {
        let gic = waiting(.gic400, processors: 3, control: 3)
        #expect(obstacles(gic, 33, cpu: 1) == [.notAddressed] && obstacles(gic, 33, cpu: 0) == [])
        gic.target(33, 0)
        #expect(obstacles(gic, 33) == [.nobodyAddressed])
        gic.target(33, 6)
        gic.putC(0x00, 0, 2)
        #expect(obstacles(gic, 33) == [.interfaceDisabled] && obstacles(gic, 33, cpu: 1) == [])
    }

    @Test("an interrupt that the GIC does not have")
    func absent() {
        #expect(obstacles(GICBoard(), 96) == [.notWired] && obstacles(GICBoard(), -1) == [.notWired])
    }

    @Test("a processor that masks IRQs, in the words of its architecture")
    func processors() {
        var facts = ProcessorFacts()
        facts.interruptsEnabled = false
        facts.place = "pc=el1_sync+0x24"
        #expect(obstacles(waiting(), 33, [facts]) == [.interruptsDisabled])
        #expect(waiting().gic.explain(33, [facts]).last?.condition == "IF = 0")
        facts.isArm = true
        let last = waiting().gic.explain(33, [facts]).last
        #expect(last?.condition == "PSTATE.I = 1" && last?.reason == "cpu0 masks IRQs, pc=el1_sync+0x24")
        facts.fastInterruptsEnabled = true
        #expect(obstacles(waiting(control: 9), 33, [facts]) == [])
    }

    @Test("group 1 says how it is acknowledged")
    func groupOne() {
        let gic = waiting(control: 3)
        gic.group(33)
        #expect(obstacles(gic, 33) == [] && gic.gic.explain(33).text.contains("AIAR acknowledges it, IAR gives 1022"))
    }

    @Test("whether there is an obstacle is whether the output is asserted")
    func agreesWithTheOutput() {
        var program = GICProgram(seed: 7, processors: 2, count: 64)
        let gic = GICBoard(.gic400, processors: 2, interrupts: 64, on: false)
        var asserted = 0
        for step in program.setUp() + (0..<3_000).map({ _ in program.next() }) {
            gic.perform(step)
            for cpu in 0..<2 {
                let free = (0..<64).filter { gic.gic.explain($0, cpu: cpu).allSatisfy { $0.obstacle == nil } }
                let isAsserted = gic.irq(cpu) || gic.fiq(cpu)
                #expect(free.count == (isAsserted ? 1 : 0), "\(free) free on cpu \(cpu) after \(step)")
                if isAsserted { asserted += 1 }
            }
        }
        #expect(asserted > 100)
    }
}
