import Primitives
import Testing

@testable import Interrupts

/// The 8259A datasheet (231468-003): sections "Interrupt Sequence", "Initialization Command Words" and "Operation
/// Command Words", which includes the end of interrupt, priorities, masks, poll and status.
@Suite struct PICTests {
    private func pair(mode: UInt8 = 1, slaveMode: UInt8 = 1) -> Board {
        let pc = machine()
        pc.put(0x350, 0x700)
        pc.initializePair(mode: mode, slaveMode: slaveMode)
        return pc
    }

    /// IRR and ISR of both chips, second chip in the high byte.
    private func status(_ pc: Board) -> (irr: UInt16, isr: UInt16) { (pc.pics.request, pc.pics.inService) }

    @Test("input N gives base + N, through the cascade from 8 on", arguments: [0, 1, 3, 4, 7, 8, 9, 15])
    func inputNGivesBasePlusN(input: Int) {
        let pc = pair()
        #expect(pc.line(input, true).wake.contains(0) && pc.pending() == .external)
        #expect(pc.take() == 0x30 + UInt8(input))
        #expect(status(pc).isr == 1 << UInt16(input) | (input >= 8 ? 4 : 0) && pc.pending() == nil)
    }

    @Test("nothing comes before ICW1 to ICW4 are done")
    func nothingComesBeforeInitialization() {
        let pc = machine()
        pc.put(0x350, 0x700)
        pc.line(1, true)
        #expect(pc.pending() == nil)
        for (port, value) in [(0x20, 0x11), (0x21, 0x30), (0x21, 4)] as [(UInt16, UInt8)] {
            pc.out(port, value)
            pc.line(1, false)
            pc.line(1, true)
            #expect(pc.pending() == nil)
        }
        pc.out(0x21, 1)
        #expect(pc.take() == 0x31)
    }

    @Test("ICW1 without IC4 needs no ICW4 and clears its functions; SNGL needs no ICW3")
    func shortInitializations() {
        let pc = pair(mode: 3)
        pc.out(0x20, 0x10)
        pc.out(0x21, 0x40)
        pc.out(0x21, 4)
        pc.line(1, true)
        #expect(pc.take() == 0x41 && status(pc).isr == 2, "no automatic EOI any more")
        pc.out(0x20, 0x12)
        pc.out(0x21, 0x50)
        pc.line(1, false)
        pc.line(1, true)
        #expect(pc.take() == 0x51)
    }

    @Test("ICW1 clears the mask and the edges, and a line must rise anew")
    func icw1ClearsTheEdges() {
        let pc = pair()
        pc.out(0x21, 0xff)
        pc.line(1, true)
        pc.initializePair()
        #expect(pc.inp(0x21) == 0 && pc.pending() == nil)
        pc.line(1, false)
        pc.line(1, true)
        #expect(pc.take() == 0x31)
    }

    @Test("fully nested: lower inputs wait for the EOI, higher ones do not")
    func fullyNested() {
        let pc = pair()
        for input in [6, 3, 4] { pc.line(input, true) }
        #expect(pc.take() == 0x33 && pc.take() == nil)
        pc.line(1, true)
        #expect(pc.take() == 0x31)
        pc.out(0x20, 0x20)
        #expect(pc.take() == nil)
        pc.out(0x20, 0x20)
        #expect(pc.take() == 0x34)
        pc.out(0x20, 0x64)
        #expect(pc.take() == 0x36)
    }

    @Test("a specific EOI ends the input it names")
    func aSpecificEOI() {
        let pc = pair()
        pc.line(5, true)
        #expect(pc.take() == 0x35)
        pc.line(2, true)
        pc.line(1, true)
        #expect(pc.take() == 0x31)
        pc.out(0x20, 0x65)
        #expect(status(pc).isr == 2)
    }

    @Test("the mask register hides inputs and reads back")
    func theMaskRegister() {
        let pc = pair()
        pc.out(0x21, 0x12)
        pc.out(0xa1, 0x34)
        #expect(pc.inp(0x21) == 0x12 && pc.inp(0xa1) == 0x34)
        pc.line(1, true)
        pc.line(10, true)
        #expect(pc.pending() == nil)
        pc.out(0x21, 0x00)
        #expect(pc.take() == 0x31)
        pc.out(0x20, 0x20)
        pc.out(0xa1, 0x00)
        #expect(pc.take() == 0x3a)
    }

    @Test("OCW3 chooses IRR or ISR")
    func ocw3Chooses() {
        let pc = pair()
        pc.line(4, true)
        pc.line(6, true)
        #expect(pc.take() == 0x34)
        pc.out(0x20, 0x0b)
        #expect(pc.inp(0x20) == 0x10 && pc.inp(0x20) == 0x10)
        pc.out(0x20, 0x0a)
        #expect(pc.inp(0x20) == 0x40)
    }

    @Test("automatic EOI leaves nothing in service, and rotates if asked to")
    func automaticEOI() {
        let pc = pair(mode: 3)
        pc.line(4, true)
        #expect(pc.take() == 0x34 && status(pc).isr == 0)
        pc.out(0x20, 0x80)
        pc.line(3, true)
        #expect(pc.take() == 0x33)
        pc.pulse(3)
        pc.pulse(5)
        #expect(pc.take() == 0x35, "3 is the lowest now")
        #expect(pc.take() == 0x33)
        pc.out(0x20, 0x00)
        pc.pulse(6)
        pc.pulse(4)
        #expect(pc.take() == 0x34, "3 stays the lowest, no more rotation")
        #expect(pc.take() == 0x36)
    }

    @Test("the commands of OCW2 rotate priorities")
    func theCommandsRotate() {
        let pc = pair()
        pc.out(0x20, 0xc4)  // set priority: 4 is the lowest
        for input in [1, 4, 5] { pc.line(input, true) }
        #expect(pc.take() == 0x35)
        pc.out(0x20, 0xa0)  // rotate on non-specific EOI: 5 is the lowest
        #expect(status(pc).isr == 0 && pc.pics.master.lowest == 5)
        #expect(pc.take() == 0x31)
        pc.out(0x20, 0xe1)  // rotate on specific EOI
        #expect(status(pc).isr == 0 && pc.pics.master.lowest == 1)
        #expect(pc.take() == 0x34)
        pc.out(0x20, 0x40)  // no operation
        #expect(status(pc).isr == 0x10)
    }

    @Test("special mask mode lets lower inputs through while a masked one is in service")
    func specialMaskMode() {
        let pc = pair()
        pc.line(3, true)
        #expect(pc.take() == 0x33)
        pc.line(6, true)
        #expect(pc.take() == nil)
        pc.out(0x21, 0x08)
        #expect(pc.take() == nil)
        pc.out(0x20, 0x68)
        #expect(pc.take() == 0x36)
        pc.out(0x20, 0x20)
        #expect(status(pc).isr == 0x08, "the masked one is not ended by a non-specific EOI")
        pc.out(0x20, 0x48)
        pc.out(0x20, 0x20)
        #expect(status(pc).isr == 0)
    }

    @Test("special fully nested mode: a higher input of the second chip interrupts a lower one")
    func specialFullyNestedMode() {
        for isSpecial in [false, true] {
            let pc = pair(mode: isSpecial ? 0x11 : 1)
            pc.line(14, true)
            #expect(pc.take() == 0x3e)
            pc.line(9, true)
            #expect(pc.take() == (isSpecial ? 0x39 : nil))
        }
    }

    @Test("a second request of the second chip comes after both EOIs")
    func aSecondRequestOfTheSecondChip() {
        let pc = pair()
        pc.line(10, true)
        pc.line(12, true)
        #expect(pc.take() == 0x3a && pc.take() == nil)
        pc.out(0xa0, 0x20)
        #expect(pc.take() == nil)
        pc.out(0x20, 0x20)
        #expect(pc.take() == 0x3c)
    }

    @Test("two requests of the second chip with automatic EOI both come")
    func automaticEOIOnTheSecondChip() {
        let pc = pair(mode: 3, slaveMode: 3)
        pc.line(10, true)
        pc.line(12, true)
        #expect(pc.take() == 0x3a && pc.take() == 0x3c && pc.take() == nil)
    }

    @Test("a level comes again after the EOI until it is lowered; ELCR leaves 0, 1, 2, 8 and 13 edges")
    func aLevelComesAgain() {
        let pc = pair()
        pc.out(0x4d0, 0xff)
        pc.out(0x4d1, 0xff)
        #expect(pc.inp(0x4d0) == 0xf8 && pc.inp(0x4d1) == 0xde)
        pc.line(11, true)
        for _ in 0..<3 {
            #expect(pc.take() == 0x3b && pc.take() == nil)
            pc.out(0xa0, 0x20)
            pc.out(0x20, 0x20)
        }
        pc.line(11, false)
        #expect(status(pc).irr & 0x800 == 0)
    }

    @Test("a level that is gone gives input 7 of its chip, with nothing in service there (spurious)")
    func aLevelThatIsGone() {
        let pc = pair()
        pc.out(0x4d0, 0x20)
        pc.out(0x4d1, 0x08)
        pc.line(5, true)
        pc.line(5, false)
        #expect(pc.pending() == nil)
        #expect(pc.controller.pics.acknowledge() == PICPair.Acknowledgement(vector: 0x37, input: 7, isSpurious: true))
        #expect(status(pc).isr == 0)
        pc.line(11, true)
        pc.line(11, false)
        // The first chip has seen the second one's edge.
        #expect(pc.take() == 0x3f && status(pc).isr == 4)
        #expect(pc.journal.trace.last(1).first?.kind == .spurious)
    }

    @Test("a poll takes the interrupt without an acknowledgement of the processor")
    func aPollTakesTheInterrupt() {
        let pc = pair()
        pc.put(0x350, 0x1_0000)
        pc.out(0x20, 0x0c)
        #expect(pc.inp(0x20) & 0x80 == 0)
        pc.line(6, true)
        pc.out(0x20, 0x0c)
        #expect(pc.inp(0x20) == 0x86 && status(pc).isr == 0x40)
        #expect(pc.inp(0x20) == 0, "the poll is over")
        pc.line(9, true)
        pc.out(0x20, 0x0c)
        #expect(pc.inp(0x20) == 0x82)
        pc.out(0xa0, 0x0c)
        #expect(pc.inp(0xa0) == 0x81)
    }

    @Test("an interrupt that was polled adds no latency of the one before")
    func aPolledInterruptHasNoLatency() {
        let pc = pair()
        pc.line(6, true)
        #expect(pc.acknowledge(at: at(100)) == 0x36)
        pc.out(0x20, 0x20, at: at(500))
        pc.pulse(6)
        pc.out(0x20, 0x0c)
        #expect(pc.inp(0x20) == 0x86)
        pc.out(0x20, 0x20, at: at(9_000))
        let counts = pc.journal.statistics[.line(6)]
        #expect(counts?[.endOfInterrupt] == 2 && counts?[.acknowledgeToEnd].count == 1)
    }

    @Test("LINT0 lets the pair in, and IA32_APIC_BASE off does too")
    func lint0LetsThePairIn() {
        let pc = pair()
        pc.put(0x350, 0x1_0700)
        pc.line(1, true)
        #expect(pc.pending() == nil)
        pc.wrmsr(0x1b, 0xfee0_0100)
        #expect(pc.pending() == .external)
        pc.wrmsr(0x1b, 0xfee0_0900)
        #expect(pc.pending() == nil)
        #expect(pc.put(0x350, 0x700).wake.contains(0))
        #expect(pc.take() == 0x31)
    }

    @Test("the pair comes before the local APIC's vectors")
    func thePairComesFirst() {
        let pc = pair()
        pc.put(0x300, 0x4_4041)
        pc.line(1, true)
        #expect(pc.take() == 0x31 && pc.take() == 0x41)
    }
}
