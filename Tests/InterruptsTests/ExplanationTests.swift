import Foundation
import Primitives
import Testing

@testable import Interrupts

/// Each test builds one reason why an interrupt does not come, and wants that reason and no other.
@Suite struct ExplanationTests {
    private func obstacles(
        _ pc: Board, line: Int, cpu: Int? = nil, _ facts: [ProcessorFacts] = []
    ) -> [InterruptCheck.Obstacle] {
        pc.controller.explain(line: line, cpu: cpu, facts).compactMap(\.obstacle)
    }

    private func obstacles(_ pc: Board, vector: UInt8, _ facts: [ProcessorFacts] = []) -> [InterruptCheck.Obstacle] {
        pc.controller.explain(vector: vector, cpu: 0, facts).compactMap(\.obstacle)
    }

    private func facts(enabled: Bool = true, shadowed: Bool = false) -> [ProcessorFacts] {
        var facts = ProcessorFacts()
        facts.interruptsEnabled = enabled
        facts.isShadowed = shadowed
        facts.place = "pc=idle"
        return [facts, facts]
    }

    /// Input 10 is up, its pin sends vector 0x41 to processor 0 and it waits there.
    private func waiting() -> Board {
        let pc = machine(2)
        pc.put(0x350, 0x1_0000)
        pc.program(10, 0x41)
        pc.line(10, true)
        return pc
    }

    @Test("nothing stands in the way of one that will come")
    func nothingStandsInTheWay() {
        #expect(obstacles(waiting(), line: 10, facts()) == [])
    }

    @Test("an input that is not wired, one that is low, a masked pin")
    func theInputAndThePin() {
        let pc = machine()
        pc.put(0x350, 0x1_0000)
        #expect(obstacles(pc, line: 2) == [.notWired] && obstacles(pc, line: 24) == [.notWired])
        pc.program(20, 0x41)
        #expect(obstacles(pc, line: 20) == [.lineLow, .notRequested])
        pc.program(20, 0x1_8041)
        pc.line(20, true)
        #expect(obstacles(pc, line: 20) == [.pinMasked, .notRequested])
    }

    @Test("a vector below 16, a destination that nobody has, another than asked about")
    func vectorAndDestination() {
        let pc = machine(2)
        pc.program(20, 0x0e)
        pc.program(21, 0x41, to: 9)
        pc.program(22, 0x41, to: 1)
        pc.program(23, 0x400)
        for line in 20...23 { pc.line(line, true) }
        #expect(obstacles(pc, line: 20) == [.illegalVector])
        #expect(obstacles(pc, line: 21) == [.nobodyAddressed])
        #expect(obstacles(pc, line: 22, cpu: 0).first == .notAddressed)
        #expect(obstacles(pc, line: 22, cpu: 1) == [])
        #expect(obstacles(pc, line: 23) == [.noVector])
    }

    @Test("an APIC that is off, by base or by software")
    func anAPICThatIsOff() {
        let pc = machine()
        pc.put(0x0f0, 0xff)
        #expect(obstacles(pc, vector: 0x41) == [.apicSwitchedOff, .notRequested])
        pc.wrmsr(0x1b, 0xfee0_0100)
        #expect(obstacles(pc, vector: 0x41).first == .apicDisabled)
    }

    @Test("task priority, a vector in service, one that goes first")
    func priorities() {
        let pc = waiting()
        pc.put(0x080, 0x40)
        #expect(obstacles(pc, line: 10, facts()) == [.taskPriority])
        pc.put(0x080, 0x3f)
        #expect(obstacles(pc, line: 10, facts()) == [])
        pc.put(0x300, 0x4_4055)
        #expect(obstacles(pc, line: 10, facts()) == [.higherPending])
        _ = pc.take()
        #expect(obstacles(pc, line: 10, facts()) == [.inService])
        pc.eoi()
        pc.put(0x300, 0x4_404f)
        _ = pc.take()
        #expect(obstacles(pc, line: 10, facts()) == [.inService], "the same class is enough")
        pc.eoi()
        pc.put(0x300, 0x4_4055)
        _ = pc.take()
        #expect(
            pc.controller.explain(line: 10, facts()).text.contains(
                "vector 0x55 of class 5 is in service without an EOI"))
    }

    @Test("IF, the shadow of STI, a processor that was never started")
    func theProcessor() {
        #expect(obstacles(waiting(), line: 10, facts(enabled: false)) == [.interruptsDisabled])
        #expect(obstacles(waiting(), line: 10, facts(shadowed: true)) == [.blockedInstruction])
        let pc = machine(2, on: false)
        pc.put(0x350, 0x1_0000)
        pc.program(20, 0x41, to: 1)
        pc.line(20, true)
        #expect(obstacles(pc, line: 20).contains(.waitingForStartUp))
    }

    @Test("a remote IRR that waits for an EOI says where the vector is")
    func aRemoteIRR() {
        let pc = machine()
        pc.put(0x350, 0x1_0000)
        pc.program(20, 0x8041)
        pc.line(20, true)
        #expect(obstacles(pc, line: 20) == [.remoteIRR])
        #expect(pc.controller.explain(line: 20, []).text.contains("still waits on cpu 0"))
        _ = pc.take()
        #expect(pc.controller.explain(line: 20, []).text.contains("in service on cpu 0"))
        pc.put(0x0f0, 0x11ff)
        pc.eoi()
        #expect(pc.controller.explain(line: 20, []).text.contains("none will come by itself (SVR bit 12"))
    }

    @Test("the way through the 8259 pair: masked, in service, behind another, cascade, LINT0")
    func thePair() {
        let pc = machine()
        pc.put(0x350, 0x700)
        pc.line(4, true)
        #expect(obstacles(pc, line: 4, facts()) == [.pairInitializing])
        pc.line(4, false)
        pc.initializePair()
        pc.line(4, true)
        #expect(obstacles(pc, line: 4, facts()) == [])
        #expect(obstacles(pc, line: 4, facts(enabled: false)) == [.interruptsDisabled])
        pc.line(3, true)
        #expect(obstacles(pc, line: 4, facts()) == [.pairHigherPending])
        _ = pc.take()
        #expect(obstacles(pc, line: 4, facts()) == [.pairInService])
        pc.out(0x20, 0x20)
        pc.line(12, true)
        _ = pc.take()
        #expect(obstacles(pc, line: 12, facts()).prefix(2) == [.pairNotRequested, .pairInService])
        pc.out(0x21, 0x04)
        pc.line(9, true)
        #expect(obstacles(pc, line: 9, facts()).contains(.cascadeMasked))
        pc.out(0x21, 0x10)
        pc.put(0x350, 0x1_0700)
        #expect(Set([.pairMasked, .localPinMasked, .pinMasked]).isSubset(of: obstacles(pc, line: 4, facts())))
        pc.put(0x350, 0x041)
        #expect(obstacles(pc, line: 4, facts()).contains(.localPinMode))
    }

    @Test("an 8259 that was never set up is not blamed where the I/O APIC lets the interrupt through")
    func unusedPair() {
        let pc = machine()
        pc.put(0x350, 0x700)
        pc.program(4, 0x41)
        pc.line(4, true)
        #expect(obstacles(pc, line: 4, facts()) == [])
    }

    @Test("the text is numbered, says ok or BLOCKED, and where the processor is")
    func theText() {
        let text = waiting().controller.explain(line: 10, facts(enabled: false)).text
        let lines = text.split(separator: "\n")
        #expect(lines.first?.hasPrefix(" 1 input") == true && lines.first?.hasSuffix("ok") == true)
        #expect(lines.last?.hasSuffix("BLOCKED: cpu 0 has interrupts disabled, pc=idle") == true)
    }

    // MARK: Lists

    @Test("the list has each input's state, count and last time")
    func theList() throws {
        let pc = machine(2)
        pc.put(0x350, 0x1_0000)
        pc.program(10, 0x8041, to: 1)
        pc.line(10, true, at: at(1_000))
        pc.put(0x300, 0x4_4066)
        let text = pc.controller.rows.text(at: at(4_200_000))
        #expect(text.contains("\n10    IO-APIC  -    PL-E  lvl   0x41  1      +4.1ms  phys 0x1 = cpu 1\n"))
        #expect(text.contains("v102  local    0    P--E  edge  0x66"))
        #expect(pc.take(1) == 0x41)
        let row = try #require(pc.controller.rows.first { $0.number == .line(10) })
        #expect(row.isActive && !row.isPending && row.isLineHigh)
        let json = try JSONSerialization.jsonObject(with: Data(row.json.description.utf8)) as? [String: Any]
        #expect(json?["trigger"] as? String == "level" && json?["last_ns"] as? Int == 1_000)
    }

    @Test("the controllers are described in the usual words")
    func theControllersAreTold() throws {
        let pc = machine()
        pc.initializePair()
        pc.out(0x21, 0xb8)
        pc.program(4, 0x8931, to: 3)
        pc.line(4, true)
        #expect(pc.ioapic.text.hasPrefix("ioapic: ver=0x20 id=0x00 sel=0x18 lines=0x000010\n"))
        #expect(
            pc.ioapic.text.contains(
                "  pin 4  0x0300000000008931 dest=3 vec=49 active-hi level lowest logical asserted\n"))
        #expect(pc.pics.text.hasPrefix("pic0: irr=10 imr=b8 isr=00 hprio=0 irq_base=30 rr_sel=0 elcr=00 fnm=0\n"))
        #expect(pc.pit.text(at: at(0)).hasPrefix("pit0: mode=0 reload=none count=0 gate=1 out=0\n"))
        for json in [pc.ioapic.json, pc.pics.json] {
            #expect(try JSONSerialization.jsonObject(with: Data(json.description.utf8)) is [String: Any])
        }
    }
}
