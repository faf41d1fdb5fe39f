import Primitives
import Testing

@testable import Interrupts

@Suite struct LocalAPICTests {
    private typealias Offset = LocalAPICRegisters.Offset

    /// The page with these registers set; the rest zero but for what KVM's reset state has.
    private static func page(_ registers: [Int: UInt32]) -> [UInt8] {
        var page = [UInt8](repeating: 0, count: LocalAPICRegisters.size)
        var all: [Int: UInt32] = [0x030: 0x0005_0014, 0x0e0: 0xffff_ffff, 0x0f0: 0xff, 0x350: 0x0001_0700]
        for entry in [0x320, 0x330, 0x340, 0x360, 0x370] { all[entry] = 0x0001_0000 }
        all.merge(registers) { $1 }
        for (offset, value) in all { page.store(value, at: offset, count: 4) }
        return page
    }

    private func registers(_ values: [Int: UInt32], isX2APIC: Bool = false) throws -> LocalAPICRegisters {
        try #require(LocalAPICRegisters(Self.page(values), isX2APIC: isX2APIC))
    }

    @Test("a short page is refused")
    func aShortPageIsRefused() {
        #expect(LocalAPICRegisters([UInt8](repeating: 0, count: 0x3ff)) == nil)
    }

    @Test("identity is read in both modes")
    func identityIsReadInBothModes() throws {
        let xapic = try registers([0x020: 0x0300_0000, 0x0d0: 0x0800_0000])
        #expect(xapic.id == 3 && xapic.logicalDestination == 8 && xapic.destinationModel == 15)
        #expect(xapic.version == 0x14 && xapic.localVectorCount == 6)
        let x2apic = try registers([0x020: 0x103, 0x0d0: 0x0010_0008], isX2APIC: true)
        #expect(x2apic.id == 0x103 && x2apic.logicalDestination == 0x0010_0008)
    }

    @Test(
        "each vector has its bit in each of the three sets",
        arguments: [0, 31, 32, 63, 64, 127, 128, 200, 255] as [UInt8])
    func eachVectorHasItsBitInEachOfTheThreeSets(vector: UInt8) throws {
        let slot = Int(vector / 32) * 16
        let bit: UInt32 = 1 << UInt32(vector % 32)
        let apic = try registers([0x100 + slot: bit, 0x180 + slot: bit, 0x200 + slot: bit])
        for set in [apic.inService, apic.triggerMode, apic.interruptRequest] {
            #expect(set.vectors == [vector])
            #expect(set.highest == vector)
            #expect(set == VectorSet([vector]))
        }
    }

    @Test("sets add, remove and find their highest")
    func setsAddRemoveAndFindTheirHighest() {
        var set = VectorSet([32, 200, 47])
        #expect(set.vectors == [32, 47, 200])
        set.remove(200)
        #expect(set.highest == 47 && set.contains(32) && !set.contains(200))
        set.remove(47)
        set.remove(32)
        #expect(set.isEmpty && set.highest == nil)
    }

    @Test(
        "the next vector must beat the processor's priority",
        arguments: [
            (0x00, 0, 0x31, true, 0x00, 0x31), (0x20, 0, 0x31, true, 0x20, 0x31), (0x30, 0, 0x31, true, 0x30, nil),
            (0x00, 0x41, 0x31, true, 0x40, nil), (0x00, 0x41, 0x51, true, 0x40, 0x51),
            (0x45, 0x41, 0x51, true, 0x45, 0x51),
            (0x00, 0, 0x31, false, 0x00, 0x31),
        ] as [(UInt32, UInt8, UInt8, Bool, UInt8, UInt8?)])
    func theNextVectorMustBeatTheProcessorsPriority(
        tpr: UInt32, service: UInt8, request: UInt8, isEnabled: Bool, ppr: UInt8, next: UInt8?
    ) throws {
        var values: [Int: UInt32] = [0x080: tpr, 0x0f0: isEnabled ? 0x1ff : 0xff]
        values[0x200 + Int(request / 32) * 16] = 1 << UInt32(request % 32)
        if service != 0 { values[0x100 + Int(service / 32) * 16] = 1 << UInt32(service % 32) }
        let apic = try registers(values)
        #expect(apic.effectivePriority == ppr)
        #expect(apic.nextVector == next)
    }

    @Test(
        "the timer divides by",
        arguments: [(0x0, 2), (0x1, 4), (0x2, 8), (0x3, 16), (0x8, 32), (0x9, 64), (0xa, 128), (0xb, 1)]
            as [(UInt32, Int)])
    func theTimerDividesBy(code: UInt32, divisor: Int) throws {
        #expect(try registers([0x3e0: code]).timerDivisor == divisor)
    }

    @Test("local vectors and commands have their fields")
    func localVectorsAndCommandsHaveTheirFields() throws {
        let entry = LocalVector(rawValue: 0x0005_f4ef)
        #expect(entry.vector == 0xef && entry.deliveryMode == .nmi && entry.isPending && entry.isActiveLow)
        #expect(entry.remoteIRR && entry.isLevel && entry.isMasked && entry.timerMode == .deadline)
        let command = try registers([0x300: 0x000c_c8fd, 0x310: 0x0200_0000]).command
        #expect(command.vector == 0xfd && command.deliveryMode == .fixed && command.isLogical && !command.isPending)
        #expect(command.isAssert && command.isLevel && command.shorthand == .others && command.destination == 2)
        #expect(InterruptCommand(low: 0, high: 0x1234, isX2APIC: true).destination == 0x1234)
        for mode in 0..<8 as Range<UInt32> {
            #expect(LocalVector(rawValue: mode << 8).deliveryMode.rawValue == UInt8(mode))
        }
    }

    @Test("the text has the shape people know")
    func theTextHasTheShapePeopleKnow() throws {
        let apic = try registers([
            0x020: 0x0100_0000, 0x080: 0x10, 0x0a0: 0x30, 0x0d0: 0x0200_0000, 0x0f0: 0x1ff, 0x320: 0x0002_00ec,
            0x350: 0x8700, 0x360: 0x400, 0x110: 0x0002_0000, 0x190: 0x0002_0000, 0x200: 0, 0x210: 0x3, 0x380: 62_500,
            0x390: 1_234, 0x3e0: 0x3, 0x300: 0xc_40fd, 0x280: 0x40,
        ])
        #expect(
            apic.text(cpu: 1) == """
                local APIC of CPU 1: id 1, version 0x14

                LVT0    0x00008700 active-hi level ExtINT (vec 0)
                LVT1    0x00000400 active-hi edge NMI (vec 0)
                LVTPC   0x00010000 active-hi edge masked fixed (vec 0)
                LVTERR  0x00010000 active-hi edge masked fixed (vec 0)
                LVTTHMR 0x00010000 active-hi edge masked fixed (vec 0)
                LVTT    0x000200ec active-hi edge periodic fixed (vec 236)
                Timer   DCR=0x3 (divide by 16) initial_count = 62500 current_count = 1234
                SPIV    0x000001ff APIC enabled, spurious vec 255
                ICR     0x000c40fd fixed (vec 253) physical edge assert all-but-self
                ICR2    0x00000000 destination 0x0
                ESR     0x00000040 received illegal vector
                ISR     49(level)
                IRR     32 33

                APR 0x00 TPR 0x10 DFR 0x0f LDR 0x02 PPR 0x30

                """)
    }

    @Test("any page can be read")
    func anyPageCanBeRead() {
        var state: UInt64 = 9
        for _ in 0..<200 {
            let page = (0..<LocalAPICRegisters.size).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: state >> 56)
            }
            for mode in [false, true] {
                let apic = LocalAPICRegisters(page, isX2APIC: mode)
                #expect(apic?.text(cpu: 0).isEmpty == false)
                _ = apic?.nextVector
            }
        }
    }
}
