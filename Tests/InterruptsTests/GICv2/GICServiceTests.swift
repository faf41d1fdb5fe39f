import Primitives
import Testing

@testable import Interrupts

/// From pending to the end: what is signalled, acknowledged, ended.
@Suite struct GICServiceTests {
    // MARK: Edge and level

    @Test("an edge-triggered interrupt is signalled, acknowledged and ended once")
    func edge() {
        let gic = GICBoard()
        gic.pulse(40)
        #expect(gic.last.changed.contains(0) && gic.last.wake.contains(0) && gic.last.irq.contains(0))
        #expect(gic.ack() == 40 && !gic.irq() && gic.isActive(40) && !gic.isPending(40))
        gic.eoi(40)
        #expect(!gic.irq() && !gic.isActive(40) && gic.ack() == 1023)
    }

    @Test("an edge during service comes again after its end, and only once")
    func edgeDuringService() {
        let gic = GICBoard()
        gic.pulse(40)
        _ = gic.ack()
        gic.pulse(40)
        gic.pulse(40)
        #expect(!gic.irq() && gic.isPending(40) && gic.isActive(40))
        gic.eoi(40)
        #expect(gic.irq() && gic.ack() == 40)
        gic.eoi(40)
        #expect(gic.ack() == 1023)
    }

    @Test("a level stays pending as long as it is high, and comes again after each end")
    func level() {
        let gic = GICBoard()
        gic.level(40)
        gic.line(40, true)
        #expect(gic.ack() == 40 && gic.isPending(40) && gic.isActive(40) && !gic.irq())
        gic.eoi(40)
        #expect(gic.irq() && gic.ack() == 40)
        gic.line(40, false)
        gic.eoi(40)
        #expect(!gic.irq() && gic.ack() == 1023)
    }

    @Test("a level that falls before it is acknowledged is gone: spurious 1023")
    func levelGone() {
        let gic = GICBoard()
        gic.level(40)
        gic.line(40, true)
        gic.line(40, false)
        #expect(gic.last.changed.contains(0) && !gic.irq() && gic.ack() == 1023)
    }

    @Test("ISPENDR's latch outlives the line, and ICPENDR clears only the latch")
    func latchAndLine() {
        let gic = GICBoard()
        gic.level(40)
        gic.line(40, true)
        gic.put(0x284, 1 << 8)
        #expect(gic.isPending(40))
        gic.put(0x204, 1 << 8)
        gic.line(40, false)
        #expect(gic.isPending(40) && gic.irq())
        gic.put(0x284, 1 << 8)
        #expect(!gic.isPending(40) && !gic.irq())
    }

    @Test("only a change from low to high is an edge")
    func onlyRisingEdges() {
        let gic = GICBoard()
        gic.line(40, true)
        _ = gic.ack()
        gic.line(40, true)
        gic.line(40, false)
        gic.eoi(40)
        #expect(!gic.irq())
    }

    @Test("a line that is pulsed keeps the level that it had")
    func pulses() {
        let gic = GICBoard()
        gic.pulse(40)
        #expect(!gic.gic.distributor.state(40, 0).isLineHigh)
        gic.line(41, true)
        _ = gic.ack()
        _ = gic.ack()
        gic.pulse(41)
        #expect(gic.gic.distributor.state(41, 0).isLineHigh && gic.isPending(41))
    }

    @Test("absent lines and processors, and SGIs, have no input")
    func absentLines() {
        let gic = GICBoard(processors: 2, interrupts: 96)
        let before = gic.gic.distributor
        for id in [-1, 0, 15, 96, 1019, 1023, 5000] { gic.line(id, true) }
        gic.line(20, true, 2)
        gic.pulse(20, 7)
        #expect(gic.gic.distributor == before && gic.kinds == [])
    }

    @Test("a PPI's input is its processor's")
    func privateLines() {
        let gic = GICBoard(processors: 2)
        gic.line(27, true, 1)
        #expect(!gic.irq(0) && gic.irq(1) && gic.ack(0) == 1023 && gic.ack(1) == 27)
    }

    // MARK: What lets through

    @Test("each enable, and PMR, must let it through")
    func gates() {
        let gic = GICBoard(processors: 1)
        gic.priority(40, 0xa0)
        gic.pulse(40)
        for (close, open) in [
            ({ gic.put(0x000, 0) }, { gic.put(0x000, 1) }), ({ gic.putC(0x00, 0) }, { gic.putC(0x00, 1) }),
            ({ gic.put(0x184, 1 << 8) }, { gic.put(0x104, 1 << 8) }),
            ({ gic.putC(0x04, 0xa0) }, { gic.putC(0x04, 0xa8) }), ({ gic.putC(0x04, 0) }, { gic.putC(0x04, 0xf8) }),
            ({ gic.put(0x304, 1 << 8) }, { gic.put(0x384, 1 << 8) }),
        ] as [(() -> Void, () -> Void)] {
            close()
            #expect(!gic.irq() && gic.ack() == 1023)
            open()
            #expect(gic.irq())
        }
    }

    @Test("HPPIR shows what PMR holds back; not on QEMU's")
    func highestPendingBehindTheMask() {
        for (configuration, expected) in [(.kvm, 40), (.qemu, 1023)] as [(GICv2.Configuration, UInt32)] {
            let gic = GICBoard(configuration)
            gic.putC(0x04, 0)
            gic.put(0x204, 1 << 8)
            #expect(gic.highest() == expected && gic.ack() == 1023)
        }
    }

    // MARK: Priorities

    @Test("the lowest priority value goes first, of equals the lowest INTID")
    func order() {
        let gic = GICBoard()
        for (id, priority) in [(40, 0xa0), (41, 0x80), (42, 0x80), (50, 0x20)] as [(Int, UInt32)] {
            gic.priority(id, priority)
            gic.put(0x204, 1 << UInt32(id - 32))
        }
        var taken: [UInt32] = []
        while gic.highest() != 1023 {
            taken.append(gic.ack())
            gic.eoi(taken[taken.count - 1])
        }
        #expect(taken == [50, 41, 42, 40])
    }

    @Test("a higher group priority preempts, an equal one waits; ends unwind")
    func preemption() {
        let gic = GICBoard()
        gic.priority(40, 0xa0)
        gic.priority(41, 0x40)
        gic.priority(42, 0xa0)
        gic.pulse(40)
        #expect(gic.ack() == 40 && gic.running() == 0xa0)
        gic.pulse(42)
        #expect(!gic.irq() && gic.highest() == 42 && gic.ack() == 1023)
        gic.pulse(41)
        #expect(gic.irq() && gic.ack() == 41 && gic.running() == 0x40 && gic.getC(0xd0) == 1 << 20 | 1 << 8)
        gic.eoi(41)
        #expect(gic.running() == 0xa0 && !gic.irq())
        gic.eoi(40)
        #expect(gic.running() == 0xff && gic.irq() && gic.ack() == 42)
    }

    @Test(
        "the binary point decides which bits preempt",
        arguments: [
            (2, 0x88, 0x80, true), (3, 0x88, 0x80, false), (3, 0x90, 0x80, true), (4, 0x90, 0x80, false),
            (6, 0xf0, 0x80, false), (6, 0x80, 0x78, true), (7, 0xf0, 0x00, false),
        ] as [(UInt32, UInt32, UInt32, Bool)])
    func binaryPoint(point: UInt32, active: UInt32, new: UInt32, preempts: Bool) {
        let gic = GICBoard()
        gic.putC(0x08, point)
        gic.priority(40, active)
        gic.priority(41, new)
        gic.pulse(40)
        _ = gic.ack()
        gic.pulse(41)
        #expect(gic.irq() == preempts && (gic.ack() == 41) == preempts)
    }

    @Test("nesting sixteen deep unwinds in order")
    func nesting() {
        let gic = GICBoard()
        for i in 0..<16 {
            gic.priority(40 + i, UInt32(0xf0 - 8 * i))
            gic.pulse(40 + i)
            #expect(gic.ack() == UInt32(40 + i))
        }
        for i in (0..<16).reversed() {
            #expect(gic.running() == UInt32(0xf0 - 8 * i))
            gic.eoi(UInt32(40 + i))
        }
        #expect(gic.running() == 0xff && gic.mistakes == [])
    }

    // MARK: Split end

    @Test("with EOImode 1, EOIR drops the priority and DIR deactivates")
    func splitEnd() {
        let gic = GICBoard(control: 0x201)
        gic.level(40)
        gic.line(40, true)
        _ = gic.ack()
        gic.eoi(40)
        #expect(gic.running() == 0xff && gic.isActive(40) && !gic.irq())
        gic.pulse(41)
        #expect(gic.irq() && gic.ack() == 41)
        gic.eoi(41)
        gic.dir(40)
        #expect(!gic.isActive(40) && gic.irq() && gic.mistakes == [])
    }

    @Test("DIR may come before EOIR")
    func deactivationFirst() {
        let gic = GICBoard(control: 0x201)
        gic.pulse(40)
        _ = gic.ack()
        gic.dir(40)
        #expect(!gic.isActive(40) && gic.running() == 0)
        gic.eoi(40)
        #expect(gic.running() == 0xff && gic.mistakes == [])
    }

    // MARK: Software generated interrupts

    @Test("SGIR's filters: a list, all others, oneself; the reserved one means nobody, and on QEMU's everybody")
    func filters() {
        func reached(_ filter: UInt32, _ configuration: GICv2.Configuration = .kvm) -> [Int] {
            let gic = GICBoard(configuration, processors: 4)
            gic.send(3, to: 0x0a, from: 1, filter: filter)
            return (0..<4).filter { gic.irq($0) }
        }
        #expect(reached(0) == [1, 3] && reached(1) == [0, 2, 3] && reached(2) == [1] && reached(3) == [])
        #expect(reached(3, .qemu) == [0, 1, 2, 3])
    }

    @Test("an SGI is pending once for each source, and each is acknowledged apart, the lowest first")
    func sources() {
        let gic = GICBoard(processors: 3)
        for sender in [2, 0, 1, 0] { gic.send(5, to: 0b010, from: sender) }
        #expect(gic.get(0xf25, 1, size: 1) == 0b111)
        var taken: [UInt32] = []
        while gic.irq(1) {
            taken.append(gic.ack(1))
            gic.eoi(taken[taken.count - 1], 1)
        }
        #expect(taken == [5, 5 | 1 << 10, 5 | 2 << 10] && gic.mistakes == [])
        #expect(!gic.irq(0) && !gic.irq(2))
    }

    @Test("HPPIR reports an SGI's source, as IAR will")
    func sourceInHighestPending() {
        let gic = GICBoard(processors: 2)
        gic.send(5, to: 1, from: 1)
        #expect(gic.highest() == 5 | 1 << 10 && gic.ack() == 5 | 1 << 10)
    }

    @Test("SPENDSGIR and CPENDSGIR set and clear sources one by one")
    func sourceRegisters() {
        let gic = GICBoard(processors: 3)
        gic.put(0xf26, 0b110, size: 1)
        gic.put(0xf16, 0b010, size: 1)
        #expect(gic.get(0x200) == 1 << 6 && gic.ack() == 6 | 2 << 10 && !gic.isPending(6))
    }

    // MARK: Targets

    @Test("KVM sends an SPI to the lowest of its targets, and to processor 0 without any")
    func lowestTarget() {
        let gic = GICBoard(processors: 3)
        gic.target(40, 0b110)
        gic.pulse(40)
        #expect((0..<3).map { gic.irq($0) } == [false, true, false])
        gic.target(40, 0)
        #expect((0..<3).map { gic.irq($0) } == [true, false, false] && gic.get(0x828, size: 1) == 0)
    }

    @Test("the architecture signals it to every target, and the first to acknowledge gets it")
    func everyTarget() {
        let gic = GICBoard(.gic400, processors: 3, control: 3)
        gic.target(40, 0b110)
        gic.pulse(40)
        gic.line(40, true)
        #expect((0..<3).map { gic.irq($0) } == [false, true, true])
        #expect(gic.ack(2) == 40 && gic.last.irq.isEmpty && gic.last.changed == ProcessorSet(rawValue: 0b110))
        #expect(gic.ack(1) == 1023)
        gic.target(41, 0)
        gic.pulse(41)
        #expect(gic.last.irq.isEmpty)
    }

    @Test("each of 988 SPIs reaches each of eight processors", arguments: 0..<8)
    func everySharedInterrupt(cpu: Int) {
        let gic = GICBoard(processors: 8, interrupts: 1020)
        for id in 32..<1020 {
            gic.target(id, 1 << UInt32(cpu))
            gic.pulse(id)
            #expect(gic.gic.irq == ProcessorSet(cpu) && gic.ack(cpu) == UInt32(id))
            gic.eoi(UInt32(id), cpu)
        }
        #expect(gic.gic.irq.isEmpty && gic.mistakes == [])
    }

    @Test("among a thousand pending the one with the highest priority goes first")
    func oneInAThousand() {
        let gic = GICBoard(interrupts: 1020)
        for word in 1..<32 { gic.put(0x200 + 4 * word, 0xffff_ffff) }
        for id in stride(from: 32, to: 1020, by: 4) { gic.put(0x400 + id, 0xa0a0_a0a0) }
        gic.priority(1019, 0x40)
        gic.priority(500, 0x38)
        #expect(gic.ack() == 500 && !gic.irq())
        gic.eoi(500)
        #expect(gic.ack() == 1019)
        gic.eoi(1019)
        #expect(gic.ack() == 32)
    }
}
