import Foundation
import Interrupts
import Primitives
import Testing

@testable import Debugger

@Suite("interrupt commands")
struct InterruptCommandTests {
    /// A PC of two processors whose local APICs are on; input 4 is routed, edge-triggered, input 10 level-triggered.
    private func conversation() -> Conversation {
        let target = SimulatedTarget(processors: 2)
        target.controllers = Self.controllers()
        return Conversation(target)
    }

    static func controllers() -> PCInterruptController {
        var configuration = PCInterruptController.Configuration()
        configuration.processors = 2
        var pc = PCInterruptController(configuration)
        func put(_ address: UInt64, _ value: UInt64, _ cpu: Int = 0) {
            _ = pc.writeMemory(value, PhysicalAddress(address), size: 4, cpu, at: ModelTime(nanoseconds: 0))
        }
        put(0xfee0_0300, 0xc_4500)
        put(0xfee0_0300, 0xc_4610)
        for cpu in 0..<2 { put(0xfee0_00f0, 0x1ff, cpu) }
        // The 8259 pair would be a way too.
        for port in [0x21, 0xa1] as [UInt16] { _ = pc.writePort(port, 0xff, at: ModelTime(nanoseconds: 0)) }
        for (register, value) in [(0x18, 0x44), (0x24, 0x8051)] as [(UInt64, UInt64)] {
            put(0xfec0_0000, register)
            put(0xfec0_0010, value)
        }
        return pc
    }

    private static func vector(_ vector: UInt8, to cpu: UInt32) -> PCInterruptController.Change {
        .message(InterruptMessage(vector: vector, to: cpu))
    }

    // MARK: What is done

    private static let doings: [(command: String, changes: [PCInterruptController.Change], says: String)] = [
        // The pin's trigger mode decides, unless something is said.
        ("inject-irq 4", [.pulse(4)], "line 4 pulsed"),
        ("inject-irq 10", [.line(10, true)], "no device lowers it: lower-irq 10 does"),
        ("inject-irq 4 edge", [.pulse(4)], "line 4 pulsed"),
        ("inject-irq 10 pulse", [.pulse(10)], "line 10 pulsed"),
        ("inject-irq 4 level", [.line(4, true)], "line 4 is high"),
        ("inject-irq 0x4", [.pulse(4)], "line 4 pulsed"),
        ("inject-irq 0", [.pulse(0)], "line 0 pulsed"),
        ("inject-irq 23", [.pulse(23)], "line 23 pulsed"),
        ("lower-irq 10", [.line(10, false)], "line 10 is low"),
        ("irq mask 4", [.mask(4, true)], "interrupt 4 is masked; the guest is not notified"),
        ("irq unmask 4", [.mask(4, false)], "interrupt 4 is unmasked"),
        ("irq route 4 1", [.route(4, destination: 1)], "interrupt 4 goes to 0x1"),
        ("irq route 4 0xff", [.route(4, destination: 0xff)], "interrupt 4 goes to 0xff"),
        ("clear-irq 0x44 cpu 1", [.clear(vector: 0x44, processor: 1)], "vector 68 is taken back"),
        ("clear-irq 0x44", [.clear(vector: 0x44, processor: 0)], "vector 68 is taken back"),
        ("inject-vector 0x40 cpu 1", [vector(0x40, to: 1)], "will deliver on resume"),
        ("inject-vector cpu 1 64", [vector(0x40, to: 1)], "will deliver on resume"),
        ("inject-vector 255", [vector(255, to: 0)], "will deliver on resume"),
        ("inject-ipi 0x40 to 1", [vector(0x40, to: 1)], "accepted by 1 of 1"),
        ("inject-ipi 0x40 to all", [vector(0x40, to: 0), vector(0x40, to: 1)], "accepted by 2 of 2"),
        ("inject-ipi 0x40 to others", [vector(0x40, to: 1)], "accepted by 1 of 1"),
        ("inject-msi 0xfee01000 0x41", [vector(0x41, to: 1)], "will deliver on resume"),
        ("inject-nmi", [.nonMaskable(processor: 0)], "NMI for vCPU 0"),
        ("inject-nmi 1", [.nonMaskable(processor: 1)], "NMI for vCPU 1"),
        ("inject-nmi all", [.nonMaskable(processor: 0), .nonMaskable(processor: 1)], "NMI for every vCPU"),
        ("nmi", [.nonMaskable(processor: 0)], "NMI for vCPU 0"),
        // Short forms.
        ("inject-ir 4 level", [.line(4, true)], "line 4 is high"),
        ("low 10", [.line(10, false)], "line 10 is low"),
        ("irq un 4", [.mask(4, false)], "interrupt 4 is unmasked"),
        ("inject-ip 0x40 to 1", [vector(0x40, to: 1)], "accepted by 1 of 1"),
        ("ir tr of", [], "error: \"of\" is no number"),
    ]

    @Test("every form of a command does what it says", arguments: doings.indices)
    func does(index: Int) {
        let (command, changes, says) = Self.doings[index]
        let client = conversation()
        let output = client.monitor(command)
        #expect(output.contains(says), "\(command)")
        #expect(client.target.changes == changes, "\(command)")
    }

    @Test(
        "irq trace turns the record on and off, and clears it",
        arguments: [("on", .record(true)), ("off", .record(false)), ("clear", .clearRecord)]
            as [(String, InterruptRequest)])
    func records(word: String, request: InterruptRequest) {
        let client = conversation()
        #expect(client.monitor("irq trace \(word)").hasPrefix("the trace is "))
        #expect(client.target.requests == [request])
    }

    @Test("what is injected has a forecast")
    func forecasts() {
        let client = conversation()
        #expect(client.monitor("inject-irq 20").contains("BLOCKED: the guest has masked pin 20"))
        // The simulated machine records what it is asked, and does not do it.
        _ = client.target.controllers.pulseLine(4, at: ModelTime(nanoseconds: 0))
        #expect(client.monitor("inject-irq 4").contains("line 4 is high already"), "a pulse would be no edge")
        _ = client.target.controllers.setLine(4, false, at: ModelTime(nanoseconds: 0))
        #expect(client.monitor("inject-irq 4").contains("will deliver on resume"))
    }

    @Test("lower-irq says when a device still holds the line")
    func heldByADevice() {
        let client = conversation()
        _ = client.target.controllers.setLine(4, true, at: ModelTime(nanoseconds: 0))
        #expect(client.monitor("lower-irq 4").contains("a device holds it"))
        _ = client.target.controllers.setLine(4, false, at: ModelTime(nanoseconds: 0))
        #expect(client.monitor("lower-irq 4").contains("line 4 is low"))
    }

    @Test("inject-vector, clear-irq, inject-ipi and inject-nmi mean the selected vCPU where none is named")
    func selected() {
        let client = conversation()
        #expect(client.ask("Hgp1.2") == "OK")
        for command in ["inject-vector 64", "clear-irq 64", "inject-nmi", "inject-ipi 64 to others"] {
            _ = client.monitor(command)
        }
        #expect(
            client.target.changes == [
                Self.vector(64, to: 1), .clear(vector: 64, processor: 1), .nonMaskable(processor: 1),
                Self.vector(64, to: 0),
            ])
    }

    @Test("irq break is catch irq with its event", arguments: ["pend", "deliver", "ack", "eoi"])
    func breaks(event: String) {
        let kinds: [String: InterruptEvent.Kind] = [
            "pend": .pend, "deliver": .deliver, "ack": .acknowledge, "eoi": .endOfInterrupt,
        ]
        for command in ["irq break 4 on \(event)", "catch irq 4 \(event)"] {
            let client = conversation()
            #expect(!client.monitor(command).contains("error"))
            #expect(client.target.armed.catches.map(\.kind) == [.interrupt(4, kinds[event] ?? .raise)])
        }
    }

    // MARK: What is refused

    private static let refusals: [(command: String, reason: String)] = [
        // Numbers that are none, or too high.
        ("inject-irq", "which interrupt?"), ("inject-irq 24", "24 is no GSI: they are 0 to 23"),
        ("inject-irq zz", "zz"), ("inject-irq 0x1000000000000000000", "0x1000000000000000000"),
        ("inject-irq 2", "no device can have input 2"), ("lower-irq", "which interrupt?"), ("lower-irq 24", "no GSI"),
        ("irq mask 99", "no GSI"), ("irq unmask", "which interrupt?"), ("irq route 4", "expected: irq route"),
        ("irq route 4 256", "8-bit"), ("irq route 4 1 2", "expected: irq route"), ("irq show 24", "no GSI"),
        ("irq show 2", "no device can have input 2"), ("irq why", "which interrupt?"),
        ("irq why vector", "which vector?"), ("irq why vector 15", "16 to 255"),
        ("clear-irq 300 cpu 0", "16 to 255"), ("clear-irq", "which vector?"), ("inject-vector 5", "16 to 255"),
        ("inject-vector 256", "16 to 255"), ("inject-vector", "which vector?"), ("inject-ipi 0x40", "expected"),
        ("inject-ipi 15 to all", "16 to 255"), ("inject-ipi 0x40 at 1", "expected"),
        ("inject-msi 0xfee00000", "expected"), ("inject-msi 0xfee00000 0x100000000", "32 bits"),
        ("inject-msi 0xfed00000 0x41", "means no interrupt"), ("irq stats 24", "no GSI"), ("irq trace x", "x"),
        // Processors that are not there.
        ("inject-vector 0x40 cpu 2", "2 is no vCPU: they are 0 to 1"), ("inject-vector 0x40 cpu", "which cpu?"),
        ("inject-ipi 0x40 to 2", "2 is no vCPU"), ("inject-ipi 0x40 to nobody", "nobody is no vCPU"),
        ("inject-nmi 2", "2 is no vCPU"), ("inject-nmi 0 1", "expected: inject-nmi"), ("info lapic 2", "no vCPU"),
        ("info lapic -1", "no vCPU"), ("info irqs cpu 9", "no vCPU"), ("irq why 4 cpu 2", "no vCPU"),
        // Words that mean nothing here.
        ("inject-irq 4 sideways", "sideways: expected edge, level or pulse"),
        ("inject-irq 4 edge twice", "twice is too much"), ("inject-irq 4 cpu 1", "irq route"),
        ("lower-irq 4 5", "5 is too much"), ("irq mask 4 cpu 0", "irq route"), ("info irqs sleeping", "sleeping"),
        ("info irqs all pending", "pending is too much"), ("info pic 1", "1 is too much"),
        ("info ioapic x --json", "x is too much"), ("irq warnings all", "all is too much"),
        ("irq trace 3 4", "4 is too much"), ("irq timeline", "which file?"), ("irq timeline a b", "which file?"),
        ("irq break 4", "expected: irq break"), ("irq break 4 at eoi", "expected: irq break"),
        ("irq break 4 on fire", "fire: expected pend, deliver, ack or eoi"), ("irq break 24 on ack", "no GSI"),
        // What other controllers have.
        ("irq priority 4 0x80", "bits 7 to 4 of the vector"), ("inject-sgi 3 from 0 to all", "inject-ipi"),
        ("info gic", "no GIC"), ("info gic cpu 0 raw", "no GIC"),
    ]

    @Test("what cannot be is refused in words, and nothing is done", arguments: refusals.indices)
    func refuses(index: Int) {
        let (command, reason) = Self.refusals[index]
        let client = conversation()
        let output = client.monitor(command)
        #expect(output.hasPrefix("error: ") && output.contains(reason), "\(command): \(output)")
        #expect(client.target.changes.isEmpty && client.target.savedFiles.isEmpty)
    }

    @Test("what a target does not do is refused, and said")
    func undone() {
        let client = conversation()
        client.target.performs = false
        #expect(client.monitor("lower-irq 4") == "error: no device can have input 4\n")
        #expect(client.monitor("clear-irq 0x44 cpu 1").contains("is not pending in the local APIC of vCPU 1"))
        #expect(client.monitor("inject-vector 0x40").contains("no local APIC accepted it: see irq warnings"))
        #expect(client.monitor("inject-ipi 0x40 to all").contains("accepted by 0 of 2"))
    }

    @Test(
        "what the kernel's controllers do not report is refused with the way out",
        arguments: ["irq trace", "irq trace off", "irq timeline F", "irq stats", "irq warnings", "info irq"])
    func unrecorded(command: String) {
        let client = conversation()
        client.target.record = .nothing
        #expect(client.monitor(command).contains("n/a (kernel irqchip)"))
        #expect(client.monitor("info irqs").contains("IO-APIC"), "they report their state")
        #expect(client.target.changes.isEmpty)
    }

    // MARK: JSON

    private static let views = [
        "info irqs", "info irqs pending", "info irqs enabled cpu 1", "info lapic", "info lapic 1", "info ioapic",
        "info pic", "irq show 4", "irq why 4", "irq why 4 cpu 1", "irq why vector 0x44 cpu 0", "irq stats",
        "irq warnings", "irq trace", "irq trace 3",
    ]

    @Test("every view is JSON with --json, wherever that stands, and is not without", arguments: views)
    func json(view: String) throws {
        let client = conversation()
        client.target.controllers = TimelineTests.busy()
        let words = view.split(separator: " ")
        for command in ["\(view) --json", (words.prefix(2) + ["--json"] + words.dropFirst(2)).joined(separator: " ")] {
            let value = try JSONSerialization.jsonObject(with: Data(client.monitor(command).utf8))
            #expect(value is [Any] || value is [String: Any], "\(command)")
        }
        #expect((try? JSONSerialization.jsonObject(with: Data(client.monitor(view).utf8))) == nil)
    }

    @Test("JSON has the numbers that the text has")
    func jsonNumbers() throws {
        let client = conversation()
        client.target.controllers = TimelineTests.busy()
        func rows(_ command: String) throws -> [[String: Any]] {
            try #require(
                JSONSerialization.jsonObject(with: Data(client.monitor(command).utf8)) as? [[String: Any]])
        }
        let line = try #require(rows("info irqs --json").first { $0["id"] as? String == "4" })
        #expect(line["vector"] as? Int == 0x44 && line["trigger"] as? String == "edge")
        let trace = try rows("irq trace 5 --json")
        #expect(trace.count == 5)
        #expect(client.monitor("irq trace 5").split(separator: "\n").count == 6)
        let last = try #require(trace.last)
        #expect(last["event"] as? String == "eoi" && last["irq"] as? String == "4")
        let warnings = try rows("irq warnings --json")
        #expect(warnings.map { $0["kind"] as? String } == ["endWithoutInterrupt"])
    }
}
