import Primitives
import Testing

@testable import Interrupts

/// Intel SDM volume 3, section 11.8.
@Suite struct LocalAPICPriorityTests {
    private func selfIPI(_ pc: Board, _ vector: UInt8, _ cpu: Int = 0) {
        pc.put(0x300, 0x4_4000 | UInt32(vector), cpu)
    }

    @Test("the highest vector comes first, and nothing of its class or below until its EOI (11.8.4)")
    func theHighestVectorComesFirst() {
        let pc = machine()
        for vector in [0x31, 0x45, 0x42, 0x50] as [UInt8] { selfIPI(pc, vector) }
        #expect(pc.take() == 0x50)
        #expect(pc.take() == nil && pc.get(0x0a0) == 0x50)
        selfIPI(pc, 0x61)
        #expect(pc.take() == 0x61 && pc.get(0x0a0) == 0x60)
        pc.eoi()
        #expect(pc.take() == nil && pc.get(0x0a0) == 0x50)
        pc.eoi()
        #expect(pc.take() == 0x45)
        #expect(pc.take() == nil, "0x42 is of the class in service")
        pc.eoi()
        #expect(pc.take() == 0x42)
        pc.eoi()
        #expect(pc.take() == 0x31)
        pc.eoi()
        #expect(pc.take() == nil && pc.get(0x0a0) == 0)
    }

    @Test("one vector in service can wait a second time, and no third")
    func oneVectorCanWaitASecondTime() {
        let pc = machine()
        selfIPI(pc, 0x41)
        #expect(pc.take() == 0x41)
        selfIPI(pc, 0x41)
        selfIPI(pc, 0x41)
        #expect(pc.journal.statistics[.vector(0x41)]?[.coalesce] == 1)
        pc.eoi()
        #expect(pc.take() == 0x41)
        pc.eoi()
        #expect(pc.take() == nil)
    }

    @Test("PPR is TPR or the class in service (11.8.3.1)")
    func pprIsTPROrTheClassInService() {
        let pc = machine()
        pc.put(0x080, 0x2f)
        #expect(pc.get(0x0a0) == 0x2f)
        selfIPI(pc, 0x35)
        #expect(pc.take() == 0x35)
        #expect(pc.get(0x0a0) == 0x30)
        pc.put(0x080, 0x31)
        #expect(pc.get(0x0a0) == 0x31)
    }

    @Test("CR8 and TPR are one (11.8.6)")
    func cr8AndTPRAreOne() {
        let pc = machine()
        pc.put(0x080, 0x47)
        #expect(pc.controller.cr8(0) == 4)
        pc.setCR8(4)
        #expect(pc.get(0x080) == 0x47, "a CR8 that did not change keeps the sub-class")
        selfIPI(pc, 0x45)
        #expect(pc.pending(0) == nil)
        let out = pc.setCR8(3)
        #expect(out.wake.contains(0) && pc.pending(0) == .vector(0x45))
        #expect(pc.get(0x080) == 0x30)
        #expect(pc.setCR8(15).wake.isEmpty)
        #expect(pc.pending(0) == nil)
    }

    @Test("a request that TPR hides between signal and acknowledgement gives the spurious vector (11.9)")
    func aHiddenRequestIsSpurious() {
        let pc = machine()
        pc.put(0x0f0, 0x1ef)
        selfIPI(pc, 0x45)
        #expect(pc.pending(0) == .vector(0x45))
        pc.put(0x080, 0x50)
        #expect(pc.acknowledge() == 0xef)
        #expect(pc.locals[0].inService.isEmpty && pc.locals[0].interruptRequest.contains(0x45))
        #expect(pc.journal.trace.last(1).first?.kind == .spurious)
    }

    @Test("a switched-off APIC accepts nothing but keeps what waits (11.4.7.2)")
    func aSwitchedOffAPICAcceptsNothing() {
        let pc = machine()
        selfIPI(pc, 0x45)
        pc.put(0x0f0, 0xff)
        selfIPI(pc, 0x46)
        #expect(pc.mistakes == [.nobodyEnabled])
        #expect(pc.take() == 0x45)
        pc.eoi()
        #expect(pc.take() == nil)
    }

    @Test("an EOI with nothing in service is a mistake without effect")
    func anEOIWithNothingInService() {
        let pc = machine()
        pc.eoi()
        pc.eoi()
        #expect(pc.journal.warnings.entries.map(\.count) == [2])
        #expect(pc.mistakes == [.endWithoutInterrupt])
    }

    @Test("vectors below 16 are never requested", arguments: [0, 1, 8, 15] as [UInt8])
    func vectorsBelow16AreNeverRequested(vector: UInt8) {
        let pc = machine()
        pc.message(0xfee0_0000, UInt32(vector))
        #expect(pc.locals[0].interruptRequest.isEmpty)
        #expect(pc.mistakes == [.illegalVectorReceived])
    }

    @Test("the trigger mode register follows each acceptance")
    func theTriggerModeFollowsEachAcceptance() {
        let pc = machine()
        pc.message(0xfee0_0000, 0xc041)
        #expect(pc.locals[0].triggerMode.contains(0x41))
        pc.message(0xfee0_0000, 0x4041)
        #expect(!pc.locals[0].triggerMode.contains(0x41))
    }

    @Test("INIT clears the APIC but for id and base, and parks an application processor (11.4.7.3)")
    func initClearsTheAPIC() {
        let pc = machine(2)
        pc.put(0x020, 0x0500_0000, 1)
        selfIPI(pc, 0x41, 1)
        pc.put(0x310, 0x0500_0000)
        let out = pc.put(0x300, 0x4500)
        #expect(out.initialize.map { $0 } == [1] && out.startUp.isEmpty)
        #expect(pc.get(0x020, 1) == 0x0500_0000 && pc.get(0x0f0, 1) == 0xff && pc.get(0x220, 1) == 0)
        #expect(pc.locals[1].activity == .waitingForStartUp && pc.pending(1) == nil)
        let start = pc.put(0x300, 0x4699)
        #expect(start.startUp.contains(1) && start.startUpVector == 0x99)
        #expect(pc.put(0x300, 0x4698).startUp.isEmpty, "the second start-up message is ignored")
    }

    @Test("INIT makes the boot processor begin anew, without waiting")
    func initMakesTheBootProcessorBeginAnew() {
        let pc = machine(2)
        pc.put(0x310, 0, 1)
        #expect(pc.put(0x300, 0x4500, 1).initialize.contains(0))
        #expect(pc.locals[0].activity == .running)
    }

    @Test("INIT level de-assert does nothing")
    func initLevelDeassertDoesNothing() {
        let pc = machine(2)
        pc.put(0x310, 0x0100_0000)
        #expect(pc.put(0x300, 0x8500).initialize.isEmpty)
        #expect(pc.put(0x300, 0xc500).initialize.contains(1))
    }
}
