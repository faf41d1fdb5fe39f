import Primitives
import TestSupport
import Testing

@testable import Interrupts

/// The three flows, walked step by step by name.
@Suite struct FlowTests {
    /// "event" or "event id": what happened from step to step.
    private func names(_ guest: VirtualDistributor) -> [String] {
        guest.record.steps.map { step in step.kind.name + (step.id.map { " \($0)" } ?? "") }
    }

    @Test("an interrupt from a physical device, from the host's acknowledge to its deactivation by the guest's end")
    func physicalDevice() {
        let guest = FlowDemonstration.run(.physicalDevice)
        #expect(
            names(guest) == [
                "host-ack 48", "host-drop 48", "raise 48", "queue 48", "kick 48", "exit", "enter", "fill 48",
                "signal 48", "ack 48", "drop 48", "end 48", "host-end 48", "exit", "fold 48",
                "unqueue 48",
            ])
        let fill = guest.record.steps.first { $0.kind == .fill }
        #expect(fill?.content.description == "pending 48 prio a0 grp0 hw 40")
        #expect(guest.physicalActive.isEmpty)
    }

    @Test("an interrupt from a virtual device: its end calls the hypervisor, which asks the device for its level")
    func virtualDevice() {
        let guest = FlowDemonstration.run(.virtualDevice)
        #expect(
            names(guest) == [
                "raise 48", "queue 48", "kick 48", "exit", "enter", "fill 48", "signal 48", "ack 48", "drop 48",
                "end 48", "maintenance", "exit", "fold 48", "lower 48", "unqueue 48", "enter",
            ])
        let fill = guest.record.steps.first { $0.kind == .fill }
        #expect(fill?.content.description == "pending 48 prio a0 grp0 eoi-maintenance")
    }

    @Test("an SGI with two senders: one list register, one sender after the other")
    func betweenVirtualProcessors() {
        let guest = FlowDemonstration.run(.softwareGenerated)
        #expect(
            names(guest) == [
                "send 5", "queue 5", "kick 5", "send 5", "kick 5", "exit", "enter", "fill 5", "signal 5", "ack 5",
                "drop 5", "end 5", "maintenance", "exit", "fold 5", "enter", "fill 5", "signal 5", "ack 5", "drop 5",
                "end 5", "exit", "fold 5", "unqueue 5",
            ])
        let fills = guest.record.steps.filter { $0.kind == .fill }.map(\.content.description)
        #expect(
            fills == ["pending 5 prio a0 grp0 from vcpu0 eoi-maintenance", "pending 5 prio a0 grp0 from vcpu2"])
    }

    @Test("every flow leaves nothing behind", arguments: VirtualInterrupt.Flow.allCases)
    func nothingLeft(flow: VirtualInterrupt.Flow) {
        let guest = FlowDemonstration.run(flow)
        #expect(guest.queues.flatMap { $0 } == [])
        #expect(guest.interfaces.filter { $0.hypervisor.activePriorities != 0 }.count == 0)
        #expect(guest.interfaces.flatMap(\.hypervisor.lists).filter { !$0.isEmpty } == [])
    }

    @Test("the flow as people see it")
    func text() {
        let lines = FlowDemonstration.run(.physicalDevice).flowLines().split(separator: "\n")
        #expect(lines.count == 17)
        #expect(lines[0] == "  step  vcpu  id   event         what")
        #expect(lines[1] == "     0  -     48   host-ack      host: GICC_IAR = 40")
        #expect(lines[8] == "     7  0     48   fill          LR0 = pending 48 prio a0 grp0 hw 40")
        #expect(lines[13] == "    12  0     48   host-end      physical 40 deactivated")
    }

    @Test("one flow's lines hold no other flow's steps")
    func oneFlow() {
        var guest = VirtualDistributor(processors: 2)
        _ = guest.configure(33) { $0.isEnabled = true }
        _ = guest.setLine(33, true)
        _ = guest.send(3, from: 0, to: ProcessorSet(1))
        #expect(!guest.flowLines(.softwareGenerated).contains(" 33 "))
        #expect(guest.flowLines(.virtualDevice).contains(" 33 "))
        #expect(guest.flowLines(.physicalDevice) == "no steps\n")
    }

    @Test("the flow and the list registers as programs see them")
    func json() {
        var guest = VirtualDistributor()
        _ = guest.send(3, from: 0, to: ProcessorSet(0))
        let steps = "\(guest.flowJSON(.softwareGenerated))"
        #expect(steps.contains(#""step":0,"vcpu":0,"id":3,"flow":"sgi","event":"send","lr":null"#))
        #expect("\(guest.listJSON)".contains(#""vmcr":4980736,"apr":0,"misr":0,"lr":[0,0,0,0],"list":[3]"#))
    }

    @Test("the list registers as people see them")
    func lists() {
        var guest = VirtualDistributor()
        _ = guest.configure(33) { $0.isEnabled = true }
        _ = guest.setLine(33, true)
        _ = guest.enter(0)
        let lines = guest.listText.split(separator: "\n")
        #expect(lines[0] == "vcpu0: in the guest  HCR 0x00000001  VMCR 0x004c0000  APR 0x00000000  MISR none")
        #expect(lines[1] == "  LR0   0x1a080021  pending 33 prio a0 grp0 eoi-maintenance")
        #expect(lines[2] == "  LR1   0x00000000  empty")
        #expect(lines[5] == "  list: 33:P")
    }
}
