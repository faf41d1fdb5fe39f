import Primitives
import Testing

@testable import Interrupts

/// What a guest does wrong has no effect, or as little as possible, and is recorded.
@Suite struct GICMistakeTests {
    @Test("EOI without acknowledge is ignored", arguments: [0, 1] as [UInt32])
    func endWithoutAcknowledge(mode: UInt32) {
        let gic = GICBoard(control: 1 | mode << 9)
        gic.put(0x304, 1 << 8)
        gic.eoi(40)
        #expect(gic.isActive(40) && gic.running() == 0xff && gic.mistakes == [.endWithoutAcknowledge])
    }

    @Test("EOI of a spurious id is ignored", arguments: 1020...1023 as ClosedRange<UInt32>)
    func endOfSpurious(id: UInt32) {
        let gic = GICBoard()
        gic.pulse(40)
        _ = gic.ack()
        gic.eoi(id)
        #expect(gic.running() == 0 && gic.isActive(40) && gic.mistakes == [.endOfSpurious])
    }

    @Test("EOI and DIR of an interrupt that does not exist are ignored")
    func endOfAbsent() {
        let gic = GICBoard(interrupts: 96, control: 0x201)
        gic.pulse(40)
        _ = gic.ack()
        gic.eoi(96)
        gic.dir(1000)
        #expect(gic.running() == 0 && gic.mistakes == [.endOfAbsent, .endOfAbsent])
    }

    @Test("EOI out of order drops the running priority and deactivates the one named")
    func endOutOfOrder() {
        let gic = GICBoard()
        gic.priority(40, 0x80)
        gic.priority(41, 0x40)
        for id in [40, 41] {
            gic.pulse(id)
            _ = gic.ack()
        }
        gic.eoi(40)
        #expect(gic.running() == 0x80 && !gic.isActive(40) && gic.isActive(41) && gic.mistakes == [.endOutOfOrder])
        gic.eoi(41)
        #expect(gic.running() == 0xff && !gic.isActive(41) && gic.mistakes == [.endOutOfOrder])
    }

    @Test("EOI of another than the acknowledged interrupt drops the priority all the same")
    func endOfInactive() {
        let gic = GICBoard()
        gic.pulse(40)
        _ = gic.ack()
        gic.eoi(41)
        #expect(gic.running() == 0xff && gic.isActive(40) && gic.mistakes == [.endOfInactive])
        #expect(!gic.kinds.contains(.endOfInterrupt))
    }

    @Test("EOI of an SGI with another source than IAR gave ends it")
    func endOfOtherSource() {
        let gic = GICBoard(processors: 2)
        gic.send(5, to: 1, from: 1)
        _ = gic.ack()
        gic.eoi(5)
        #expect(gic.running() == 0xff && !gic.isActive(5) && gic.mistakes == [.endOfOtherSource])
    }

    @Test("AEOIR of group 0 is ignored, EOIR of group 1 without AckCtl is not")
    func endOfOtherGroup() {
        let gic = GICBoard(control: 3)
        gic.pulse(40)
        _ = gic.ack()
        gic.putC(0x24, 40)
        #expect(gic.isActive(40) && gic.running() == 0 && gic.mistakes == [.endOfOtherGroup])
        gic.eoi(40)
        gic.group(41)
        gic.pulse(41)
        #expect(gic.getC(0x20) == 41)
        gic.eoi(41)
        #expect(!gic.isActive(41) && gic.running() == 0xff)
        #expect(gic.journal.warnings.entries.map(\.mistake.argument) == [40, 41])
    }

    @Test("DIR with EOImode 0 is ignored")
    func deactivationInWrongMode() {
        let gic = GICBoard()
        gic.pulse(40)
        _ = gic.ack()
        gic.dir(40)
        #expect(gic.isActive(40) && gic.mistakes == [.deactivateInWrongMode])
    }

    @Test("DIR of a spurious id, and of what is not active")
    func strangeDeactivation() {
        let gic = GICBoard(control: 0x201)
        gic.dir(1023)
        gic.dir(40)
        #expect(gic.mistakes == [.deactivateOfSpurious, .deactivateOfInactive] && gic.kinds == [])
    }

    @Test("SGIR with the reserved filter, and with a list of absent processors, reaches nobody")
    func sgiToNobody() {
        let gic = GICBoard(processors: 2)
        gic.send(1, to: 3, filter: 3)
        gic.send(1, to: 0xfc)
        #expect(gic.last.irq.isEmpty && gic.mistakes == [.reservedTargetFilter, .softwareInterruptToNobody])
    }

    @Test("SPENDSGIR keeps sources of absent processors, as KVM and QEMU do")
    func absentSources() {
        let gic = GICBoard(processors: 2)
        gic.put(0xf24, 0x20, size: 1)
        #expect(gic.ack() == 4 | 5 << 10 && gic.mistakes == [.absentSource])
        gic.eoi(4 | 5 << 10)
        #expect(gic.mistakes == [.absentSource])
    }

    @Test("each mistake names the processor, and says what in words")
    func words() {
        let gic = GICBoard(processors: 2)
        gic.putC(0x10, 1023, 1)
        #expect(
            gic.journal.warnings.text == "1 x  cpu1: EOIR of the spurious interrupt 1023, which must not be ended\n")
    }

    @Test("a level that 10,000 ends do not lower is a storm; one that falls in between is not")
    func storm() {
        let gic = GICBoard()
        gic.level(40)
        gic.line(40, true)
        for i in 1...15_000 {
            gic.eoi(gic.ack())
            if i == 9_000 {
                gic.line(40, false)
                gic.line(40, true)
            }
        }
        #expect(gic.mistakes == [])
        for _ in 0..<5_000 { gic.eoi(gic.ack()) }
        #expect(gic.mistakes == [.levelNeverLowered])
    }
}
