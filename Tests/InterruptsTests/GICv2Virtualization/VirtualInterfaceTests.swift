import Primitives
import TestSupport
import Testing

@testable import Interrupts

/// GICH and GICV: register by register, and against the reference.
@Suite struct VirtualInterfaceTests {
    @Test("the virtual interface agrees with the slow reference", arguments: 0..<10 as Range<UInt64>)
    func reference(batch: UInt64) {
        for seed in 0..<40 as Range<UInt64> {
            if let wrong = Self.compare(batch * 40 + seed) {
                Issue.record("seed \(batch * 40 + seed): \(wrong)")
                return
            }
        }
    }

    /// The first difference of one program.
    private static func compare(_ seed: UInt64) -> String? {
        let count = seed % 20 == 0 ? 64 : [1, 4, 4, 8][Int(seed % 4)]
        var model = VirtualCPUInterface(listRegisters: count)
        var reference = ReferenceVirtualInterface(count)
        var programs = VirtualPrograms(seed, lists: min(count, 12))
        var wires = VirtualInterfaceOutputs()
        var deactivated: [Int] = []
        for number in 0..<300 {
            let opening = VirtualPrograms.opening
            let step = number < opening.count ? opening[number] : programs.step(model.hypervisor)
            var effects: [VirtualInterfaceEffect] = []
            var values: (UInt32, UInt32) = (0, 0)
            switch step {
            case .readHypervisor(let offset):
                values = (model.hypervisor.read(offset: offset, size: 4).value, reference.readHypervisor(Int(offset)))
            case .writeHypervisor(let offset, let value):
                effects = model.hypervisor.write(value, offset: offset, size: 4)
                reference.writeHypervisor(value, Int(offset))
            case .readGuest(let offset):
                let access = model.read(offset: offset, size: 4)
                effects = access.effects
                values = (access.value, reference.readGuest(Int(offset)))
            case .writeGuest(let offset, let value):
                effects = model.write(value, offset: offset, size: 4)
                reference.writeGuest(value, Int(offset))
            }
            if values.0 != values.1 { return "step \(number), \(step): \(values.0), not \(values.1)" }
            for effect in effects { apply(effect, &wires, &deactivated) }
            if wires != model.hypervisor.outputs { return "step \(number), \(step): the effects gave \(wires)" }
            let wanted = VirtualInterfaceOutputs(
                virtualIRQ: reference.irq, virtualFIQ: reference.fiq, maintenance: reference.maintenance)
            if wires != wanted { return "step \(number), \(step): \(wires), not \(wanted)" }
            if deactivated != reference.deactivated { return "step \(number), \(step): deactivated \(deactivated)" }
        }
        return nil
    }

    private static func apply(
        _ effect: VirtualInterfaceEffect, _ wires: inout VirtualInterfaceOutputs, _ deactivated: inout [Int]
    ) {
        switch effect {
        case .virtualIRQ(let level): wires.virtualIRQ = level
        case .virtualFIQ(let level): wires.virtualFIQ = level
        case .maintenance(let level): wires.maintenance = level
        case .deactivatePhysical(let id): deactivated.append(id)
        case .mistake: break
        }
    }

    /// An interface that works, with everything enabled in `control` on top.
    private func working(_ control: UInt32 = 0, machine: UInt32 = 0xf84c_0007) -> VirtualCPUInterface {
        var interface = VirtualCPUInterface()
        _ = interface.hypervisor.write(1 | control, to: .hypervisorControl)
        _ = interface.hypervisor.write(machine, to: .machineControl)
        return interface
    }

    // MARK: Registers

    @Test("after reset nothing is enabled, every list register is empty, and the binary points are at their least")
    func reset() {
        let block = VirtualCPUInterface().hypervisor
        #expect(block.read(.hypervisorControl) == 0)
        #expect(block.read(.type) == 0x9000_0003)
        #expect(block.read(.machineControl) == 0x004c_0000)
        #expect(block.read(.maintenanceStatus) == 0)
        #expect(block.read(.emptyStatus(0)) == 0xf)
        #expect(block.read(.endStatus(0)) == 0)
    }

    @Test("GICH_VMCR shows what the guest wrote to its CTLR, PMR, BPR and ABPR")
    func machineControl() {
        var interface = VirtualCPUInterface()
        _ = interface.write(0xffff_ffff, to: .control)
        _ = interface.write(0xa7, to: .priorityMask)
        _ = interface.write(4, to: .binaryPoint)
        _ = interface.write(5, to: .aliasedBinaryPoint)
        #expect(interface.hypervisor.read(.machineControl) == 0xa094_021f)
        #expect(interface.inspect(.priorityMask) == 0xa0)
    }

    @Test("GICV_APR0 and GICH_APR are one register, and APR1 to APR3 do not exist")
    func activePriorities() {
        var interface = working()
        _ = interface.write(0x8000_0010, to: .activePriorities(0))
        _ = interface.write(0xff, to: .activePriorities(1))
        #expect(interface.hypervisor.read(.activePriorities) == 0x8000_0010)
        #expect(interface.inspect(.activePriorities(1)) == 0)
        #expect(interface.inspect(.runningPriority) == 0x20)
    }

    @Test("reserved bits of a list register stay 0", arguments: [0xffff_ffff, 0x0070_0000, 0x1234_5678 as UInt32])
    func reservedBits(word: UInt32) { #expect(ListRegister(rawValue: word).rawValue == word & 0xff8f_ffff) }

    @Test(
        "every access that is no aligned word reads 0, writes nothing and is reported",
        arguments: [(0x0c, 1), (0x0c, 2), (0x0e, 4), (0x0c, 8)] as [(UInt64, Int)])
    func oddAccess(offset: UInt64, size: Int) {
        var interface = working()
        interface.hypervisor.lists[0] = ListRegister(40, priority: 0, state: .pending)
        let before = interface
        let access = interface.read(offset: offset, size: size)
        #expect(access == VirtualInterfaceAccess(effects: [.mistake(.oddAccess(offset: offset))]))
        #expect(interface.write(1, offset: offset, size: size) == [.mistake(.oddAccess(offset: offset))])
        #expect(interface == before)
    }

    @Test("a second list register with the same virtual interrupt is reported")
    func duplicate() {
        var block = working().hypervisor
        _ = block.write(0x1000_0030, to: .list(0))
        #expect(block.write(0x1000_0030, to: .list(2)).contains(.mistake(.duplicate(48))))
    }

    // MARK: Acknowledge and end

    @Test("the signal, the acknowledge and the end of one interrupt, each with its effects")
    func life() {
        var interface = working()
        let list = ListRegister(40, priority: 0xa0, state: .pending)
        #expect(interface.hypervisor.write(list.rawValue, to: .list(0)) == [.virtualIRQ(true)])
        #expect(interface.read(.acknowledge) == VirtualInterfaceAccess(value: 40, effects: [.virtualIRQ(false)]))
        #expect(interface.hypervisor.lists[0].state == .active)
        #expect(interface.inspect(.runningPriority) == 0xa0)
        #expect(interface.write(40, to: .end) == [])
        #expect(interface.hypervisor.lists[0].isEmpty)
        #expect(interface.inspect(.runningPriority) == 0xff)
    }

    @Test("an SGI is acknowledged with its source")
    func source() {
        var interface = working()
        interface.hypervisor.lists[1] = ListRegister(3, priority: 0, state: .pending, source: 5)
        #expect(interface.read(.acknowledge).value == 5 << 10 | 3)
    }

    @Test("the end of an interrupt with the HW bit deactivates the physical one, once")
    func hardware() {
        var interface = working()
        interface.hypervisor.lists[0] = ListRegister(rawValue: 0x9000_0030 | 40 << 10)
        _ = interface.read(.acknowledge)
        #expect(interface.write(48, to: .end) == [.deactivatePhysical(40)])
        #expect(!interface.write(48, to: .end).contains(.deactivatePhysical(40)))
    }

    @Test("with EOImode 1 the end drops the priority and only GICV_DIR deactivates")
    func split() {
        var interface = working(machine: 0xf84c_0207)
        interface.hypervisor.lists[0] = ListRegister(rawValue: 0x9000_0030 | 40 << 10)
        _ = interface.read(.acknowledge)
        #expect(interface.write(48, to: .end) == [])
        #expect(interface.hypervisor.lists[0].isActive)
        #expect(interface.inspect(.runningPriority) == 0xff)
        #expect(interface.write(48, to: .deactivate) == [.deactivatePhysical(40)])
    }

    @Test("GICV_DIR with EOImode 0 is ignored and reported")
    func wrongMode() {
        var interface = working()
        interface.hypervisor.lists[0] = ListRegister(48, priority: 0, state: .active)
        #expect(interface.write(48, to: .deactivate) == [.mistake(.deactivateWithoutSplit(48))])
        #expect(interface.hypervisor.lists[0].isActive)
    }

    @Test("an end without a list register counts in EOICount, which wraps; one without a priority does not")
    func count() {
        var interface = working()
        for wanted in 1...33 {
            interface.hypervisor.activePriorities = 1
            _ = interface.write(77, to: .end)
            #expect(interface.hypervisor.control.endCount == wanted % 32)
        }
        #expect(interface.write(77, to: .end) == [.mistake(.endWithoutInterrupt(77))])
        #expect(interface.hypervisor.control.endCount == 1)
    }

    @Test("ends of 1020 to 1023 are ignored", arguments: 1020...1023 as ClosedRange<UInt32>)
    func spuriousEnd(id: UInt32) {
        var interface = working()
        interface.hypervisor.activePriorities = 1
        let before = interface
        #expect(interface.write(id, to: .end) == [])
        #expect(interface == before)
    }

    @Test("group 1 without AckCtl reads as 1022 from IAR and HPPIR, and as itself from their aliases")
    func group1() {
        var interface = working(machine: 0xf84c_0003)
        interface.hypervisor.lists[0] = ListRegister(48, priority: 0x80, state: .pending, isGroup1: true)
        #expect(interface.read(.acknowledge).value == 1022)
        #expect(interface.inspect(.highestPending) == 1022)
        #expect(interface.inspect(.aliasedHighestPending) == 48)
        #expect(interface.read(.aliasedAcknowledge).value == 48)
    }

    @Test("the aliased registers give 1023 for group 0")
    func aliased() {
        var interface = working()
        interface.hypervisor.lists[0] = ListRegister(48, priority: 0x80, state: .pending)
        #expect(interface.inspect(.aliasedHighestPending) == 1023)
        #expect(interface.read(.aliasedAcknowledge).value == 1023)
        #expect(interface.hypervisor.lists[0].state == .pending)
    }

    @Test("with FIQEn group 0 signals nVFIQ and group 1 nVIRQ", arguments: [false, true])
    func fiq(isGroup1: Bool) {
        var interface = working(machine: 0xf84c_000f)
        let list = ListRegister(48, priority: 0x80, state: .pending, isGroup1: isGroup1)
        let wanted: VirtualInterfaceEffect = isGroup1 ? .virtualIRQ(true) : .virtualFIQ(true)
        #expect(interface.hypervisor.write(list.rawValue, to: .list(0)) == [wanted])
    }

    @Test("an interrupt of the running group priority waits, one of a lower value preempts")
    func preemption() {
        var interface = working(machine: 0xf86c_0001)  // group priorities of 16
        interface.hypervisor.lists[0] = ListRegister(40, priority: 0x48, state: .pending)
        _ = interface.read(.acknowledge)
        interface.hypervisor.lists[1] = ListRegister(41, priority: 0x40, state: .pending)
        #expect(!interface.hypervisor.outputs.virtualIRQ)
        #expect(interface.read(.acknowledge).value == 1023)
        #expect(interface.inspect(.highestPending) == 41)
        interface.hypervisor.lists[2] = ListRegister(42, priority: 0x38, state: .pending)
        #expect(interface.read(.acknowledge).value == 42)
        #expect(interface.hypervisor.activePriorities == 1 << 8 | 1 << 6)
    }

    // MARK: Maintenance

    private static let conditions: [(MaintenanceConditions, UInt32, UInt32, UInt32)] = [
        // condition, its enable in GICH_HCR, GICH_VMCR, GICH_LR0
        (.end, 0, 0, 0x0008_0030), (.underflow, 2, 0, 0x1000_0030), (.unlistedEnd, 0x0800_0004, 0, 0x1000_0030),
        (.nonePending, 8, 0, 0x2000_0030), (.group0Enabled, 0x10, 1, 0), (.group0Disabled, 0x20, 2, 0),
        (.group1Enabled, 0x40, 2, 0), (.group1Disabled, 0x80, 1, 0),
    ]

    @Test("each maintenance condition asserts the interrupt alone, and only while GICH_HCR.En is 1", arguments: 0..<8)
    func maintenance(row: Int) {
        let (condition, control, machine, list) = Self.conditions[row]
        var block = working(machine: machine).hypervisor
        _ = block.write(list, to: .list(0))
        #expect(block.write(control | 1, to: .hypervisorControl).contains(.maintenance(true)) || row == 0)
        #expect(block.read(.maintenanceStatus) == condition.rawValue)
        #expect(block.requestsMaintenance)
        _ = block.write(control, to: .hypervisorControl)
        #expect(block.read(.maintenanceStatus) == condition.rawValue)
        #expect(!block.requestsMaintenance)
    }

    @Test("two valid list registers are no underflow; one pending and active is not \"pending\"")
    func border() {
        var block = working(2 | 8).hypervisor
        _ = block.write(0x1000_0030, to: .list(0))
        _ = block.write(0x3000_0031, to: .list(1))
        #expect(block.maintenanceConditions == [])
        _ = block.write(0x3000_0030, to: .list(0))
        #expect(block.maintenanceConditions == .nonePending)
    }

    @Test("an ended interrupt that asked for maintenance keeps its list register until it is overwritten")
    func kept() {
        var interface = working()
        var list = ListRegister(48, priority: 0, state: .pending)
        list.requestsMaintenance = true
        _ = interface.hypervisor.write(list.rawValue, to: .list(2))
        _ = interface.read(.acknowledge)
        #expect(interface.write(48, to: .end) == [.maintenance(true)])
        #expect(interface.hypervisor.read(.endStatus(0)) == 4)
        #expect(interface.hypervisor.read(.emptyStatus(0)) == 0xb)
        #expect(interface.hypervisor.write(0, to: .list(2)) == [.maintenance(false)])
    }
}
