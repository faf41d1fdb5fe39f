import Interrupts
import Primitives

// Looking at interrupt controllers.
extension Session {
    private func parse(_ words: [Substring]) throws(Refusal) -> InterruptWords {
        try InterruptWords(words, processors: processorCount)
    }

    /// A text of the controllers, or the same as JSON; `recorded` for what only the built-in model has.
    func show(
        _ words: [Substring], recorded: Bool = false, _ body: (InterruptView) -> (text: String, json: JSON)
    ) throws(Refusal) -> String {
        let words = try parse(words).limited(to: 0)
        let view = try recorded ? recordedInterrupts() : target.interrupts()
        let (text, json) = body(view)
        return words.isJSON ? json.description : recorded ? noted(text, view) : trimmed(text)
    }

    /// With what the record leaves out.
    private func noted(_ text: String, _ view: InterruptView) -> String {
        let text = trimmed(text)
        guard view.record == .lines else { return text }
        return text
            + "\nn/a (kernel irqchip): deliver, ack, eoi of edges; local timers and IPIs: --irqchip apic records all"
    }

    private func recordedInterrupts() throws(Refusal) -> InterruptView {
        let view = try target.interrupts()
        guard view.record != .nothing else {
            throw Refusal("n/a (kernel irqchip): the kernel reports no events; --irqchip apic records everything")
        }
        return view
    }

    func trimmed(_ text: String) -> String { text.hasSuffix("\n") ? String(text.dropLast()) : text }

    func listInterrupts(_ words: [Substring]) throws(Refusal) -> String {
        let words = try parse(words).limited(to: 1)
        let view = try target.interrupts()
        var rows = view.controllers.rows.map(view.known)
        switch words.words.first ?? "all" {
        case "all": break
        case "pending": rows = rows.filter(\.isPending)
        case "active": rows = rows.filter(\.isActive)
        case "enabled": rows = rows.filter(\.isEnabled)
        case let word: throw Refusal("\(word): expected pending, active, enabled or all")
        }
        if let processor = words.processor {
            rows = rows.filter { row in
                row.processor.map { $0 == processor } ?? true
            }
        }
        if words.isJSON { return JSON.array(rows.map(\.json)).description }
        return rows.isEmpty ? "none" : trimmed(rows.text(at: view.now))
    }

    func describeLocalAPIC(_ words: [Substring]) throws(Refusal) -> String {
        let words = try parse(words).limited(to: 1)
        let processor = try words.words.first.map { word throws(Refusal) in
            try InterruptWords.processor(word, processorCount)
        }
        let number = processor ?? words.processor ?? selected
        let registers = try target.interrupts().locals[number]
        return words.isJSON ? registers.json(cpu: number).description : trimmed(registers.text(cpu: number))
    }

    func showInterrupt(_ words: [Substring]) throws(Refusal) -> String {
        let words = try parse(words).limited(to: 1)
        let view = try target.interrupts()
        let line = try words.line()
        guard let pin = view.controllers.pin(of: line) else { throw Refusal("no device can have input \(line)") }
        let row = view.known(view.controllers.row(ofPin: pin))
        if words.isJSON { return row.json.description }
        var text = [row].text(at: view.now)
        if view.record != .nothing { text += view.controllers.journal.statistics.text(row.number) }
        return trimmed(text + view.controllers.explain(line: line, cpu: words.processor, view.facts).text)
    }

    func explainInterrupt(_ words: [Substring]) throws(Refusal) -> String {
        let words = try parse(words)
        let view = try target.interrupts()
        let checks: [InterruptCheck]
        if words.words.first == "vector" {
            _ = try words.limited(to: 2)
            checks = view.controllers.explain(
                vector: try words.vector(at: 1), cpu: words.processor ?? selected, view.facts)
        } else {
            checks = view.controllers.explain(line: try words.limited(to: 1).line(), cpu: words.processor, view.facts)
        }
        return words.isJSON ? JSON.array(checks.map(\.json)).description : trimmed(checks.text)
    }

    func traceInterrupts(_ words: [Substring]) throws(Refusal) -> String {
        let view = try recordedInterrupts()
        return try trace(words, view.controllers.journal.trace) { noted($0, view) }
    }

    /// `irq trace` of any controller; `note` adds what the text leaves out.
    func trace(
        _ words: [Substring], _ trace: InterruptTrace, _ note: (String) -> String
    ) throws(Refusal) -> String {
        let words = try parse(words).limited(to: 1)
        switch words.words.first {
        case "on", "off":
            _ = try target.perform(.record(words.words[0] == "on"))
            return "the trace is \(words.words[0])"
        case "clear":
            _ = try target.perform(.clearRecord)
            return "the trace is empty"
        default:
            let count = try words.words.first.map { word throws(Refusal) in try monitorNumber(word) } ?? 20
            if words.isJSON { return trace.json(Int(clamping: count)).description }
            return note(trace.text(Int(clamping: count)))
        }
    }

    func saveTimeline(_ words: [Substring]) throws(Refusal) -> String {
        try saveTimeline(words, try recordedInterrupts().controllers.journal.trace)
    }

    func saveTimeline(_ words: [Substring], _ trace: InterruptTrace) throws(Refusal) -> String {
        guard words.count == 1, let name = words.first else { throw Refusal("which file? irq timeline FILE") }
        try target.save(Array("\(trace.timeline)\n".utf8), as: String(name))
        return "\(trace.last().count) events in \(name); open it in https://ui.perfetto.dev or chrome://tracing"
    }

    func interruptStatistics(_ words: [Substring]) throws(Refusal) -> String {
        let words = try parse(words).limited(to: 1)
        let view = try recordedInterrupts()
        let statistics = view.controllers.journal.statistics
        if words.isJSON { return statistics.json(withoutLocalAPICs: view.record == .lines).description }
        guard !words.words.isEmpty else { return noted(statistics.text(), view) }
        return noted(statistics.text(.line(try words.line())), view)
    }
}
