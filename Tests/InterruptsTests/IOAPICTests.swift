import Primitives
import Testing

@testable import Interrupts

/// The 82093AA datasheet (290566-001), sections 3.1 and 3.2, and KVM where it is silent.
@Suite struct IOAPICTests {
    private static let levelBit: UInt32 = 0x8000
    private static let remoteIRR: UInt32 = 0x4000

    @Test("its registers come up masked, version 0x20, 24 pins")
    func itsRegistersComeUp() {
        let pc = machine()
        #expect(pc.getIO(0) == 0 && pc.getIO(1) == 0x0017_0020 && pc.getIO(2) == 0)
        for pin in 0..<24 as Range<UInt32> {
            #expect(pc.getIO(0x10 + 2 * pin) == 0x1_0000 && pc.getIO(0x11 + 2 * pin) == 0)
        }
        #expect(pc.getIO(0x40) == 0xffff_ffff && pc.getIO(0x03) == 0xffff_ffff)
    }

    @Test("a write keeps what the register has; remote IRR and delivery status are read-only")
    func aWriteKeepsWhatTheRegisterHas() {
        let pc = machine()
        for register in [0, 1, 2, 0x40, 0xff] as [UInt32] { pc.putIO(register, 0xffff_ffff) }
        #expect(pc.getIO(0) == 0x0f00_0000 && pc.getIO(2) == 0x0f00_0000 && pc.getIO(1) == 0x0017_0020)
        pc.putIO(0x12, 0xffff_ffff)
        pc.putIO(0x13, 0xffff_ffff)
        #expect(pc.getIO(0x12) == 0x1_afff && pc.getIO(0x13) == 0xff00_0000)
    }

    @Test("an edge is sent once")
    func anEdgeIsSentOnce() {
        let pc = machine()
        pc.program(4, 0x41)
        #expect(pc.line(4, true).wake.contains(0))
        #expect(pc.line(4, true) == InterruptOutcome())
        #expect(pc.take() == 0x41)
        pc.eoi()
        #expect(pc.take() == nil)
        pc.line(4, false)
        pc.pulse(4)
        #expect(pc.take() == 0x41)
    }

    @Test("an edge on a masked pin is lost (3.2.4, bit 16), a level is not")
    func anEdgeOnAMaskedPinIsLost() {
        let pc = machine()
        pc.program(4, 0x1_0041)
        pc.program(5, 0x1_8042)
        pc.line(4, true)
        pc.line(5, true)
        pc.program(4, 0x41)
        #expect(pc.take() == nil)
        pc.program(5, 0x8042)
        #expect(pc.take() == 0x42)
    }

    @Test("a level comes again after each EOI until it is lowered")
    func aLevelComesAgain() {
        let pc = machine()
        pc.program(10, 0x41 | Self.levelBit)
        pc.line(10, true)
        for _ in 0..<3 {
            #expect(pc.take() == 0x41)
            #expect(pc.getIO(0x24) == 0x41 | Self.levelBit | Self.remoteIRR)
            #expect(pc.take() == nil)
            pc.eoi()
        }
        #expect(pc.take() == 0x41)
        pc.line(10, false)
        let out = pc.put(0x0b0, 0)
        #expect(pc.take() == nil && pc.getIO(0x24) == 0x41 | Self.levelBit)
        #expect(out.endedLines == 1 << 10)
    }

    @Test("the EOI of an edge leaves level pins with the same vector alone")
    func theEOIOfAnEdge() {
        let pc = machine()
        pc.program(4, 0x41)
        pc.line(4, true)
        #expect(pc.take() == 0x41)
        pc.eoi()
        pc.program(5, 0x8051)
        pc.line(5, true)
        pc.message(0xfee0_0000, 0x41)
        #expect(pc.take() == 0x51)
        pc.message(0xfee0_0000, 0x61)
        #expect(pc.take() == 0x61)
        pc.eoi()
        #expect(pc.getIO(0x1a) & Self.remoteIRR != 0)
    }

    @Test("SVR bit 12 keeps EOIs from the I/O APIC, whose own EOI register then ends the level (SDM 11.8.5)")
    func theEOIRegisterEndsTheLevel() {
        let pc = machine()
        pc.put(0x0f0, 0x11ff)
        pc.program(10, 0x8041)
        pc.line(10, true)
        #expect(pc.take() == 0x41)
        pc.eoi()
        #expect(pc.take() == nil && pc.getIO(0x24) & Self.remoteIRR != 0)
        _ = pc.controller.writeMemory(0x41, IOAPIC.page + 0x40, size: 4, 0, at: at(0))
        #expect(pc.take() == 0x41)
        pc.line(10, false)
        _ = pc.controller.writeMemory(0x41, IOAPIC.page + 0x40, size: 4, 0, at: at(0))
        _ = pc.controller.writeMemory(0x41, IOAPIC.page + 0x40, size: 4, 0, at: at(0))
        #expect(pc.mistakes == [.lineEndedWithoutRequest])
    }

    @Test("going over to edge forgets the remote IRR, which is how software ends a level without an EOI register")
    func goingOverToEdge() {
        let pc = machine()
        pc.program(10, 0x8041)
        pc.line(10, true)
        #expect(pc.take() == 0x41)
        pc.putIO(0x24, 0x1_0041)
        #expect(pc.getIO(0x24) == 0x1_0041)
        pc.putIO(0x24, 0x8041)
        #expect(pc.getIO(0x24) & Self.remoteIRR != 0 && pc.locals[0].interruptRequest.contains(0x41))
    }

    @Test(
        "every delivery mode (3.2.4, bits 10 to 8)",
        arguments: [
            (0x000, "vector"), (0x100, "vector"), (0x200, "smi"), (0x400, "nmi"), (0x500, "init"), (0x300, "none"),
        ])
    func everyDeliveryMode(bits: UInt32, what: String) {
        let pc = machine(2)
        pc.program(5, 0x41 | bits, to: 1)
        let out = pc.line(5, true)
        #expect((pc.pending(1) == .vector(0x41)) == (what == "vector"))
        #expect(out.management.contains(1) == (what == "smi"))
        #expect(out.nonMaskable.contains(1) == (what == "nmi"))
        #expect(out.initialize.contains(1) == (what == "init"))
        #expect(pc.mistakes == (what == "none" ? [.reservedDeliveryMode] : []))
    }

    @Test("the 8259 pair's output is on pin 0, whose ExtINT message asks for its vector")
    func externalAsksThePair() {
        let pc = machine(2)
        pc.initializePair()
        pc.put(0x350, 0x1_0000)
        pc.program(0, 0x700, to: 1)
        pc.line(4, true)
        #expect(pc.pending(1) == .external && pc.pending(0) == nil)
        #expect(pc.take(1) == 0x34)
    }

    @Test("a message that no local APIC accepts is lost and recorded")
    func aMessageThatNobodyAcceptsIsLost() {
        let pc = machine()
        pc.program(4, 0x8041, to: 7)
        pc.line(4, true)
        #expect(pc.getIO(0x18) == 0x8041 && pc.mistakes == [.nobodyAddressed])
        pc.put(0x0f0, 0xff)
        pc.program(5, 0x42)
        pc.line(5, true)
        #expect(pc.mistakes == [.nobodyAddressed, .nobodyEnabled])
        pc.put(0x0f0, 0x1ff)
        pc.program(4, 0x8041)
        #expect(pc.take() == 0x41, "a new entry tries again")
    }

    @Test("an interrupt storm is slowed down: 10,000 EOIs in a row, then 10 ms of rest")
    func aStormIsSlowedDown() {
        let pc = machine()
        pc.program(10, 0x8041)
        pc.line(10, true)
        var count = 0
        while pc.take() == 0x41 {
            count += 1
            pc.eoi()
        }
        #expect(count == IOAPIC.patience && pc.nextDeadline == 10_000_000 && pc.mistakes == [.neverLowered])
        #expect(pc.controller.explain(line: 10, []).contains { $0.obstacle == .paused })
        #expect(pc.advance(10_000_000).wake.contains(0) && pc.take() == 0x41)
    }

    @Test("the timer's input goes to its pin, and that pin is nobody else's", arguments: [0, 2])
    func theTimersInput(timerPin: Int) {
        let pc = machine(timerPin: timerPin)
        pc.program(timerPin, 0x41)
        pc.line(0, true)
        #expect(pc.take() == 0x41)
        #expect(pc.controller.pin(of: 0) == timerPin && pc.controller.line(of: timerPin) == 0)
        #expect(pc.controller.line(of: 0) == (timerPin == 0 ? 0 : nil))
        #expect(pc.controller.pin(of: 2) == (timerPin == 2 ? nil : 2) && pc.controller.pin(of: 24) == nil)
        #expect(pc.journal.statistics[.line(0)]?[.pend] == 1)
    }

    @Test("masks and routes can be changed by hand")
    func masksAndRoutesByHand() {
        let pc = machine(2)
        pc.program(10, 0x8041)
        #expect(pc.controller.setMask(10, true, at: at(0)).isWired)
        pc.line(10, true)
        #expect(pc.take() == nil)
        #expect(pc.controller.route(10, to: 1, at: at(0)).isWired)
        _ = pc.controller.setMask(10, false, at: at(0))
        #expect(pc.take() == nil && pc.take(1) == 0x41)
        #expect(!pc.controller.setMask(2, false, at: at(0)).isWired)
    }

    @Test("reads of parts and of holes give what is there")
    func readsOfParts() {
        let pc = machine()
        _ = pc.controller.writeMemory(1, IOAPIC.page, size: 1, 0, at: at(0))
        #expect(pc.controller.readMemory(IOAPIC.page, size: 1, 0, at: at(0))?.value == 1)
        #expect(pc.controller.readMemory(IOAPIC.page + 0x10, size: 1, 0, at: at(0))?.value == 0x20)
        #expect(pc.controller.readMemory(IOAPIC.page + 0x20, size: 4, 0, at: at(0))?.value == 0)
        #expect(pc.controller.readMemory(IOAPIC.page + 0x1000, size: 4, 0, at: at(0)) == nil)
    }
}
