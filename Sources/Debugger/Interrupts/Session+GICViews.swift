import Interrupts
import Primitives

// Looking at a GIC.
extension Session {
    private func recordOfGIC() throws(Refusal) -> InterruptJournal {
        guard let journal = try target.gic().journal else {
            throw Refusal("n/a (kernel irqchip): the kernel reports no events; --irqchip gicv2 records everything")
        }
        return journal
    }

    func listGICInterrupts(_ words: [Substring]) throws(Refusal) -> String {
        let words = try gicWords(words, 1).words
        let view = try target.gic()
        var rows = view.gic.rows
        switch words.words.first {
        case nil: break
        case "all": rows = view.gic.allRows
        case "pending": rows = view.gic.allRows.filter(\.isPending)
        case "active": rows = view.gic.allRows.filter(\.isActive)
        case "enabled": rows = view.gic.allRows.filter(\.isEnabled)
        case let word?: throw Refusal("\(word): expected pending, active, enabled or all")
        }
        if let processor = words.processor { rows = rows.filter { $0.processor.map { $0 == processor } ?? true } }
        if words.isJSON { return JSON.array(rows.map(\.json)).description }
        return rows.isEmpty ? "none" : trimmed(rows.text(at: view.now))
    }

    func describeGIC(_ words: [Substring]) throws(Refusal) -> String {
        let words = try gicWords(words, 1).words
        let gic = try target.gic().gic
        switch words.words.first {
        case nil where words.isJSON: return (words.processor.map { gic.json(cpu: $0) } ?? gic.json).description
        case nil: return trimmed(gic.text(cpu: words.processor))
        case "raw": return trimmed(gic.rawText(cpu: words.processor ?? selected))
        case let word?: throw Refusal("\(word): expected raw")
        }
    }

    func showGICInterrupt(_ words: [Substring]) throws(Refusal) -> String {
        let words = try gicWords(words, 1)
        let view = try target.gic()
        let id = try words.id()
        if words.words.isJSON { return view.gic.row(id, words.cpu).json.description }
        let text = view.gic.describe(id, cpu: words.cpu, device: view.devices[id] ?? "", at: view.now)
        return trimmed(text + view.gic.explain(id, cpu: words.words.processor, view.facts).text)
    }

    func explainGICInterrupt(_ words: [Substring]) throws(Refusal) -> String {
        let words = try gicWords(words, 1)
        let view = try target.gic()
        let checks = view.gic.explain(try words.id(), cpu: words.words.processor, view.facts)
        return words.words.isJSON ? JSON.array(checks.map(\.json)).description : trimmed(checks.text)
    }

    // MARK: The record

    func traceGIC(_ words: [Substring]) throws(Refusal) -> String {
        try trace(words, try recordOfGIC().trace) { trimmed($0) }
    }

    func saveGICTimeline(_ words: [Substring]) throws(Refusal) -> String {
        try saveTimeline(words, try recordOfGIC().trace)
    }

    func gicStatistics(_ words: [Substring]) throws(Refusal) -> String {
        let words = try gicWords(words, 1)
        let statistics = try recordOfGIC().statistics
        if words.words.isJSON { return statistics.json().description }
        return trimmed(words.words.words.isEmpty ? statistics.text() : statistics.text(.line(try words.id())))
    }

    func gicWarnings(_ words: [Substring]) throws(Refusal) -> String {
        let words = try gicWords(words, 0).words
        let warnings = try recordOfGIC().warnings
        let view = try target.gic()
        let missing = (view.gic as? GICv2)?.missingEnds(at: view.now) ?? []
        return words.isJSON ? warnings.json(with: missing).description : trimmed(warnings.text(with: missing))
    }

    // MARK: The virtualization extensions

    /// The three ways of an interrupt through list registers, each played once on the model.
    func showFlows(_ words: [Substring]) throws(Refusal) -> String {
        let words = try gicWords(words, 1).words
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
