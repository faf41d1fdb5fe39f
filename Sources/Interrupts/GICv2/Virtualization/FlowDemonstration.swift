// The three ways of an interrupt to a guest, each once, for people to read: `irq flows physical|virtual|sgi`.

import Primitives

/// A hypervisor, its guest and a device, who do what it takes for one interrupt.
package enum FlowDemonstration {
    /// The virtual interrupt of the flow, and for `physicalDevice` the physical one behind it.
    package static let (virtual, physical) = (48, 40)
    package static let softwareGenerated = 5

    /// The guest's interrupts after the demonstration, with every step on record.
    package static func run(_ flow: VirtualInterrupt.Flow, listRegisters: Int = 4) -> VirtualDistributor {
        switch flow {
        case .physicalDevice: physicalDevice(listRegisters)
        case .virtualDevice: virtualDevice(listRegisters)
        case .softwareGenerated: betweenVirtualProcessors(listRegisters)
        }
    }

    /// A guest whose interfaces are enabled and whose first vCPUs run, with nothing on record.
    private static func guest(_ processors: Int, _ listRegisters: Int) -> VirtualDistributor {
        var guest = VirtualDistributor(processors: processors, listRegisters: listRegisters)
        for cpu in 0..<processors {
            _ = guest.enter(cpu)
            _ = guest.write(1, to: .control, cpu)
            _ = guest.write(0xf0, to: .priorityMask, cpu)
        }
        _ = guest.configure(virtual) { $0.isEnabled = true }
        guest.clearRecord()
        return guest
    }

    /// The vCPU is called out and goes in again.
    private static func again(_ guest: inout VirtualDistributor, _ cpu: Int) {
        _ = guest.exit(cpu)
        _ = guest.enter(cpu)
    }

    /// The guest's handler.
    private static func handle(_ guest: inout VirtualDistributor, _ cpu: Int) {
        let value = guest.read(.acknowledge, cpu).value
        _ = guest.write(value, to: .end, cpu)
    }

    private static func physicalDevice(_ listRegisters: Int) -> VirtualDistributor {
        var guest = guest(1, listRegisters)
        guest.link(virtual, toPhysical: physical)
        guest.setPhysicalLine(physical, true)
        // The host takes the interrupt, which calls the vCPU out.
        _ = guest.takePhysical(physical)
        again(&guest, 0)
        let value = guest.read(.acknowledge, 0).value
        // The driver in the guest serves the device, which lowers its input, before it ends the interrupt.
        guest.setPhysicalLine(physical, false)
        _ = guest.write(value, to: .end, 0)
        _ = guest.exit(0)
        return guest
    }

    private static func virtualDevice(_ listRegisters: Int) -> VirtualDistributor {
        var guest = guest(1, listRegisters)
        _ = guest.setLine(virtual, true)
        again(&guest, 0)
        handle(&guest, 0)
        // The end asked for maintenance: out, and the device is asked for its level.
        _ = guest.exit(0)
        _ = guest.setLine(virtual, false)
        _ = guest.enter(0)
        return guest
    }

    /// Two senders and one receiver: the second one's request waits for the end of the first.
    private static func betweenVirtualProcessors(_ listRegisters: Int) -> VirtualDistributor {
        var guest = guest(3, listRegisters)
        for sender in [0, 2] { _ = guest.send(softwareGenerated, from: sender, to: ProcessorSet(1)) }
        again(&guest, 1)
        handle(&guest, 1)
        again(&guest, 1)
        handle(&guest, 1)
        _ = guest.exit(1)
        return guest
    }
}
