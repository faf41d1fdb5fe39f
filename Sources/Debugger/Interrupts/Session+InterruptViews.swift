import Interrupts
import Primitives

// What the interrupt controllers show.
extension Session {
    private func trimmed(_ text: String) -> String { text.hasSuffix("\n") ? String(text.dropLast()) : text }

    /// A PC's controllers as text or JSON.
    func show(
        _ words: [Substring], _ body: (PCInterruptController) -> (text: String, json: JSON)
    ) throws(Refusal) -> String {
        let words = try InterruptWords(words, self, atMost: 0)
        let (text, json) = body(try pc().controllers)
        return words.isJSON ? json.description : trimmed(text)
    }

    private func pc() throws(Refusal) -> (controllers: PCInterruptController, pages: [LocalAPICRegisters]) {
        guard case .pc(let controllers, let pages) = try target.interrupts().controllers else {
            throw Refusal("this machine has a GIC: info gic")
        }
        return (controllers, pages)
    }

    func listInterrupts(_ words: [Substring]) throws(Refusal) -> String {
        let words = try InterruptWords(words, self, atMost: 1)
        let view = try target.interrupts()
        var rows =
            switch words.words.first {
            case nil: view.rows
            case "all": view.allRows
            case "pending": view.allRows.filter(\.isPending)
            case "active": view.allRows.filter(\.isActive)
            case "enabled": view.allRows.filter(\.isEnabled)
            case let word?: throw Refusal("\(word): expected pending, active, enabled or all")
            }
        if let processor = words.processor { rows = rows.filter { $0.processor == nil || $0.processor == processor } }
        if words.isJSON { return JSON.array(rows.map(\.json)).description }
        return rows.isEmpty ? "none" : trimmed(rows.text(at: view.now))
    }

    func describeLocalAPIC(_ words: [Substring]) throws(Refusal) -> String {
        let words = try InterruptWords(words, self, atMost: 1)
        let named = try words.words.first.map { word throws(Refusal) in try words.number(ofProcessor: word) }
        let number = named ?? words.cpu
        let registers = try pc().pages[number]
        return words.isJSON ? registers.json(cpu: number).description : trimmed(registers.text(cpu: number))
    }

    func describeGIC(_ words: [Substring]) throws(Refusal) -> String {
        let words = try InterruptWords(words, self, atMost: 1)
        guard case .gic(let gic) = try target.interrupts().controllers else { throw Refusal("this machine has no GIC") }
        switch words.words.first {
        case nil where words.isJSON: return (words.processor.map { gic.json(cpu: $0) } ?? gic.json).description
        case nil: return trimmed(gic.text(cpu: words.processor))
        case "raw": return trimmed(gic.rawText(cpu: words.cpu))
        case let word?: throw Refusal("\(word): expected raw")
        }
    }

    func showInterrupt(_ words: [Substring]) throws(Refusal) -> String {
        let words = try InterruptWords(words, self, atMost: 1)
        let id = try words.id()
        let view = try target.interrupts()
        guard let row = view.row(id, cpu: words.cpu) else { throw Refusal("no device can have input \(id)") }
        if words.isJSON { return row.json.description }
        return trimmed(view.description(of: row, id, cpu: words.cpu) + view.explain(id, cpu: words.processor).text)
    }

    func explainInterrupt(_ words: [Substring]) throws(Refusal) -> String {
        let words = try InterruptWords(words, self)
        let view = try target.interrupts()
        let checks: [InterruptCheck]
        if case .pc(let pc, _) = view.controllers, words.words.first == "vector" {
            try words.limit(to: 2)
            checks = pc.explain(vector: try words.vector(at: 1), cpu: words.cpu, view.facts)
        } else {
            try words.limit(to: 1)
            checks = view.explain(try words.id(), cpu: words.processor)
        }
        return words.isJSON ? JSON.array(checks.map(\.json)).description : trimmed(checks.text)
    }

    // MARK: The record

    /// The view and its events.
    private func recorded() throws(Refusal) -> (view: InterruptView, journal: InterruptJournal) {
        let view = try target.interrupts()
        guard let journal = view.journal else {
            throw Refusal(
                "n/a (kernel irqchip): the kernel reports no events; --irqchip \(hasGIC ? "gicv2" : "apic") "
                    + "records everything")
        }
        return (view, journal)
    }

    /// `text`, and what the record leaves out.
    private func noted(_ text: String, _ view: InterruptView) -> String {
        guard view.record == .lines else { return trimmed(text) }
        return trimmed(text)
            + "\nn/a (kernel irqchip): deliver, ack, eoi of edges; local timers and IPIs: --irqchip apic records all"
    }

    func traceInterrupts(_ words: [Substring]) throws(Refusal) -> String {
        let (view, journal) = try recorded()
        let words = try InterruptWords(words, self, atMost: 1)
        switch words.words.first {
        case "on", "off":
            _ = try target.perform(.record(words.words[0] == "on"))
            return "the trace is \(words.words[0])"
        case "clear":
            _ = try target.perform(.clearRecord)
            return "the trace is empty"
        default:
            let number = try words.words.first.map { word throws(Refusal) in try monitorNumber(word) } ?? 20
            let count = Int(clamping: number)
            return words.isJSON ? journal.trace.json(count).description : noted(journal.trace.text(count), view)
        }
    }

    func saveTimeline(_ words: [Substring]) throws(Refusal) -> String {
        let trace = try recorded().journal.trace
        guard words.count == 1, let name = words.first else { throw Refusal("which file? irq timeline FILE") }
        try target.save(Array("\(trace.timeline)\n".utf8), as: String(name))
        return "\(trace.last().count) events in \(name); open it in https://ui.perfetto.dev or chrome://tracing"
    }

    func interruptStatistics(_ words: [Substring]) throws(Refusal) -> String {
        let words = try InterruptWords(words, self, atMost: 1)
        let (view, journal) = try recorded()
        let statistics = journal.statistics
        if words.isJSON { return statistics.json(withoutLocalAPICs: view.record == .lines).description }
        return noted(words.words.isEmpty ? statistics.text() : statistics.text(.line(try words.id())), view)
    }

    func warnings(_ words: [Substring]) throws(Refusal) -> String {
        let words = try InterruptWords(words, self, atMost: 0)
        let view = try recorded().view
        return words.isJSON ? view.warnings.json.description : noted(view.warnings.text, view)
    }

    // MARK: The virtualization extensions of a GIC

    /// The three kinds of interrupts through list registers, each played once on the model.
    func showFlows(_ words: [Substring]) throws(Refusal) -> String {
        let words = try InterruptWords(words, self, atMost: 1)
        var flows = VirtualInterrupt.Flow.allCases
        if let word = words.words.first {
            flows = flows.filter { $0.description.hasPrefix(word) }
            guard flows.count == 1 else { throw Refusal("\(word): expected physical, virtual or sgi") }
        }
        let played = flows.map { (flow: $0, guest: FlowDemonstration.run($0)) }
        if words.isJSON {
            return JSON.object(played.map { ("\($0.flow)", $0.guest.flowJSON($0.flow)) }).description
        }
        return played.map { flow, guest in
            "\(flow):\n\(guest.flowLines(flow))\(guest.listText)"
        }.joined(separator: "\n")
    }
}
