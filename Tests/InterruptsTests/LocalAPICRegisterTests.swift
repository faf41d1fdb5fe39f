import Primitives
import Testing

@testable import Interrupts

/// Intel SDM volume 3, sections 11.4, 11.5.3 and 11.12.
@Suite struct LocalAPICRegisterTests {
    @Test(
        "a register has its reset value (11.4.7.1)",
        arguments: [
            (0x020, 0), (0x030, 0x0105_0014), (0x080, 0), (0x0a0, 0), (0x0d0, 0), (0x0e0, 0xffff_ffff), (0x0f0, 0xff),
            (0x100, 0), (0x180, 0), (0x270, 0), (0x280, 0), (0x300, 0), (0x310, 0), (0x320, 0x1_0000),
            (0x330, 0x1_0000), (0x340, 0x1_0000), (0x350, 0x700), (0x360, 0x1_0000), (0x370, 0x1_0000), (0x380, 0),
            (0x390, 0), (0x3e0, 0),
        ] as [(UInt64, UInt32)])
    func aRegisterHasItsResetValue(offset: UInt64, value: UInt32) {
        let pc = machine(on: false)
        #expect(pc.get(offset) == value)
    }

    @Test("only the boot processor's LINT0 comes open, and only it runs")
    func onlyTheBootProcessorComesOpen() {
        let pc = machine(2, on: false)
        #expect(pc.get(0x350, 1) == 0x1_0000)
        #expect(pc.get(0x020, 1) == 0x0100_0000)
        #expect(pc.rdmsr(0x1b, 0) == 0xfee0_0900 && pc.rdmsr(0x1b, 1) == 0xfee0_0800)
        #expect(pc.locals.map(\.activity) == [.running, .waitingForStartUp])
    }

    @Test(
        "a write keeps what the register has (11.5.1, figure 11-8)",
        arguments: [
            (0x020, 0x0f00_0000), (0x080, 0xff), (0x0d0, 0xff00_0000), (0x0e0, 0xffff_ffff), (0x0f0, 0x13ff),
            (0x310, 0xff00_0000), (0x320, 0x7_00ff), (0x330, 0x1_07ff), (0x340, 0x1_07ff), (0x350, 0x1_a7ff),
            (0x360, 0x1_a7ff), (0x370, 0x1_00ff), (0x380, 0xffff_ffff), (0x3e0, 0xb),
        ] as [(UInt64, UInt32)])
    func aWriteKeepsWhatTheRegisterHas(offset: UInt64, kept: UInt32) {
        let pc = machine()
        pc.put(offset, offset == 0x020 ? 0x0f00_0000 : 0xffff_ffff)
        #expect(pc.get(offset) == kept)
        if offset != 0x0f0 { pc.put(offset, 0) } else { pc.put(offset, 0x100) }
        #expect(pc.get(offset) == (offset == 0x0f0 ? 0x100 : offset == 0x0e0 ? 0x0fff_ffff : 0))
    }

    @Test(
        "read-only registers stay, and the mistake is noted",
        arguments: [0x030, 0x090, 0x0a0, 0x100, 0x180, 0x200, 0x390])
    func readOnlyRegistersStay(offset: UInt64) {
        let pc = machine()
        let before = pc.get(offset)
        pc.put(offset, 0xffff_ffff)
        #expect(pc.get(offset) == before)
        #expect(pc.mistakes == [.readOnlyRegister])
    }

    @Test("only 4 bytes at a multiple of 16 are written; parts of a register can be read")
    func onlyWholeRegistersAreWritten() {
        let pc = machine()
        for (offset, size) in [(0x080, 1), (0x080, 2), (0x080, 8), (0x084, 4), (0x081, 1)] as [(UInt64, Int)] {
            pc.write(0x20, offset, size)
            #expect(pc.get(0x080) == 0)
        }
        #expect(pc.read(0x030, 1) == 0x14 && pc.read(0x032, 1) == 0x05 && pc.read(0x032, 2) == 0x0105)
        #expect(pc.read(0x034, 4) == 0 && pc.read(0x030, 8) == 0x0105_0014)
    }

    @Test("switching off masks every local vector, and no write opens one (11.4.7.2)")
    func switchingOffMasksEveryLocalVector() {
        let pc = machine()
        for offset in [0x320, 0x330, 0x340, 0x350, 0x360, 0x370] as [UInt64] { pc.put(offset, 0x40) }
        pc.put(0x0f0, 0xff)
        for offset in [0x320, 0x330, 0x340, 0x350, 0x360, 0x370] as [UInt64] {
            #expect(pc.get(offset) == 0x1_0040)
            pc.put(offset, 0x41)
            #expect(pc.get(offset) == 0x1_0041)
        }
        pc.put(0x0f0, 0x1ff)
        #expect(pc.get(0x320) == 0x1_0041)
        pc.put(0x320, 0x41)
        #expect(pc.get(0x320) == 0x41)
    }

    // MARK: IA32_APIC_BASE

    @Test(
        "mode changes are legal or raise #GP (11.12.5, figure 11-27)",
        arguments: [
            (0x800, 0x800, true), (0x800, 0xc00, true), (0x800, 0x000, true), (0x800, 0x400, false),
            (0xc00, 0xc00, true), (0xc00, 0x800, false), (0xc00, 0x000, true), (0xc00, 0x400, false),
            (0x000, 0x000, true), (0x000, 0x800, true), (0x000, 0xc00, false), (0x000, 0x400, false),
        ] as [(UInt64, UInt64, Bool)])
    func modeChangesAreLegalOrFault(from: UInt64, to: UInt64, isLegal: Bool) {
        let pc = machine()
        #expect(pc.wrmsr(0x1b, 0xfee0_0000 | from))
        #expect(pc.wrmsr(0x1b, 0xfee0_0000 | to) == isLegal)
        #expect(pc.rdmsr(0x1b) == 0xfee0_0000 | (isLegal ? to : from))
        #expect(pc.mistakes == (isLegal ? [] : [.illegalBaseChange]))
    }

    @Test("reserved bits of the base raise #GP", arguments: [1, 0x80, 0x200, 1 << 46, 1 << 63] as [UInt64])
    func reservedBitsOfTheBaseFault(bit: UInt64) {
        let pc = machine()
        #expect(!pc.wrmsr(0x1b, 0xfee0_0900 | bit))
    }

    @Test("the page moves with its base, and is there in xAPIC mode only")
    func thePageMovesWithItsBase() {
        let pc = machine(2)
        #expect(pc.wrmsr(0x1b, 0x1_2345_6900))
        #expect(
            pc.controller.claims(PhysicalAddress(0x1_2345_6ff0), 0)
                && !pc.controller.claims(PhysicalAddress(0xfee0_0030), 0))
        #expect(
            !pc.controller.claims(PhysicalAddress(0x1_2345_6030), 1)
                && pc.controller.claims(PhysicalAddress(0xfee0_0030), 1))
        #expect(pc.get(0x030) == 0x0105_0014)
        #expect(pc.wrmsr(0x1b, 0x1_2345_6d00))
        #expect(pc.get(0x030) == nil)
        #expect(pc.wrmsr(0x1b, 0x1_2345_6100))
        #expect(pc.get(0x030) == nil && pc.mistakes == [.disabledPage])
    }

    // MARK: x2APIC

    private func x2APIC(_ processors: Int = 1) -> Board {
        let pc = machine(processors)
        for cpu in 0..<processors { pc.wrmsr(0x1b, 0xfee0_0c00, cpu) }
        return pc
    }

    @Test("every register of x2APIC mode is at its MSR (table 11-6)")
    func everyRegisterIsAtItsMSR() {
        let pc = x2APIC()
        let readable = [
            0x02, 0x03, 0x08, 0x0a, 0x0d, 0x0f, 0x28, 0x30, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3e,
        ]
        let expected = Set(readable + Array(0x10...0x27))
        for number in 0...0xff {
            #expect((pc.rdmsr(0x800 + UInt32(number)) != nil) == expected.contains(number), "\(number)")
        }
        let writable: Set<UInt32> = [
            0x08, 0x0b, 0x0f, 0x28, 0x30, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x3e, 0x3f,
        ]
        for number in 0...0xff as ClosedRange<UInt32> {
            let value: UInt64 = number == 0x30 ? 0x40 : number == 0x3f ? 0x40 : 0
            #expect(pc.wrmsr(0x800 + number, value) == writable.contains(number), "\(number)")
        }
    }

    @Test(
        "reserved bits raise #GP in x2APIC mode (11.12.1.3)",
        arguments: [
            (0x80b, 1), (0x828, 1), (0x808, 0x100), (0x80f, 0x400), (0x830, 0x2000), (0x830, 0x1_0000),
            (0x830, 0x10_0000),
            (0x832, 0x100), (0x833, 0x800), (0x835, 0x800), (0x837, 0x700), (0x838, 1 << 32), (0x83e, 4),
            (0x83f, 0x100),
        ] as [(UInt32, UInt64)])
    func reservedBitsFault(number: UInt32, value: UInt64) {
        let pc = x2APIC()
        #expect(!pc.wrmsr(number, value))
        #expect(pc.mistakes == [.reservedBits])
    }

    @Test("the x2APIC registers raise #GP in the other modes")
    func x2APICRegistersFaultInOtherModes() {
        let pc = machine()
        #expect(pc.rdmsr(0x802) == nil && !pc.wrmsr(0x808, 0))
    }

    @Test("the logical id follows from the id (11.12.10.2)")
    func theLogicalIDFollowsFromTheID() {
        let pc = x2APIC(20)
        for cpu in 0..<20 {
            #expect(pc.rdmsr(0x802, cpu) == UInt64(cpu))
            #expect(pc.rdmsr(0x80d, cpu) == UInt64(cpu / 16) << 16 | 1 << UInt64(cpu % 16))
        }
    }

    @Test("the id that software wrote gives way to the processor's own in x2APIC mode")
    func theWrittenIDGivesWay() {
        let pc = machine(2)
        pc.put(0x020, 0x0700_0000, 1)
        #expect(pc.get(0x020, 1) == 0x0700_0000)
        pc.wrmsr(0x1b, 0xfee0_0c00, 1)
        #expect(pc.rdmsr(0x802, 1) == 1)
    }

    @Test("the command register is one of 64 bits")
    func theCommandRegisterIsOneOf64Bits() {
        let pc = x2APIC(2)
        #expect(pc.wrmsr(0x830, 0x1_0000_0041))
        #expect(pc.rdmsr(0x830) == 0x1_0000_0041)
        #expect(pc.pending(1) == .vector(0x41) && pc.pending(0) == nil)
    }

    // MARK: ESR

    @Test("errors are read after a write to ESR, which forgets the ones before (11.5.3)")
    func errorsAreReadAfterAWrite() {
        let pc = machine()
        pc.put(0x300, 0x4_4005)  // self, vector 5
        #expect(pc.get(0x280) == 0)
        pc.put(0x280, 0)
        #expect(pc.get(0x280) == 0x20)
        pc.put(0x280, 0)
        #expect(pc.get(0x280) == 0)
    }

    @Test("each error has its bit")
    func eachErrorHasItsBit() {
        let pc = machine()
        _ = pc.get(0x040)
        pc.put(0x280, 0)
        #expect(pc.get(0x280) == 0x80)
        pc.program(5, 0x0005)
        pc.line(5, true)
        pc.put(0x280, 0)
        #expect(pc.get(0x280) == 0x40)
        pc.put(0x320, 0x0008)
        pc.put(0x380, 10)
        pc.advance(20)
        pc.put(0x280, 0)
        #expect(pc.get(0x280) == 0x40)
        #expect(pc.mistakes == [.reservedRegister, .illegalVectorReceived, .illegalVectorReceived])
    }

    @Test("the error interrupt comes once for each write to ESR")
    func theErrorInterruptComesOnce() {
        let pc = machine()
        pc.put(0x370, 0xfe)
        _ = pc.get(0x040)
        #expect(pc.take() == 0xfe)
        pc.eoi()
        _ = pc.get(0x050)
        #expect(pc.take() == nil)
        pc.put(0x280, 0)
        _ = pc.get(0x050)
        #expect(pc.take() == 0xfe)
    }

    @Test("an illegal vector in the error entry itself does not go on forever")
    func anIllegalVectorInTheErrorEntryEnds() {
        let pc = machine()
        pc.put(0x370, 0x02)
        _ = pc.get(0x040)
        pc.put(0x280, 0)
        #expect(pc.get(0x280) == 0xc0)
    }

    @Test("the page for views holds what reads give")
    func thePageForViewsHoldsWhatReadsGive() {
        let pc = machine(2)
        pc.put(0x0d0, 0x0200_0000, 1)
        pc.put(0x080, 0x20, 1)
        pc.put(0x310, 0x0100_0000, 1)
        pc.put(0x300, 0x4041, 1)
        let page = pc.locals[1].registers(at: at(0))
        for offset in stride(from: 0, to: 0x3f0, by: 16) where ![0x40, 0x50].contains(offset) {
            #expect(page.register(offset) == pc.get(UInt64(offset), 1), "\(hexadecimal(UInt64(offset)))")
        }
        #expect(page.interruptRequest.vectors == [0x41] && page.nextVector == 0x41)
    }
}
