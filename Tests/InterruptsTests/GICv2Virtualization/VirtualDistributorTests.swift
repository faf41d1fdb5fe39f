import Primitives
import TestSupport
import Testing

@testable import Interrupts

/// The hypervisor's lists: single situations, each of which KVM's vgic has a rule for.
@Suite struct VirtualDistributorTests {
    /// Guests whose interfaces work, with SPIs 32 to 47 enabled: those up to 39 level, the others edge, the priority
    /// rising by 8 from 0x20 on.
    private func guest(_ processors: Int = 1, listRegisters: Int = 4) -> VirtualDistributor {
        var guest = VirtualDistributor(processors: processors, listRegisters: listRegisters)
        for cpu in 0..<processors {
            _ = guest.enter(cpu)
            _ = guest.write(1, to: .control, cpu)
            _ = guest.write(0xf8, to: .priorityMask, cpu)
            _ = guest.exit(cpu)
        }
        for id in 32..<48 {
            _ = guest.configure(id) {
                $0.isEnabled = true
                $0.isEdge = id >= 40
                $0.priority = UInt8(0x20 + (id - 32) * 8)
            }
        }
        return guest
    }

    private func lists(_ guest: VirtualDistributor, _ cpu: Int = 0) -> [String] {
        guest.interfaces[cpu].hypervisor.lists.filter { !$0.isEmpty }.map { "\($0)" }
    }

    @Test("the most urgent fill the list registers, and the rest makes the guest come back when one is left")
    func underflow() {
        var guest = guest()
        for id in (40..<46).reversed() { _ = guest.setLine(id, true) }
        _ = guest.enter(0)
        #expect(guest.interfaces[0].hypervisor.lists.map(\.virtualID) == [40, 41, 42, 43])
        #expect(guest.interfaces[0].hypervisor.control.reportsUnderflow)
        for id in 40..<43 as Range<UInt32> {
            #expect(guest.read(.acknowledge, 0).value == id)
            #expect(guest.write(id, to: .end, 0).contains(.maintenance(0)) == (id == 42))
        }
        _ = guest.exit(0)
        #expect(guest.record.steps.last { $0.kind == .maintenance }?.text == "GICH_MISR U")
        _ = guest.enter(0)
        #expect(guest.interfaces[0].hypervisor.lists.map(\.virtualID) == [43, 44, 45, 0])
        #expect(!guest.interfaces[0].hypervisor.control.reportsUnderflow)
    }

    @Test("active ones go first: their ends must find a list register")
    func activeFirst() {
        var guest = guest(listRegisters: 2)
        _ = guest.setLine(45, true)
        _ = guest.enter(0)
        _ = guest.read(.acknowledge, 0)
        _ = guest.exit(0)
        for id in [40, 41] { _ = guest.setLine(id, true) }
        _ = guest.enter(0)
        #expect(lists(guest) == ["active 45 prio 88 grp0", "pending 40 prio 60 grp0"])
    }

    @Test("an active one without a list register is ended through EOICount")
    func unlistedEnd() {
        var guest = guest(listRegisters: 2)
        for id in [44, 43, 42] { _ = guest.setActive(id, true) }
        _ = guest.enter(0)
        #expect(guest.interfaces[0].hypervisor.lists.map(\.virtualID) == [42, 43])
        // Priorities 0x70, 0x78 and 0x80.
        _ = guest.write(0x1_c000, to: .activePriorities(0), 0)
        _ = guest.write(42, to: .end, 0)
        _ = guest.write(43, to: .end, 0)
        #expect(guest.write(44, to: .end, 0).contains(.mistake(0, .unlistedEnd(44))))
        #expect(guest.interfaces[0].hypervisor.maintenanceConditions == [.underflow, .unlistedEnd])
        _ = guest.exit(0)
        #expect(guest.queues == [[]])
        #expect(!guest.interrupt(44).isActive)
    }

    @Test("a level interrupt is never both pending and active in a list register, an edge one may be")
    func pendingAndActive() {
        var guest = guest()
        for id in [33, 41] { _ = guest.setLine(id, true) }
        _ = guest.enter(0)
        _ = guest.read(.acknowledge, 0)
        _ = guest.write(0, to: .priorityMask, 0)
        _ = guest.write(0xf8, to: .priorityMask, 0)
        _ = guest.exit(0)
        #expect(guest.interrupt(33).isActive)
        _ = guest.enter(0)
        #expect(lists(guest)[0] == "active 33 prio 28 grp0 eoi-maintenance")
        _ = guest.write(33, to: .end, 0)
        _ = guest.exit(0)
        _ = guest.setLine(33, false)
        _ = guest.enter(0)
        _ = guest.read(.acknowledge, 0)
        _ = guest.exit(0)
        _ = guest.setLine(41, false)
        _ = guest.setLine(41, true)
        _ = guest.enter(0)
        #expect(lists(guest) == ["pending+active 41 prio 68 grp0"])
    }

    @Test("a level that the device lowers before the guest looks does not come")
    func levelGone() {
        var guest = guest()
        _ = guest.setLine(33, true)
        _ = guest.enter(0)
        _ = guest.exit(0)
        _ = guest.setLine(33, false)
        _ = guest.enter(0)
        #expect(guest.read(.acknowledge, 0).value == 1023)
        #expect(guest.queues == [[]])
    }

    @Test("a level still high after its end comes again, and the device is asked in between")
    func levelAgain() {
        var guest = guest()
        _ = guest.setLine(33, true)
        _ = guest.enter(0)
        _ = guest.read(.acknowledge, 0)
        #expect(guest.write(33, to: .end, 0).contains(.maintenance(0)))
        #expect(guest.exit(0).contains(.ended(33)))
        _ = guest.enter(0)
        #expect(guest.read(.acknowledge, 0).value == 33)
    }

    @Test("a linked level that falls before the guest has seen it is deactivated by the hypervisor, once")
    func linkedLevelGone() {
        var guest = guest()
        guest.link(33, toPhysical: 70)
        guest.setPhysicalLine(70, true)
        _ = guest.takePhysical(70)
        _ = guest.enter(0)
        guest.setPhysicalLine(70, false)
        #expect(guest.exit(0).filter { $0 == .deactivatePhysical(70) }.count == 1)
        #expect(guest.queues == [[]])
        #expect(guest.physicalActive == [])
    }

    @Test("nothing less urgent is let in before every sender of an SGI has been seen")
    func withheld() {
        var guest = guest(3)
        _ = guest.configure(5, cpu: 1) { $0.priority = 0x40 }
        _ = guest.configure(40) { $0.target = 1 }
        for sender in [0, 1, 2] { _ = guest.send(5, from: sender, to: ProcessorSet(1)) }
        _ = guest.setLine(40, true)
        var order: [UInt32] = []
        for _ in 0..<4 {
            _ = guest.enter(1)
            let value = guest.read(.acknowledge, 1).value
            order.append(value)
            _ = guest.write(value, to: .end, 1)
            _ = guest.exit(1)
        }
        #expect(order == [5, 1 << 10 | 5, 2 << 10 | 5, 40])
    }

    @Test("a new target takes a waiting interrupt at the next exit, and gets a call")
    func migration() {
        var guest = guest(2)
        _ = guest.setLine(40, true)
        _ = guest.enter(0)
        _ = guest.configure(40) { $0.target = 1 }
        #expect(guest.exit(0).contains(.kick(1)))
        #expect(guest.queues.map(\.count) == [0, 1])
        _ = guest.enter(1)
        #expect(guest.read(.acknowledge, 1).value == 40)
    }

    @Test("an active interrupt stays with its vCPU whatever the target becomes")
    func activeStays() {
        var guest = guest(2)
        _ = guest.setLine(40, true)
        _ = guest.enter(0)
        _ = guest.read(.acknowledge, 0)
        _ = guest.configure(40) { $0.target = 1 }
        _ = guest.exit(0)
        #expect(guest.queues.map(\.count) == [1, 0])
    }

    @Test("a disabled interrupt leaves the list and comes back when enabled")
    func disabled() {
        var guest = guest()
        _ = guest.setLine(40, true)
        _ = guest.configure(40) { $0.isEnabled = false }
        _ = guest.enter(0)
        #expect(lists(guest) == [])
        _ = guest.exit(0)
        #expect(guest.configure(40) { $0.isEnabled = true } == [.kick(0)])
        _ = guest.enter(0)
        #expect(lists(guest) == ["pending 40 prio 60 grp0"])
    }
}
