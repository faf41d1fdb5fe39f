import Primitives
import Testing

@testable import Interrupts

/// What a debugger does by hand, and what it says about it.
@Suite struct GICCommandTests {
    @Test("an edge is injected as its trigger wants it, and will be delivered")
    func injectEdge() {
        let gic = GICBoard()
        let result = gic.gic.inject(33, at: at(5))
        #expect(result.isDone && result.forecast == .delivers && result.outcome.wake.contains(0))
        #expect("\(result)" == "SPI 33 is pending\nwill deliver on resume")
        #expect(gic.ack() == 33 && gic.journal.trace.last()[0].cause == .debugger)
        _ = gic.gic.inject(33, at: at(6))
        #expect(gic.gic.inject(33, at: at(6)).text == "SPI 33 was pending already: two are one")
    }

    @Test("a level that is injected says that no device lowers it")
    func injectLevel() {
        let gic = GICBoard()
        gic.level(40)
        let result = gic.gic.inject(40, at: at(0))
        #expect(result.text == "the line of SPI 40 is high; no device lowers it: lower-irq 40 does")
        gic.eoi(gic.ack())
        #expect(gic.irq())
        #expect(gic.gic.lower(40, at: at(0)).text == "the line of SPI 40 is low" && !gic.irq())
    }

    @Test("a pulse leaves an edge pending, and of a level nothing")
    func injectPulse() {
        let gic = GICBoard()
        gic.level(40)
        #expect(gic.gic.inject(33, .pulse, at: at(0)).forecast == .delivers)
        let result = gic.gic.inject(40, .pulse, at: at(0))
        guard case .blocked(let check) = result.forecast else {
            Issue.record("\(result)")
            return
        }
        #expect(check.obstacle == .notPending && result.text.hasSuffix("so nothing remains pending"))
    }

    @Test("what blocks an injected interrupt is said in the guest's terms")
    func blocked() {
        let gic = GICBoard(on: false)
        #expect(
            "\(gic.gic.inject(33, at: at(0)))".contains(
                "\nBLOCKED: GICC_PMR is 0, as after reset, and masks everything"))
    }

    @Test("one of several targets is enough for a delivery")
    func oneTargetIsEnough() {
        let gic = GICBoard(.gic400, processors: 2, control: 3)
        gic.target(40, 3)
        gic.putC(0x04, 0, 0)
        #expect(gic.gic.inject(40, at: at(0)).forecast == .delivers && gic.irq(1) && !gic.irq(0))
    }

    @Test("an SGI goes from a processor to a list, to the others, to itself")
    func sendSGI() {
        func reached(_ target: InterruptRequest.SoftwareTarget) -> [Int] {
            let gic = GICBoard(processors: 4)
            _ = gic.gic.send(sgi: 3, from: 1, to: target, at: at(0))
            return (0..<4).filter { gic.irq($0) && gic.ack($0) == 3 | 1 << 10 }
        }
        #expect(reached(.mask(5)) == [0, 2] && reached(.others) == [0, 2, 3] && reached(.itself) == [1])
        let gic = GICBoard(processors: 2)
        #expect(!gic.gic.send(sgi: 3, from: 0, to: .mask(0xf0), at: at(0)).isDone)
        #expect(!gic.gic.send(sgi: 16, from: 0, to: .itself, at: at(0)).isDone)
        #expect(gic.gic.inject(3, cpu: 1, at: at(0)).isDone && gic.ack(1) == 3 | 1 << 10)
    }

    @Test("clearing takes back what is pending, but not a level")
    func clear() {
        let gic = GICBoard(processors: 2)
        gic.level(41)
        gic.pulse(40)
        gic.line(41, true)
        gic.send(3, to: 1, from: 1)
        #expect(gic.gic.clear(40, at: at(0)).text == "SPI 40 is taken back" && !gic.isPending(40))
        #expect(gic.gic.clear(3, at: at(0)).isDone && !gic.isPending(3))
        #expect(gic.gic.clear(41, at: at(0)).text == "SPI 41 stays pending: its line is high" && gic.irq())
        #expect(!gic.gic.clear(40, at: at(0)).isDone)
    }

    @Test("masking and unmasking change the enable bit, and unmasking may deliver")
    func masks() {
        let gic = GICBoard()
        #expect(gic.gic.setMask(40, true, at: at(0)).isDone && gic.get(0x104) == ~(1 << 8))
        gic.pulse(40)
        #expect(!gic.irq())
        let result = gic.gic.setMask(40, false, at: at(0))
        #expect(result.forecast == .delivers && result.outcome.irq.contains(0) && gic.irq())
        #expect(!GICBoard(.qemu).gic.setMask(3, true, at: at(0)).isDone)
    }

    @Test("a priority takes the implemented bits")
    func priority() {
        let gic = GICBoard()
        #expect(gic.gic.setPriority(40, 0xa7, at: at(0)).text == "SPI 40 has priority 0xa0: only 5 bits exist")
        #expect(gic.get(0x428, size: 1) == 0xa0)
        gic.pulse(40)
        guard case .blocked(let check) = gic.gic.setPriority(40, 0xff, at: at(0)).forecast else {
            Issue.record("it should be held back by PMR")
            return
        }
        #expect(check.obstacle == .priorityMask && !gic.irq())
    }

    @Test("a route moves an interrupt that waits")
    func route() {
        let gic = GICBoard(processors: 2)
        gic.pulse(40)
        let result = gic.gic.route(40, to: 2, at: at(0))
        #expect(result.text == "SPI 40 has targets 0x2 and goes to cpu 1" && result.forecast == .delivers)
        #expect(!gic.irq(0) && gic.irq(1) && result.outcome.changed == ProcessorSet(rawValue: 3))
        #expect(!gic.gic.route(27, to: 1, at: at(0)).isDone)
    }

    @Test("a group can be changed")
    func group() {
        let gic = GICBoard(control: 9)
        gic.pulse(40)
        #expect(gic.fiq())
        let result = gic.gic.setGroup(40, isOne: true, at: at(0))
        guard case .blocked(let check) = result.forecast else {
            Issue.record("\(result)")
            return
        }
        #expect(check.obstacle == .interfaceDisabled && !gic.fiq())
    }

    @Test("what is not there is refused, and there is no NMI")
    func refused() {
        var gic = GICv2()
        #expect(!gic.inject(256, at: at(0)).isDone && !gic.inject(-1, at: at(0)).isDone)
        #expect(!gic.inject(33, cpu: 1, at: at(0)).isDone && !gic.lower(3, at: at(0)).isDone)
        #expect(gic.journal.trace.last().isEmpty && GICv2.nonMaskableRefusal == "GICv2 has no NMI")
    }
}
