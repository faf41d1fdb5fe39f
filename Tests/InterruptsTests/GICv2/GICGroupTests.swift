import Primitives
import Testing

@testable import Interrupts

/// Groups 0 and 1: enables, acknowledge, outputs, binary points.
@Suite struct GICGroupTests {
    private func groupOne(_ control: UInt32, _ configuration: GICv2.Configuration = .kvm) -> GICBoard {
        let gic = GICBoard(configuration, control: control)
        gic.level(40)
        gic.group(40)
        gic.priority(40, 0x80)
        gic.put(0x204, 1 << 8)
        return gic
    }

    @Test("IAR gives 1022 for group 1 without AckCtl, the INTID with it; AIAR needs none")
    func acknowledgingGroupOne() {
        let gic = groupOne(3)
        #expect(gic.irq() && gic.ack() == 1022 && gic.highest() == 1022 && gic.getC(0x28) == 40)
        #expect(gic.mistakes == [.acknowledgeOfGroupOne])
        #expect(gic.getC(0x20) == 40 && gic.running() == 0x80)
        gic.putC(0x24, 40)
        #expect(gic.running() == 0xff && gic.mistakes == [.acknowledgeOfGroupOne])
        let other = groupOne(7)
        #expect(other.highest() == 40 && other.ack() == 40)
    }

    @Test("AIAR gives 1023 for group 0")
    func aliasForGroupZero() {
        let gic = GICBoard(control: 3)
        gic.pulse(40)
        #expect(gic.getC(0x20) == 1023 && gic.getC(0x28) == 1023 && gic.ack() == 40)
    }

    @Test("each group needs its enable in the CPU interface, and a pending one of a disabled group hides no other")
    func groupEnables() {
        let gic = groupOne(1)
        gic.priority(41, 0xa0)
        gic.pulse(41)
        #expect(gic.highest() == 41 && gic.irq() && gic.ack() == 41)
        gic.putC(0x00, 7)
        #expect(gic.irq() && gic.ack() == 40)
    }

    @Test("a Distributor with two enables forwards each group by its own, KVM's both by one")
    func distributorEnables() {
        let (two, one) = (groupOne(7, .gic400), groupOne(7))
        two.put(0x000, 1)
        one.put(0x000, 1)
        #expect(!two.irq() && one.irq())
        two.put(0x000, 2)
        one.put(0x000, 2)
        #expect(two.irq() && !one.irq())
    }

    @Test("FIQEn signals group 0 as FIQ and leaves group 1 on IRQ")
    func fastInterrupts() {
        let gic = groupOne(0xf)
        #expect(gic.irq() && !gic.fiq())
        gic.priority(41, 0x20)
        gic.pulse(41)
        #expect(!gic.irq() && gic.fiq() && gic.last.fiq.contains(0) && gic.last.wake.contains(0))
        #expect(gic.ack() == 41 && !gic.fiq())
    }

    @Test("group 1's binary point is ABPR less one, and with CBPR that of group 0")
    func commonBinaryPoint() {
        for (control, preempts) in [(7, false), (0x17, true)] as [(UInt32, Bool)] {
            let gic = groupOne(control)
            gic.putC(0x08, 3)
            gic.putC(0x1c, 5)
            gic.priority(41, 0x90)
            gic.group(41)
            gic.put(0x284, 1 << 8)
            gic.pulse(41)
            #expect(gic.ack() == 41)
            gic.put(0x204, 1 << 8)
            #expect(gic.irq() == preempts)
        }
    }

    @Test("the GIC-400 keeps group 1's active priorities in NSAPR, KVM all in APR")
    func activePrioritiesOfGroupOne() {
        let (kvm, gic400) = (groupOne(7), groupOne(7, .gic400))
        for gic in [kvm, gic400] { #expect(gic.ack() == 40 && gic.running() == 0x80) }
        #expect(kvm.getC(0xd0) == 1 << 16 && kvm.getC(0xe0) == 0)
        #expect(gic400.getC(0xd0) == 0 && gic400.getC(0xe0) == 1 << 16)
    }
}
