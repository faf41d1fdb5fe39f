import Primitives
import Testing

@testable import Interrupts

/// The mistakes of a guest that are recorded, beyond what the tests of each controller expect.
@Suite struct MistakeTests {
    private func x2APIC() -> Board {
        let pc = machine()
        pc.wrmsr(0x1b, 0xfee0_0c00)
        return pc
    }

    @Test("the x2APIC registers outside of x2APIC mode, and those that are not there or not for writing")
    func x2APICRegisters() {
        let pc = machine()
        #expect(pc.rdmsr(0x802) == nil && !pc.wrmsr(0x808, 0))
        #expect(pc.mistakes == [.notX2APIC, .notX2APIC])
        let on = x2APIC()
        #expect(on.rdmsr(0x804) == nil && on.rdmsr(0x80b) == nil && !on.wrmsr(0x80e, 0))
        #expect(on.mistakes == [.reservedRegister, .reservedRegister, .reservedRegister])
        let writing = x2APIC()
        #expect(!writing.wrmsr(0x802, 0) && !writing.wrmsr(0x80a, 0))
        #expect(writing.mistakes == [.readOnlyRegister, .readOnlyRegister])
    }

    @Test("a local vector that is unmasked while the APIC is switched off; a masked one is none")
    func unmaskedWhileOff() {
        let pc = machine(on: false)
        pc.put(0x320, 0x1_0040)
        #expect(pc.mistakes.isEmpty)
        pc.put(0x320, 0x40)
        #expect(pc.mistakes == [.unmaskedWhileOff] && pc.get(0x320) == 0x1_0040)
        #expect(pc.journal.warnings.entries[0].mistake.argument == 0x320)
    }

    @Test("each of the two timers' counts while the other one's mode is set; zero stops a timer in any mode")
    func timersOfTheOtherMode() {
        let pc = machine()
        pc.wrmsr(0x6e0, 0)
        pc.wrmsr(0x6e0, 1000)
        #expect(pc.mistakes == [.deadlineIgnored] && pc.nextDeadline == nil)
        pc.put(0x320, 0x4_0040)
        pc.put(0x380, 0)
        pc.put(0x380, 77)
        #expect(pc.mistakes == [.deadlineIgnored, .initialCountIgnored] && pc.nextDeadline == nil)
        #expect(pc.journal.warnings.entries[1].mistake.argument == 77)
    }

    @Test("vectors of exceptions arrive, and are recorded", arguments: [16, 31, 32] as [UInt32])
    func exceptionVectors(vector: UInt32) {
        let pc = machine()
        pc.message(0xfee0_0000, vector)
        #expect(pc.journal.warnings.entries.map(\.mistake.kind) == (vector < 32 ? [.exceptionVector] : []))
        #expect(pc.locals[0].interruptRequest.contains(UInt8(vector)))
    }

    @Test(
        "the I/O APIC is accessed by 4 bytes of a register",
        arguments: [
            (0x00, 4, true, false), (0x10, 4, false, false), (0x40, 4, true, false), (0x40, 4, false, true),
            (0x00, 1, true, true), (0x10, 8, false, true), (0x04, 4, false, true), (0x20, 4, true, true),
            (0x01, 4, true, true),
        ] as [(Int, Int, Bool, Bool)])
    func oddPinAccesses(offset: Int, size: Int, isWrite: Bool, isMistake: Bool) {
        let pc = machine()
        // A level pin with vector 0, so that an EOI of that vector is right.
        pc.program(4, 0x1_8000)
        pc.controller.ioapic.entries[4].remoteIRR = true
        pc.controller.journal.warnings.clear()
        if isWrite {
            _ = pc.controller.writeMemory(0, IOAPIC.page + offset, size: size, 0, at: at(0))
        } else {
            _ = pc.controller.readMemory(IOAPIC.page + offset, size: size, 0, at: at(0))
        }
        #expect(pc.mistakes == (isMistake ? [.oddPinAccess] : []))
    }

    @Test("a register of the I/O APIC that is not there", arguments: [2, 3, 0x0f, 0x10, 0x3f, 0x40, 0xff] as [UInt32])
    func reservedPinRegisters(number: UInt32) {
        let pc = machine()
        _ = pc.getIO(number)
        let isThere = number <= 2 || (0x10...0x3f).contains(number)
        #expect(pc.mistakes == (isThere ? [] : [.reservedPinRegister]))
    }

    @Test(
        "an EOI to an 8259 that ends nothing, of every form that OCW2 has",
        arguments: [0x20, 0x60, 0x63, 0xa0, 0xe3] as [UInt8], [0x20, 0xa0] as [UInt16])
    func endsOfNothing(command: UInt8, port: UInt16) {
        let pc = machine()
        pc.initializePair()
        pc.out(port, command)
        #expect(pc.mistakes == [.pairEndedWithoutInterrupt])
        #expect(pc.journal.warnings.entries[0].mistake.argument == UInt64(port))
    }

    @Test("the EOI of what is in service is right, a second one is not, nor is one for a spurious interrupt")
    func endsOfSomething() {
        let pc = machine()
        pc.put(0x350, 0x700)
        pc.initializePair()
        pc.line(3, true)
        #expect(pc.take() == 0x33)
        pc.out(0x20, 0x63)
        #expect(pc.mistakes.isEmpty)
        pc.out(0x20, 0x63)
        #expect(pc.mistakes == [.pairEndedWithoutInterrupt])
        // Commands without an EOI: set priority, rotation in automatic mode.
        for command in [0xc7, 0x80, 0x00, 0x40] as [UInt8] { pc.out(0x20, command) }
        #expect(pc.mistakes == [.pairEndedWithoutInterrupt])
    }

    @Test("an 8259 that is unmasked before it was set up, and one whose vectors are exceptions'")
    func setUpOfThePair() {
        let pc = machine()
        pc.out(0x21, 0xff)
        pc.out(0x21, 0xfb)  // how kernels look whether it is there
        pc.out(0xa1, 0xff)
        #expect(pc.mistakes.isEmpty)
        pc.out(0xa1, 0xfb)
        pc.out(0x21, 0xfe)
        #expect(pc.mistakes == [.pairNotInitialized, .pairNotInitialized])
        pc.controller.journal.warnings.clear()
        for (port, value) in [(0x20, 0x11), (0x21, 0x08), (0x21, 4), (0x21, 1), (0x21, 0)] as [(UInt16, UInt8)] {
            pc.out(port, value)
        }
        #expect(pc.mistakes == [.pairExceptionVectors])
        #expect(pc.journal.warnings.entries[0].mistake.argument == 8)
    }

    @Test(
        "an input that is open both ways comes twice",
        arguments: [
            (0x00, 0x43, 0x700, true), (0x08, 0x43, 0x700, false), (0x00, 0x1_0043, 0x700, false),
            (0x00, 0x43, 0x1_0700, false),
        ] as [(UInt8, UInt32, UInt32, Bool)])
    func twoWays(mask: UInt8, entry: UInt32, pin: UInt32, isTwice: Bool) {
        let pc = machine()
        pc.put(0x350, pin)
        pc.initializePair()
        pc.out(0x21, mask)
        pc.program(3, entry)
        pc.line(3, true)
        #expect(pc.mistakes == (isTwice ? [.twoWays] : []))
    }
}
