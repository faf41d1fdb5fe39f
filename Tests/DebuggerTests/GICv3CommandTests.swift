import Foundation
import Interrupts
import Primitives
import Testing

@testable import Debugger

/// The commands are those of a GICv2 (GICCommandTests): here, that they work over the registers of a GICv3.
@Suite("interrupt commands of a machine with a GICv3")
struct GICv3CommandTests {
    /// Two processors, everything on, SPI 33 enabled for the first one.
    private func conversation() -> Conversation {
        var words: [GICv3.Register: UInt64] = [
            .distributor(0x0000): 0x52, .distributor(0x0004): 3, .distributor(0x0084): 0xffff_ffff,
            .distributor(0x0104): 2, .distributor(0x0c08): 0xaaaa_aaaa, .distributor(0x0420): 0xa0a0_a0a0,
        ]
        for cpu in 0..<2 {
            words[.redistributor(0x000c, cpu: cpu)] = UInt64(cpu)
            words[.redistributor(0x1_0080, cpu: cpu)] = 0xffff_ffff
            words[.redistributor(0x1_0100, cpu: cpu)] = 0xffff
            words[.system(.control, cpu: cpu)] = 0x400
            words[.system(.priorityMask, cpu: cpu)] = 0xf0
            words[.system(.groupOne, cpu: cpu)] = 1
        }
        let target = SimulatedTarget(processors: 2)
        target.third = GICv3(processors: 2) { words[$0] ?? 0 }
        return Conversation(target)
    }

    @Test(
        "each form of each command asks for what it says",
        arguments: [
            "inject-irq 33", "inject-irq 0x21 edge", "inject-irq 27 cpu 1 level", "inject-irq 33 pulse",
            "lower-irq 33", "irq mask 33", "irq unmask 27 cpu 1", "irq priority 33 0x50", "irq route 33 2",
            "irq group 33 0", "inject-sgi 3 from 1 to self", "inject-sgi 3 from 0 to others",
            "inject-sgi 0 from 0 to 0x3",
        ])
    func asks(command: String) {
        let client = conversation()
        let answer = client.monitor(command)
        #expect(!answer.contains("error"), "\(answer)")
        #expect(client.target.requests.count == 1)
    }

    @Test("what is injected shows as pending, is explained, and is taken back")
    func whole() {
        let client = conversation()
        #expect(client.monitor("info irqs pending") == "none\n")
        #expect(client.monitor("irq why 33").contains("BLOCKED: no edge has come"))
        #expect(client.monitor("inject-irq 33") == "SPI 33 is pending\nwill deliver on resume\n")
        #expect(client.monitor("info irqs pending").contains("33  SPI"))
        #expect(client.monitor("info gic").contains("HPPIR=33"))
        #expect(!client.monitor("irq why 33").contains("BLOCKED"))
        #expect(client.monitor("irq route 33 2").contains("affinity 0.0.0.1"))
        #expect(client.monitor("irq why 33 cpu 0").contains("BLOCKED: it does not go to cpu 0"))
        #expect(client.monitor("irq mask 33").contains("disabled"))
        #expect(client.monitor("irq why 33").contains("BLOCKED: guest has not enabled SPI 33"))
        #expect(client.monitor("clear-irq 33").contains("taken back"))
        #expect(client.monitor("clear-irq 33").contains("error: SPI 33 is not pending"))
    }

    @Test(
        "what makes no sense is refused in words",
        arguments: [
            ("inject-irq 128", "0 to 127"), ("lower-irq 3", "SGI 3 has no line"), ("irq route 33 3", "one processor"),
            ("irq route 33 256", "8 bits"), ("irq route 27 1", "only SPIs"),
            ("inject-sgi 3 from 0 to 4", "no processor is addressed"),
            ("catch irq 128", "0 to 127"), ("inject-nmi", "nor has KVM's GICv3"), ("info lapic", "info gic"),
            ("irq trace", "n/a (kernel irqchip)"), ("irq stats", "n/a (kernel irqchip)"),
        ])
    func refused(command: String, reason: String) {
        let client = conversation()
        let answer = client.monitor(command)
        #expect(answer.hasPrefix("error: ") && answer.contains(reason), "\(answer)")
        #expect(client.target.requests.isEmpty)
    }

    @Test(
        "every view is there as JSON",
        arguments: [
            "info irqs", "info irqs all", "info irqs enabled cpu 1", "info gic", "info gic cpu 1", "irq show 33",
            "irq why 33", "irq why 27 cpu 1",
        ])
    func json(command: String) {
        let answer = conversation().monitor(command + " --json")
        #expect(throws: Never.self, "\(answer)") { try JSONSerialization.jsonObject(with: Data(answer.utf8)) }
    }

    @Test("one interrupt's whole story names its device and its registers")
    func show() {
        let text = conversation().monitor("irq show 33")
        for part in ["PL011", "GICD_ISENABLER1.1   = 1", "GICD_IROUTER33    = 0.0.0.0", "BLOCKED"] {
            #expect(text.contains(part), "\(part)")
        }
        #expect(conversation().monitor("irq show 27 cpu 1").contains("GICR_ISENABLER0.27   = 0"))
        #expect(conversation().monitor("info gic raw").contains("GICD 0x00104 0x00000002"))
    }
}
