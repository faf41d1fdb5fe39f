import Primitives
import Testing

@testable import Interrupts

/// Intel SDM volume 3, sections 11.6 (messages between processors), 11.11 (messages of devices), 11.12.9 and 11.12.10.
@Suite struct MessageTests {
    /// Who has `vector` waiting.
    private func holders(_ pc: Board, _ vector: UInt8 = 0x41) -> [Int] {
        pc.locals.indices.filter { pc.locals[$0].interruptRequest.contains(vector) }
    }

    @Test(
        "a shorthand or a physical destination names processors",
        arguments: [
            (0, 0x0_4041, [0]), (3, 0x0_4041, [3]), (0xff, 0x0_4041, [0, 1, 2, 3]), (9, 0x0_4041, []),
            (9, 0x4_4041, [1]), (9, 0x8_4041, [0, 1, 2, 3]), (9, 0xc_4041, [0, 2, 3]),
        ] as [(UInt32, UInt32, [Int])])
    func aDestinationNamesProcessors(destination: UInt32, command: UInt32, expected: [Int]) {
        let pc = machine(4)
        pc.put(0x310, destination << 24, 1)
        let out = pc.put(0x300, command, 1)
        #expect(holders(pc) == expected)
        #expect(out.wake.map { $0 } == expected)
        #expect(pc.mistakes == (expected.isEmpty ? [.nobodyAddressed] : []))
    }

    @Test(
        "the flat model has one bit each, the cluster model four in each of 15 clusters (11.6.2.2)",
        arguments: [
            (0xf, [1, 2, 4, 8], 0x06, [1, 2]), (0xf, [1, 2, 4, 8], 0xff, [0, 1, 2, 3]), (0xf, [1, 2, 4, 8], 0x10, []),
            (0xf, [3, 2, 0, 8], 0x02, [0, 1]), (0x0, [0x11, 0x12, 0x21, 0x28], 0x13, [0, 1]),
            (0x0, [0x11, 0x12, 0x21, 0x28], 0x2f, [2, 3]), (0x0, [0x11, 0x12, 0x21, 0x28], 0x31, []),
            (0x0, [0x11, 0x12, 0x21, 0x28], 0xff, [0, 1, 2, 3]), (0x5, [1, 2, 4, 8], 0x0f, []),
        ] as [(UInt32, [UInt32], UInt32, [Int])])
    func logicalDestinations(model: UInt32, ids: [UInt32], destination: UInt32, expected: [Int]) {
        let pc = machine(4)
        for cpu in 0..<4 {
            pc.put(0x0d0, ids[cpu] << 24, cpu)
            pc.put(0x0e0, model << 28 | 0x0fff_ffff, cpu)
        }
        pc.put(0x310, destination << 24)
        pc.put(0x300, 0x4841)
        #expect(holders(pc) == expected)
    }

    @Test("x2APIC logical destinations have 16 bits in each cluster (11.12.10.2)")
    func x2APICLogicalDestinations() {
        let pc = machine(20)
        for cpu in 0..<20 { pc.wrmsr(0x1b, 0xfee0_0c00, cpu) }
        pc.wrmsr(0x830, 0x0001_0005 << 32 | 0x841)
        #expect(holders(pc) == [16, 18])
        pc.wrmsr(0x830, 0x0000_8002 << 32 | 0x842)
        #expect(holders(pc, 0x42) == [1, 15])
        pc.wrmsr(0x830, 0xffff_ffff << 32 | 0x43)
        #expect(holders(pc, 0x43) == Array(0..<20))
        pc.wrmsr(0x830, 0xff << 32 | 0x44)
        #expect(holders(pc, 0x44) == [], "8 bits of ones are no broadcast of 32")
        pc.message(0xfeef_f000, 0x45)
        #expect(holders(pc, 0x45) == Array(0..<20), "a device's are")
    }

    @Test("SELF IPI sends to the processor itself (11.12.11)")
    func selfIPISendsToTheProcessorItself() {
        let pc = machine(2)
        pc.wrmsr(0x1b, 0xfee0_0c00, 1)
        #expect(pc.wrmsr(0x83f, 0x77, 1))
        #expect(holders(pc, 0x77) == [1])
        #expect(pc.wrmsr(0x83f, 0x07, 1))
        #expect(pc.mistakes == [.illegalVectorSent])
    }

    @Test("lowest priority goes to one, the least busy, and among equals around (11.6.2.4)")
    func lowestPriorityGoesToOne() {
        let pc = machine(3)
        for cpu in 0..<3 { pc.put(0x0d0, 1 << UInt32(24 + cpu), cpu) }
        var order: [Int] = []
        for vector in [0x41, 0x42, 0x43, 0x44] as [UInt8] {
            pc.message(0xfee0_7004, 0x100 | UInt32(vector))
            order += holders(pc, vector)
        }
        #expect(order == [1, 2, 0, 1])
        pc.put(0x080, 0x50, 1)
        pc.put(0x080, 0x20, 2)
        pc.put(0x080, 0x30, 0)
        for vector in [0x81, 0x82] as [UInt8] {
            pc.message(0xfee0_7004, 0x100 | UInt32(vector))
            #expect(holders(pc, vector) == [2])
        }
        pc.put(0x0f0, 0xff, 2)
        pc.message(0xfee0_700c, 0x83)
        #expect(holders(pc, 0x83) == [0], "the redirection hint does the same, and who is off is out")
    }

    @Test("NMI, SMI, INIT and start-up leave as effects, even of an APIC that software has switched off")
    func otherModesLeaveAsEffects() {
        let pc = machine(2)
        pc.put(0x0f0, 0xff, 1)
        pc.put(0x310, 0x0100_0000)
        #expect(pc.put(0x300, 0x4400).nonMaskable.map { $0 } == [1])
        #expect(pc.put(0x300, 0x4200).management.map { $0 } == [1])
        #expect(pc.put(0x300, 0x4500).initialize.map { $0 } == [1])
        #expect(pc.put(0x300, 0x4608).startUp.map { $0 } == [1])
        #expect(pc.put(0x300, 0x4300) == InterruptOutcome() && pc.put(0x300, 0x4700) == InterruptOutcome())
        #expect(pc.mistakes == [.reservedDeliveryMode, .reservedDeliveryMode])
        #expect(pc.journal.warnings.entries.map(\.mistake.argument) == [3, 7])
    }

    @Test("an APIC that is globally off hears nothing")
    func anAPICThatIsOffHearsNothing() {
        let pc = machine(2)
        pc.wrmsr(0x1b, 0xfee0_0000, 1)
        #expect(pc.put(0x300, 0xc_4400) == InterruptOutcome())
        #expect(pc.put(0x300, 0x8_4041).wake.map { $0 } == [0])
    }

    @Test(
        "level and trigger mode of a command mean nothing but for INIT: a fixed message comes, as an edge (11.6.1)",
        arguments: [0x0000, 0x4000, 0x8000, 0xc000] as [UInt32], [0, 1, 2] as [UInt32])
    func levelAndTriggerModeMeanNothing(bits: UInt32, way: UInt32) {
        // By shorthand, by physical id, lowest priority to a logical destination.
        let pc = machine()
        pc.put(0x0d0, 1 << 24)
        pc.put(0x310, way == 2 ? 1 << 24 : 0)
        pc.put(0x300, bits | [0x4_0041, 0x41, 0x941][Int(way)])
        #expect(holders(pc) == [0] && pc.locals[0].triggerMode.isEmpty && pc.mistakes.isEmpty)
        #expect(pc.get(0x300).map { $0 & 0xc000 } == bits, "ICR keeps what was written")
        #expect(pc.take() == 0x41)
        pc.eoi()
        #expect(pc.mistakes.isEmpty)
    }

    @Test("NMI, SMI and start-up with level and no assert go out, and INIT level de-assert alone does nothing")
    func onlyInitKnowsALevel() {
        let pc = machine(2)
        pc.put(0x310, 1 << 24)
        #expect(pc.put(0x300, 0x8400).nonMaskable.map { $0 } == [1])
        #expect(pc.put(0x300, 0x8200).management.map { $0 } == [1])
        #expect(pc.put(0x300, 0x8500) == InterruptOutcome())
        #expect(pc.put(0x300, 0xc500).initialize.map { $0 } == [1])
        #expect(pc.put(0x300, 0x8610).startUp.map { $0 } == [1])
    }

    @Test("the delivery status is never set: a command is sent at once")
    func theDeliveryStatusIsNeverSet() {
        let pc = machine()
        pc.put(0x300, 0x4_5041)
        #expect(pc.get(0x300) == 0x4_4041)
    }

    // MARK: Devices

    @Test(
        "a device's address and data mean (11.11, figures 11-14 and 11-15)",
        arguments: [
            (0xfee0_0000, 0x0041, 0x00, false, false, .fixed, false, true),
            (0xfee1_2000, 0x0141, 0x12, false, false, .lowestPriority, false, true),
            (0xfeef_f00c, 0x4041, 0xff, true, true, .fixed, false, true),
            (0xfee0_3004, 0xc441, 0x03, true, false, .nmi, true, true),
            (0xfee0_3008, 0x8041, 0x03, false, true, .fixed, true, false),
        ] as [(UInt64, UInt32, UInt32, Bool, Bool, DeliveryMode, Bool, Bool)])
    func aDevicesMessage(
        address: UInt64, data: UInt32, destination: UInt32, isLogical: Bool, hint: Bool, mode: DeliveryMode,
        isLevel: Bool, isAssert: Bool
    ) throws {
        let message = try #require(InterruptMessage(address: address, data: data))
        #expect(message.vector == 0x41 && message.destination == destination && message.isLogical == isLogical)
        #expect(message.isRedirectable == hint && message.mode == mode)
        #expect(message.isLevel == isLevel && message.isAssert == isAssert)
    }

    @Test("other addresses mean nothing", arguments: [0xfed0_0000, 0xfef0_0000, 0x1_fee0_0000] as [UInt64])
    func otherAddressesMeanNothing(address: UInt64) {
        #expect(InterruptMessage(address: address, data: 0x41) == nil)
        #expect(machine().message(address, 0x41) == InterruptOutcome())
    }

    @Test("a debugger's message goes the same way")
    func aDebuggersMessage() {
        let pc = machine(2)
        #expect(pc.controller.inject(InterruptMessage(vector: 0x55, to: 1), at: at(0)).isAccepted)
        #expect(pc.pending(1) == .vector(0x55))
        #expect(!pc.controller.inject(InterruptMessage(vector: 0x55, to: 7), at: at(0)).isAccepted)
        #expect(pc.controller.clear(vector: 0x55, 1, at: at(0)).wasPending && pc.pending(1) == nil)
        #expect(!pc.controller.clear(vector: 0x55, 1, at: at(0)).wasPending)
    }

    // MARK: Local sources

    @Test("the NMI line goes through LINT1, and straight in while the APIC is off (11.4.3, 11.5.1)")
    func theNMILineGoesThroughLINT1() {
        let pc = machine(3)
        pc.put(0x360, 0x400, 1)
        pc.wrmsr(0x1b, 0xfee0_0000, 2)
        #expect(pc.controller.pulseNonMaskable(at: at(0)).nonMaskable.map { $0 } == [1, 2])
        #expect(pc.journal.trace.last(2).map(\.kind) == [.nonMaskable, .nonMaskable])
    }

    @Test("a performance counter's interrupt masks its entry, the others' do not")
    func aCountersInterruptMasksItsEntry() {
        let pc = machine()
        pc.put(0x340, 0x400)
        #expect(pc.controller.raise(.performance, 0, at: at(0)).nonMaskable.contains(0))
        #expect(pc.get(0x340) == 0x1_0400)
        #expect(pc.controller.raise(.performance, 0, at: at(0)).nonMaskable.isEmpty)
        pc.put(0x330, 0xfa)
        _ = pc.controller.raise(.thermal, 0, at: at(0))
        #expect(pc.take() == 0xfa && pc.get(0x330) == 0xfa)
        pc.put(0x330, 0x200)
        #expect(pc.controller.raise(.thermal, 0, at: at(0)).management.contains(0))
    }

    @Test("LINT0 as a level-triggered fixed interrupt comes again after its EOI (11.5.1)")
    func aLevelOnLINT0ComesAgain() {
        let pc = machine()
        pc.initializePair()
        pc.put(0x350, 0x8045)
        pc.out(0x4d0, 0x20)
        pc.line(5, true)
        #expect(pc.take() == 0x45 && pc.get(0x350) == 0xc045)
        #expect(pc.take() == nil)
        pc.eoi()
        #expect(pc.take() == 0x45)
        pc.line(5, false)
        pc.eoi()
        #expect(pc.take() == nil && pc.get(0x350) == 0x8045)
    }
}
