import Primitives
import Testing

@testable import Interrupts

/// Controllers whose local APICs are the kernel's.
@Suite("Without local APICs") struct SplitTests {
    private func split(_ processors: Int = 1) -> PCInterruptController {
        var configuration = PCInterruptController.Configuration()
        configuration.processors = processors
        configuration.hasLocalAPICs = false
        return PCInterruptController(configuration)
    }

    /// Gives `pin` an entry.
    private func route(_ pin: Int, _ entry: UInt32, _ controller: inout PCInterruptController) -> InterruptOutcome {
        _ = controller.writeMemory(UInt64(0x10 + 2 * pin), IOAPIC.page, size: 4, 0, at: at(0))
        return controller.writeMemory(UInt64(entry), IOAPIC.page + 0x10, size: 4, 0, at: at(0))!
    }

    private func kinds(_ controller: PCInterruptController) -> [String] {
        controller.journal.trace.last().map(\.kind.name)
    }

    @Test("an edge leaves as a message, and is recorded as pending once it was accepted")
    func edge() {
        var controller = split()
        #expect(route(4, 0x44, &controller).changesPins)
        let out = controller.setLine(4, true, at: at(1))
        #expect(out.messages.map(\.message) == [InterruptMessage(vector: 0x44, to: 0)])
        #expect(!kinds(controller).contains("pend"))
        controller.sent(out.messages[0], isAccepted: true, at: at(1))
        #expect(kinds(controller) == ["unmask", "raise", "pend"])
        #expect(!controller.ioapic.entries[4].remoteIRR)
    }

    @Test("a level waits for its end, and leaves again while the line is up")
    func level() {
        var controller = split()
        _ = route(4, 0x8044, &controller)
        let out = controller.setLine(4, true, at: at(1))
        #expect(out.messages.first?.message.data == 0xc044)
        controller.sent(out.messages[0], isAccepted: true, at: at(1))
        #expect(controller.ioapic.entries[4].remoteIRR)
        #expect(controller.setLine(4, true, at: at(2)).messages.isEmpty)
        let again = controller.endOfInterrupt(0x44, 0, at: at(3))
        #expect(again.messages.count == 1 && again.endedLines == 1 << 4)
        controller.sent(again.messages[0], isAccepted: true, at: at(3))
        _ = controller.setLine(4, false, at: at(4))
        #expect(controller.endOfInterrupt(0x44, 0, at: at(5)).messages.isEmpty)
        #expect(!controller.ioapic.entries[4].remoteIRR)
        #expect(controller.journal.statistics[.line(4)]?[.endOfInterrupt] == 2)
    }

    @Test("what no local APIC accepts leaves no trace in the pin")
    func lost() {
        var controller = split()
        _ = route(4, 0x8044, &controller)
        let out = controller.setLine(4, true, at: at(1))
        controller.sent(out.messages[0], isAccepted: false, at: at(1))
        #expect(!controller.ioapic.entries[4].remoteIRR)
        #expect(kinds(controller).last == "drop")
        #expect(controller.journal.warnings.entries.map(\.mistake.kind) == [.nobodyAccepted])
    }

    @Test("ends of interrupt must be reported for level-triggered pins, masked ones too, and of no others")
    func levelPins() {
        var controller = split()
        _ = route(4, 0x8044, &controller)
        _ = route(5, 0x1_8055, &controller)
        _ = route(6, 0x66, &controller)
        _ = route(7, 0x8400, &controller)  // an NMI
        #expect(controller.levelPins.map(\.pin) == [4, 5])
    }

    @Test("the boot processor alone sees the 8259 pair, takes from it, and nothing else")
    func pair() {
        var controller = split(2)
        for (port, value) in [(0x20, 0x11), (0x21, 0x30), (0x21, 4), (0x21, 1), (0x21, 0xef)] as [(UInt16, UInt8)] {
            _ = controller.writePort(port, value, at: at(0))
        }
        #expect(controller.pending(0) == nil)
        #expect(controller.setLine(4, true, at: at(1)).wake == ProcessorSet(0))
        #expect(controller.pending(0) == .external && controller.pending(1) == nil)
        #expect(controller.acknowledge(0, at: at(2)).vector == 0x34)
        #expect(controller.pending(0) == nil && controller.acknowledge(0, at: at(3)).vector == nil)
        // Nobody knows when LINT0 let it through.
        #expect(kinds(controller).suffix(2) == ["pend", "ack"])
    }

    @Test("the local APIC's page is not theirs")
    func page() {
        var controller = split()
        #expect(!controller.claims(PhysicalAddress(0xfee0_0000), 0))
        #expect(controller.claims(IOAPIC.page, 0))
        #expect(controller.readMemory(PhysicalAddress(0xfee0_0020), size: 4, 0, at: at(0)) == nil)
        #expect(controller.journal.warnings.entries.isEmpty)
    }

    @Test("joined by local APICs it explains the whole way")
    func joined() {
        var controller = split()
        _ = route(4, 0x44, &controller)
        var local = LocalAPIC(processor: 0, features: LocalAPIC.Features())
        local.taskPriority = 0xf0
        let whole = controller.joined(by: [local])
        let found = whole.explain(line: 4, [ProcessorFacts()]).compactMap(\.obstacle)
        #expect(found.contains(.taskPriority) && found.contains(.apicSwitchedOff))
        #expect(whole.claims(PhysicalAddress(0xfee0_0000), 0))
    }

    @Test("what happens unseen is null in the statistics")
    func statistics() {
        var controller = split()
        _ = route(4, 0x44, &controller)
        let out = controller.setLine(4, true, at: at(1))
        controller.sent(out.messages[0], isAccepted: true, at: at(1))
        let text = controller.journal.statistics.json(withoutLocalAPICs: true).description
        #expect(text.contains("\"pend\":1") && text.contains("\"ack\":null") && text.contains("\"ack->eoi\":null"))
        #expect(controller.journal.statistics.json().description.contains("\"ack\":0"))
    }
}
