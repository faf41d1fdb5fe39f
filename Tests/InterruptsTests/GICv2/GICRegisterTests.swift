import Primitives
import Testing

@testable import Interrupts

/// Registers and the access law.
@Suite struct GICRegisterTests {
    // MARK: After reset

    @Test("after reset everything is masked: PMR is 0, SGIs are enabled, PPIs and SPIs are not")
    func afterReset() {
        let gic = GICBoard(processors: 2, on: false)
        #expect(gic.get(0x000) == 0 && gic.getC(0x04) == 0 && gic.getC(0x00) == 0)
        #expect(gic.get(0x100) == 0xffff && gic.get(0x104) == 0 && gic.get(0xc00) == 0xaaaa_aaaa)
        #expect(gic.getC(0x14) == 0xff && gic.getC(0x18) == 1023 && gic.getC(0x0c) == 1023)
        #expect(gic.getC(0x08) == 2 && gic.getC(0x1c) == 3)
    }

    @Test("a reset forgets everything but the inputs")
    func aResetKeepsTheInputs() {
        let gic = GICBoard()
        gic.level(40)
        gic.line(40, true)
        gic.line(20, true)
        #expect(gic.ack() == 20)
        let out = gic.gic.reset(at: at(5))
        #expect(out.irq.isEmpty && gic.get(0x104) == 0 && gic.getC(0x04) == 0 && gic.running() == 0xff)
        #expect(gic.get(0x200) == 1 << 20 && gic.get(0x204) == 0)
    }

    @Test("KVM's, the GIC-400's and QEMU's personalities are distinguished")
    func personalities() {
        let kvm = GICBoard(.kvm, on: false)
        let gic400 = GICBoard(.gic400, on: false)
        let qemu = GICBoard(.qemu, on: false)
        #expect([kvm, gic400, qemu].map { $0.get(0x008) } == [0x4b00_343b, 0x0200_143b, 0x0000_043b])
        #expect([kvm, gic400, qemu].map { $0.getC(0xfc) } == [0x04b2_043b, 0x0202_143b, 0x0002_043b])
        #expect([kvm, gic400, qemu].map { $0.get(0xfe8) } == [0, 0x2b, 0x2b])
        #expect([kvm, gic400, qemu].map { $0.get(0xc08) } == [0xaaaa_aaaa, 0, 0])
        for gic in [kvm, gic400, qemu] {
            gic.put(0x000, 0xffff_ffff)
            gic.priority(32, 0xff)
            gic.put(0xc04, 0xffff_ffff)
        }
        #expect([kvm, gic400, qemu].map { $0.get(0x000) } == [1, 3, 3])
        #expect([kvm, gic400, qemu].map { $0.get(0x420, size: 1) } == [0xf8, 0xf8, 0xff])
        #expect([kvm, gic400, qemu].map { $0.get(0xc04) } == [0, 0, 0xaaaa_aaaa])
    }

    @Test(
        "TYPER reports lines and processors",
        arguments: [(32, 1, 0x00), (96, 2, 0x22), (256, 4, 0x67), (1020, 8, 0xff)] as [(Int, Int, UInt32)])
    func typer(interrupts: Int, processors: Int, expected: UInt32) {
        #expect(GICBoard(processors: processors, interrupts: interrupts, on: false).get(0x004) == expected)
    }

    // MARK: Access law

    @Test("priorities, targets and SGI sources take bytes and words; a byte is one interrupt's")
    func bytes() {
        let gic = GICBoard(processors: 3, on: false)
        gic.put(0x424, 0xa0b0_c0d0)
        gic.put(0x426, 0x18, size: 1)
        #expect(gic.get(0x424) == 0xa018_c0d0 && gic.get(0x427, size: 1) == 0xa0)
        gic.put(0x820, 0x0102_0407)
        gic.put(0x821, 0x05, size: 1)
        #expect(gic.get(0x820) == 0x0102_0507)
        gic.put(0xf22, 0x06, size: 1)
        #expect(gic.get(0xf20) == 0x0006_0000 && gic.get(0xf12, size: 1) == 6 && gic.mistakes == [])
        gic.put(0xf10, 0x0002_0000)
        #expect(gic.get(0xf20) == 0x0004_0000)
    }

    @Test(
        "an access of another width or alignment reads 0 and writes nothing, with a warning",
        arguments: [(0x100, 1), (0x100, 2), (0x100, 8), (0x424, 2), (0x425, 4), (0x426, 2), (0x820, 8), (0xf20, 2)])
    func otherWidths(offset: Int, size: Int) {
        let gic = GICBoard()
        gic.put(0x424, 0xa0b0_c0d0)
        #expect(gic.get(offset, size: size) == 0)
        let before = gic.gic.distributor
        gic.put(offset, 0xffff_ffff, size: size)
        #expect(gic.gic.distributor == before && gic.mistakes == [.distributorAccess])
        #expect(gic.journal.warnings.entries[0].count == 2)
    }

    @Test(
        "a hole in the Distributor reads 0 and writes nothing, with a warning",
        arguments: [0x00c, 0x07c, 0x7fc, 0xbfc, 0xd00, 0xf04, 0xf30, 0xfe8, 0xffc])
    func holes(offset: Int) {
        let gic = GICBoard()
        #expect(gic.get(offset) == 0)
        let before = gic.gic.distributor
        gic.put(offset, 0xffff_ffff)
        #expect(gic.gic.distributor == before && gic.mistakes == [.reservedDistributorRegister])
    }

    @Test(
        "registers behind the last interrupt read 0 and write nothing, with a warning",
        arguments: [0x08c, 0x10c, 0x18c, 0x20c, 0x28c, 0x30c, 0x38c, 0x460, 0x860, 0xc18])
    func behindTheLast(offset: Int) {
        let gic = GICBoard(interrupts: 96)
        let before = gic.gic.distributor
        gic.put(offset, 0xffff_ffff)
        #expect(gic.get(offset) == 0 && gic.gic.distributor == before && gic.mistakes == [.absentInterrupt])
        #expect(gic.journal.warnings.entries[0].mistake.argument == 96)
    }

    @Test("of 1,020 interrupts the last four bits of a word do not exist")
    func theLastFourBits() {
        let gic = GICBoard(interrupts: 1020, on: false)
        gic.put(0x17c, 0xffff_ffff)
        gic.put(0x27c, 0xffff_ffff)
        #expect(gic.get(0x17c) == 0x0fff_ffff && gic.get(0x27c) == 0x0fff_ffff && gic.mistakes == [])
        gic.line(1019, true)
        #expect(gic.gic.distributor.state(1019, 0).isLineHigh)
        gic.line(1020, true)
        #expect(gic.get(0x7fc) == 0 && gic.mistakes == [.reservedDistributorRegister])
    }

    @Test("read-only registers ignore writes, a write-only one reads 0, with a warning")
    func readOnly() {
        let gic = GICBoard()
        gic.put(0x004, 0)
        #expect(gic.get(0x004) != 0 && gic.mistakes == [.readOnlyDistributorRegister])
        #expect(gic.get(0xf00) == 0 && gic.mistakes.last == .writeOnlyDistributorRegister)
        gic.putC(0x14, 0)
        #expect(gic.running() == 0xff && gic.mistakes.last == .readOnlyInterfaceRegister)
        #expect(gic.getC(0x10) == 0 && gic.mistakes.last == .writeOnlyInterfaceRegister)
    }

    @Test(
        "a CPU interface takes aligned words only", arguments: [(0x04, 1), (0x04, 2), (0x04, 8), (0x06, 4), (0x05, 1)])
    func interfaceWidths(offset: Int, size: Int) {
        let gic = GICBoard()
        gic.putC(offset, 0, size: size)
        #expect(gic.getC(offset, size: size) == 0 && gic.getC(0x04) == 0xf8 && gic.mistakes == [.interfaceAccess])
    }

    @Test("a hole in a CPU interface reads 0", arguments: [0x2c, 0xc0, 0xf0, 0x100, 0x1004, 0x1ffc])
    func interfaceHoles(offset: Int) {
        let gic = GICBoard()
        gic.putC(offset, 0xffff_ffff)
        #expect(gic.getC(offset) == 0 && gic.mistakes == [.reservedInterfaceRegister])
    }

    // MARK: Rules of single registers

    @Test("SGIs and PPIs are banked: each processor has its own enables, priorities, groups and active bits")
    func banked() {
        let gic = GICBoard(processors: 2, on: false)
        gic.put(0x100, 1 << 20, 1)
        gic.put(0x414, 0x88, 1, size: 1)
        gic.put(0x080, 1 << 3, 1)
        gic.put(0x300, 1 << 21, 0)
        #expect(gic.get(0x100, 0) == 0xffff && gic.get(0x100, 1) == 0x10_ffff)
        #expect(gic.get(0x414, 0) == 0 && gic.get(0x414, 1) == 0x88)
        #expect(gic.get(0x080, 0) == 0 && gic.get(0x080, 1) == 8)
        #expect(gic.get(0x300, 0) == 1 << 21 && gic.get(0x300, 1) == 0)
    }

    @Test("ITARGETSR0 to 7 read the accessing processor's own bit and ignore writes")
    func ownTargets() {
        let gic = GICBoard(processors: 3, on: false)
        gic.put(0x81c, 0, 2)
        #expect(gic.get(0x800, 0) == 0x0101_0101 && gic.get(0x81c, 2) == 0x0404_0404)
        #expect(gic.mistakes == [.targetsOfPrivateInterrupt])
    }

    @Test("target bits of absent processors are RAZ/WI, with a warning")
    func absentTargets() {
        let gic = GICBoard(processors: 2, on: false)
        gic.target(40, 0xff)
        #expect(gic.get(0x828, size: 1) == 3 && gic.mistakes == [.absentTarget])
        let qemu = GICBoard(.qemu, processors: 2, on: false)
        qemu.target(40, 0xff)
        #expect(qemu.get(0x828, size: 1) == 0xff)
    }

    @Test("a guest may disable SGIs, as with KVM; not on QEMU's")
    func disablingSGIs() {
        let (kvm, qemu) = (GICBoard(), GICBoard(.qemu))
        for gic in [kvm, qemu] {
            gic.put(0x180, 0xffff_ffff)
            gic.send(1, to: 1)
        }
        #expect(kvm.get(0x100) == 0 && !kvm.irq())
        #expect(qemu.get(0x100) == 0xffff && qemu.irq())
    }

    @Test("ISPENDR0 and ICPENDR0 do not touch SGIs, with a warning")
    func pendingBitsOfSGIs() {
        let gic = GICBoard()
        gic.put(0x200, 1)
        #expect(!gic.irq() && gic.mistakes == [.pendingBitsOfSoftwareInterrupts])
        gic.send(1, to: 1)
        gic.put(0x280, 2)
        #expect(gic.get(0x200) == 2 && gic.irq())
    }

    @Test("the trigger of SGIs and PPIs is fixed, that of SPIs is not")
    func triggers() {
        let gic = GICBoard()
        gic.put(0xc00, 0)
        gic.put(0xc04, 0xffff_ffff)
        gic.put(0xc08, 0x0000_0008)
        #expect(gic.get(0xc00) == 0xaaaa_aaaa && gic.get(0xc04) == 0 && gic.get(0xc08) == 8)
        #expect(gic.mistakes == [.fixedTrigger, .fixedTrigger])
        gic.put(0xc00, 0xaaaa_aaaa)
        #expect(gic.journal.warnings.entries.map(\.count) == [1, 1])
    }

    @Test("what is RAZ/WI is quiet: NSACR")
    func quiet() {
        let gic = GICBoard()
        gic.put(0xe04, 0xffff_ffff)
        #expect(gic.get(0xe04) == 0 && gic.mistakes == [])
    }

    @Test(
        "binary points have a floor that the priority bits set",
        arguments: [(4, 3), (5, 2), (7, 0), (8, 0)] as [(Int, UInt32)])
    func floors(bits: Int, floor: UInt32) {
        var configuration = GICv2.Configuration.kvm
        configuration.priorityBits = bits
        let gic = GICBoard(configuration, on: false)
        gic.putC(0x08, 0)
        gic.putC(0x1c, 0)
        #expect(gic.getC(0x08) == floor && gic.getC(0x1c) == floor + 1)
        gic.putC(0x08, 0xff)
        #expect(gic.getC(0x08) == 7)
    }

    @Test("the GIC-400 shows its inputs in PPISR and SPISR")
    func lineRegisters() {
        let gic = GICBoard(.gic400)
        gic.line(20, true)
        gic.line(35, true)
        #expect(gic.get(0xd00) == 1 << 20 && gic.get(0xd04) == 8)
        gic.put(0xd04, 0)
        #expect(gic.mistakes == [.readOnlyDistributorRegister])
    }

    @Test("active priorities can be read and written: four words with eight bits, one with five")
    func activePriorities() {
        let (kvm, qemu) = (GICBoard(), GICBoard(.qemu))
        for gic in [kvm, qemu] { for i in 0..<4 { gic.putC(0xd0 + 4 * i, 0x10 << UInt32(i)) } }
        #expect((0..<4).map { kvm.getC(0xd0 + 4 * $0) } == [0x10, 0, 0, 0] && kvm.running() == 0x20)
        #expect((0..<4).map { qemu.getC(0xd0 + 4 * $0) } == [0x10, 0x20, 0x40, 0x80] && qemu.running() == 8)
        kvm.putC(0xe0, 1)
        qemu.putC(0xe0, 1)
        #expect(kvm.getC(0xe0) == 0 && qemu.getC(0xe0) == 1 && qemu.running() == 0)
        qemu.putC(0xe0, 0)
        for i in 0..<3 { qemu.putC(0xd0 + 4 * i, 0) }
        #expect(qemu.running() == 0xce)
    }

    @Test("an address finds the Distributor, a CPU interface or nothing")
    func placement() {
        let gic = GICBoard()
        let place = GICv2.Placement.x86
        func read(_ address: UInt64) -> UInt64? {
            gic.gic.readMemory(PhysicalAddress(address), size: 4, 0, place, at: at(0))?.value
        }
        #expect(read(0xfd00_0008) == 0x4b00_343b && read(0xfd01_00fc) == 0x04b2_043b)
        #expect(
            read(0xfcff_fffc) == nil && read(0xfd00_1000) == nil && read(0xfd01_2000) == nil && read(0xfd01_1000) == 0)
        _ = gic.gic.writeMemory(0x80, PhysicalAddress(0xfd01_0004), size: 4, 0, place, at: at(0))
        #expect(gic.getC(0x04) == 0x80)
        #expect(gic.gic.writeMemory(0, PhysicalAddress(0), size: 4, 0, place, at: at(0)) == nil)
    }
}
