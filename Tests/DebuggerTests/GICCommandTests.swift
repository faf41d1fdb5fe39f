import Foundation
import Interrupts
import Primitives
import Testing

@testable import Debugger

@Suite("interrupt commands of a machine with a GIC")
struct GICCommandTests {
    /// A GIC of two processors that is switched on, with SPI 33 enabled for the first one.
    private func conversation() -> Conversation {
        var configuration = GICv2.Configuration.kvm
        configuration.processors = 2
        var gic = GICv2(configuration)
        let now = ModelTime(nanoseconds: 0)
        _ = gic.writeDistributor(1, 0, size: 4, 0, at: now)
        _ = gic.writeDistributor(2, 0x104, size: 4, 0, at: now)
        for cpu in 0..<2 {
            _ = gic.writeInterface(0xff, 4, size: 4, cpu, at: now)
            _ = gic.writeInterface(1, 0, size: 4, cpu, at: now)
        }
        let target = SimulatedTarget(processors: 2)
        target.board = gic
        return Conversation(target)
    }

    // MARK: What is done

    private static let forms: [(command: String, request: InterruptRequest)] = [
        ("inject-irq 33", .inject(33, cpu: 0, nil)),
        ("inject-irq 0x21 edge", .inject(33, cpu: 0, .edge)),
        ("inject-irq 27 cpu 1 level", .inject(27, cpu: 1, .level)),
        ("inject-irq 33 pulse", .inject(33, cpu: 0, .pulse)),
        ("lower-irq 33", .lower(33, cpu: 0)),
        ("irq mask 33", .mask(33, cpu: 0, true)),
        ("irq unmask 27 cpu 1", .mask(27, cpu: 1, false)),
        ("irq priority 33 0x50", .priority(33, cpu: 0, 0x50)),
        ("irq route 33 2", .route(33, to: 2)),
        ("irq group 33 0", .group(33, cpu: 0, isOne: false)),
        ("inject-sgi 3 from 1 to self", .send(sgi: 3, from: 1, to: .itself)),
        ("inject-sgi 3 from 0 to others", .send(sgi: 3, from: 0, to: .others)),
        ("inject-sgi 0 from 0 to 0x3", .send(sgi: 0, from: 0, to: .mask(3))),
    ]

    @Test("each form of each command asks for what it says", arguments: forms.indices)
    func asks(index: Int) {
        let (command, request) = Self.forms[index]
        let client = conversation()
        let answer = client.monitor(command)
        #expect(!answer.contains("error"), "\(answer)")
        #expect(client.target.requests == [request])
    }

    @Test("clear-irq takes back what inject-irq made pending, and then there is nothing to take")
    func clear() {
        let client = conversation()
        #expect(client.monitor("inject-irq 33").contains("is pending"))
        #expect(client.monitor("info irqs pending").contains("33"))
        #expect(client.monitor("clear-irq 33").contains("taken back"))
        #expect(client.monitor("info irqs pending") == "none\n")
        #expect(client.monitor("clear-irq 33").contains("error: SPI 33 is not pending"))
    }

    @Test("the selected vCPU is meant where none is named")
    func selected() {
        let client = conversation()
        #expect(client.ask("Hgp1.2") == "OK")
        _ = client.monitor("irq unmask 27")
        #expect(client.target.requests == [.mask(27, cpu: 1, false)])
    }

    @Test("a level by hand says that no device lowers it; a blocked one says why")
    func forecasts() {
        let client = conversation()
        #expect(client.monitor("inject-irq 33 level").contains("lower-irq 33"))
        #expect(client.monitor("inject-irq 34").contains("BLOCKED: "))
        #expect(client.monitor("inject-irq 33").contains("will deliver on resume"))
    }

    // MARK: What is refused

    @Test(
        "what makes no sense is refused in words",
        arguments: [
            ("inject-irq", "which interrupt"), ("inject-irq 256", "0 to 255"), ("inject-irq x", "no number"),
            ("inject-irq 33 up", "edge, level or pulse"), ("inject-irq 33 edge 1", "too much"),
            ("inject-irq 27 cpu 2", "no vCPU"), ("lower-irq 3", "SGI 3 has no line"),
            ("inject-irq 3 level", "SGI 3 has no line"), ("irq priority 33", "8 bits"),
            ("irq priority 33 256", "8 bits"), ("irq route 27 1", "only SPIs"), ("irq group 33 2", "0 and 1"),
            ("inject-sgi 16 from 0 to self", "0 to 15"), ("inject-sgi 3 to self", "expected: inject-sgi"),
            ("inject-sgi 3 from 2 to self", "no vCPU"), ("inject-sgi 3 from 0 to 0x100", "8 bits"),
            ("inject-sgi 3 from 0 to 0x80", "no processor is addressed"), ("inject-nmi", "GICv2 has no NMI"),
            ("inject-ipi 64 to all", "inject-sgi"), ("inject-msi 0xfee00000 1", "no messages"),
            ("inject-vector 64", "no vectors"), ("info lapic", "info gic"), ("info ioapic", "info gic"),
            ("info irqs some", "pending, active, enabled or all"), ("info gic rare", "expected raw"),
            ("irq flows 3", "physical, virtual or sgi"), ("catch irq 256", "0 to 255"), ("irq why 1020", "0 to 255"),
        ])
    func refused(command: String, reason: String) {
        let client = conversation()
        let answer = client.monitor(command)
        #expect(answer.hasPrefix("error: ") && answer.contains(reason), "\(answer)")
        #expect(client.target.requests.isEmpty)
    }

    @Test(
        "what the kernel's GIC does not report is refused with the way out",
        arguments: ["irq trace", "irq timeline F", "irq stats", "irq warnings", "info irq"])
    func unrecorded(command: String) {
        let client = conversation()
        client.target.record = .nothing
        #expect(client.monitor(command).contains("n/a (kernel irqchip)"))
        #expect(client.monitor("info gic").contains("CTLR=0x1"), "it reports its state")
    }

    @Test(
        "a PC refuses what only a GIC has", arguments: ["info gic", "irq priority 4 1", "inject-sgi 1 from 0 to self"])
    func onPC(command: String) {
        #expect(Conversation().monitor(command).hasPrefix("error: "))
    }

    // MARK: What is shown

    @Test(
        "every view is there as JSON",
        arguments: [
            "info irqs", "info irqs all", "info irqs enabled cpu 1", "info gic", "info gic cpu 1", "irq show 33",
            "irq why 33", "irq why 27 cpu 1", "irq trace", "irq stats", "irq warnings", "irq flows", "irq flows sgi",
        ])
    func json(command: String) throws {
        let client = conversation()
        _ = client.monitor("inject-irq 33")
        let answer = client.monitor(command + " --json")
        #expect(throws: Never.self, "\(answer)") { try JSONSerialization.jsonObject(with: Data(answer.utf8)) }
    }

    @Test("each flow is shown step by step, to the end of the interrupt")
    func flows() {
        let client = conversation()
        let all = client.monitor("irq flows")
        for flow in ["physical:", "virtual:", "sgi:"] { #expect(all.contains(flow)) }
        for step in ["GICV_IAR", "GICV_EOIR", "LR0 = pending", "maintenance", "off the list"] {
            #expect(client.monitor("irq flows virtual").contains(step), "\(step)")
        }
        #expect(client.monitor("irq flows physical").contains("physical 40 deactivated"))
    }

    @Test("one interrupt's whole story names its device and its registers")
    func show() {
        let text = conversation().monitor("irq show 33")
        for part in ["serial port", "GICD_ISENABLER1.1   = 1", "GICD_ITARGETSR.33", "BLOCKED"] {
            #expect(text.contains(part), "\(part)")
        }
    }

    @Test("what is caught must exist", arguments: [33, 255])
    func caught(number: Int) {
        let client = conversation()
        #expect(client.monitor("catch irq \(number)").contains("first instruction"))
        #expect(client.target.armed.catches.map(\.kind) == [.interrupt(number, .deliver)])
    }
}
