import Interrupts
import Primitives

// The interrupt commands. Looking never changes anything; what is injected while everything stands still takes effect
// at the next resume. All that show something take `--json`.
extension MonitorCommand {
    static let interruptCommands: [MonitorCommand] = looking + acting + elsewhere

    private static let looking: [MonitorCommand] = [
        MonitorCommand(
            name: "info irqs", arguments: "[pending|active|enabled|all] [cpu C] [--json]",
            summary: "every interrupt: pending, line, active, enabled, its vector, count and target"
        ) { session, words throws(Refusal) in try session.listInterrupts(words) },
        MonitorCommand(name: "info lapic", arguments: "[CPU] [--json]", summary: "a vCPU's local APIC, decoded") {
            session, words throws(Refusal) in try session.describeLocalAPIC(words)
        },
        MonitorCommand(name: "info ioapic", arguments: "[--json]", summary: "the I/O APIC's pins") {
            session, words throws(Refusal) in
            try session.show(words) { ($0.controllers.ioapic.text, $0.controllers.ioapic.json) }
        },
        MonitorCommand(name: "info pic", arguments: "[--json]", summary: "the I/O APIC and the 8259 pair") {
            session, words throws(Refusal) in
            try session.show(words) { view in
                let (ioapic, pics) = (view.controllers.ioapic, view.controllers.pics)
                return (ioapic.text + pics.text, .object([("ioapic", ioapic.json), ("pic", pics.json)]))
            }
        },
        MonitorCommand(name: "info irq", arguments: "", summary: "irq stats", isAlias: true) {
            session, words throws(Refusal) in try session.interruptStatistics(words)
        },
        MonitorCommand(name: "irq show", arguments: "N [--json]", summary: "everything about one interrupt") {
            session, words throws(Refusal) in try session.showInterrupt(words)
        },
        MonitorCommand(
            name: "irq why", arguments: "N [cpu C] [--json] | vector V cpu C",
            summary: "each condition between an interrupt and the vCPU, and which one blocks it"
        ) { session, words throws(Refusal) in try session.explainInterrupt(words) },
        MonitorCommand(
            name: "irq trace", arguments: "[COUNT | on | off | clear] [--json]",
            summary: "the last interrupt events, with times"
        ) { session, words throws(Refusal) in try session.traceInterrupts(words) },
        MonitorCommand(
            name: "irq timeline", arguments: "FILE",
            summary: "write the events as a Chrome trace, for Perfetto: a new file in the folder of --output"
        ) { session, words throws(Refusal) in try session.saveTimeline(words) },
        MonitorCommand(
            name: "irq stats", arguments: "[N] [--json]",
            summary: "counts and latencies from pending to end of interrupt"
        ) { session, words throws(Refusal) in try session.interruptStatistics(words) },
        MonitorCommand(name: "irq warnings", arguments: "[--json]", summary: "what the guest does wrong") {
            session, words throws(Refusal) in
            try session.show(words, recorded: true) {
                ($0.controllers.warningText(at: $0.now), $0.controllers.warningJSON(at: $0.now))
            }
        },
    ]

    private static let acting: [MonitorCommand] = [
        MonitorCommand(
            name: "inject-irq", arguments: "N [edge | level | pulse]",
            summary: "assert an input as its device would; the pin's trigger mode decides if nothing is said"
        ) { session, words throws(Refusal) in try session.injectLine(words) },
        MonitorCommand(name: "lower-irq", arguments: "N", summary: "lower an input that inject-irq raised") {
            session, words throws(Refusal) in try session.lowerLine(words)
        },
        MonitorCommand(
            name: "clear-irq", arguments: "VECTOR cpu C", summary: "clear a vector that is pending in a local APIC"
        ) { session, words throws(Refusal) in try session.clearVector(words) },
        MonitorCommand(name: "irq mask", arguments: "N", summary: "mask an I/O APIC pin") {
            session, words throws(Refusal) in try session.setMask(words, true)
        },
        MonitorCommand(name: "irq unmask", arguments: "N", summary: "unmask it") {
            session, words throws(Refusal) in try session.setMask(words, false)
        },
        MonitorCommand(name: "irq route", arguments: "N DESTINATION", summary: "send a pin's interrupts elsewhere") {
            session, words throws(Refusal) in try session.routeLine(words)
        },
        MonitorCommand(
            name: "inject-vector", arguments: "VECTOR [cpu C]", summary: "give a local APIC a vector"
        ) { session, words throws(Refusal) in try session.injectVector(words) },
        MonitorCommand(
            name: "inject-ipi", arguments: "VECTOR to C | all | others", summary: "as the selected vCPU would send it"
        ) { session, words throws(Refusal) in try session.injectIPI(words) },
        MonitorCommand(name: "inject-msi", arguments: "ADDRESS DATA", summary: "a device's message") {
            session, words throws(Refusal) in try session.injectMessage(words)
        },
        MonitorCommand(name: "inject-nmi", arguments: "[C | all]", summary: "a non-maskable interrupt") {
            session, words throws(Refusal) in try session.injectNonMaskable(words)
        },
        MonitorCommand(name: "nmi", arguments: "", summary: "inject-nmi", isAlias: true) {
            session, words throws(Refusal) in try session.injectNonMaskable(words)
        },
        MonitorCommand(
            name: "irq break", arguments: "N on pend | deliver | ack | eoi",
            summary: "stop there; deliver stops on the handler's first instruction, as catch irq does"
        ) { session, words throws(Refusal) in try session.breakOnInterrupt(words) },
    ]
    /// What people know from another controller: refused with what a PC has instead.
    private static let elsewhere: [MonitorCommand] = [
        absent("irq priority", "an APIC's interrupts have no priority of their own: bits 7 to 4 of the vector are it"),
        absent("inject-sgi", "a PC has no software-generated interrupts: inject-ipi VECTOR to C | all | others"),
        absent("info gic", "a PC has no GIC: info lapic, info ioapic, info pic"),
    ]
}

extension MonitorCommand {
    /// A command that people know from another controller: refused with what there is instead.
    static func absent(_ name: String, _ reason: String) -> MonitorCommand {
        MonitorCommand(name: name, arguments: "", summary: reason, isAlias: true) { _, _ throws(Refusal) in
            throw Refusal(reason)
        }
    }
}

/// The words of an interrupt command with its options taken out.
struct InterruptWords {
    private(set) var words: [Substring]
    private(set) var isJSON = false
    /// What follows `cpu`.
    private(set) var processor: Int?

    init(_ all: [Substring], processors count: Int) throws(Refusal) {
        words = []
        var rest = all[...]
        while let word = rest.popFirst() {
            switch word {
            case "--json": isJSON = true
            case "cpu":
                guard let next = rest.popFirst() else { throw Refusal("which cpu?") }
                processor = try Self.processor(next, count)
            default: words.append(word)
            }
        }
    }

    /// There must be no more than `count` words.
    func limited(to count: Int) throws(Refusal) -> Self {
        guard words.count <= count else { throw Refusal("\(words[count]) is too much") }
        return self
    }

    /// `cpu C` makes no sense: an input's interrupts go where the guest has routed them.
    func withoutProcessor() throws(Refusal) -> Self {
        guard processor == nil else { throw Refusal("an input goes where its pin sends it: irq route N DESTINATION") }
        return self
    }

    static func processor(_ word: Substring, _ count: Int) throws(Refusal) -> Int {
        guard let number = Int(word), (0..<count).contains(number) else {
            throw Refusal("\(word) is no vCPU: they are 0 to \(count - 1)")
        }
        return number
    }

    /// The word at `index` as an input of the I/O APIC.
    func line(at index: Int = 0) throws(Refusal) -> Int {
        guard words.indices.contains(index) else { throw Refusal("which interrupt? GSIs are 0 to 23") }
        let number = try monitorNumber(words[index])
        guard number < UInt64(PCInterruptController.lines.upperBound) else {
            throw Refusal("\(words[index]) is no GSI: they are 0 to 23; inject-vector takes vectors")
        }
        return Int(number)
    }

    /// The word at `index` as a vector.
    func vector(at index: Int = 0) throws(Refusal) -> UInt8 {
        guard words.indices.contains(index) else { throw Refusal("which vector?") }
        guard let vector = UInt8(exactly: try monitorNumber(words[index])), vector >= 16 else {
            throw Refusal("\(words[index]) is no interrupt vector: they are 16 to 255")
        }
        return vector
    }
}
