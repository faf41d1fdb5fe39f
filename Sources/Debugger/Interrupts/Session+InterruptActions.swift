import Interrupts
import Primitives

// Making interrupts by hand.
extension Session {
    private func parse(_ words: [Substring]) throws(Refusal) -> InterruptWords {
        try InterruptWords(words, processors: processorCount)
    }

    func injectLine(_ words: [Substring]) throws(Refusal) -> String {
        let words = try parse(words).limited(to: 2).withoutProcessor()
        let line = try words.line()
        let before = try target.interrupts().controllers
        guard let pin = before.pin(of: line) else { throw Refusal("no device can have input \(line)") }
        let isLevel: Bool
        switch words.words.dropFirst().first {
        case nil: isLevel = before.ioapic.entries[pin].isLevel
        case "level": isLevel = true
        case "edge", "pulse": isLevel = false
        case let word?: throw Refusal("\(word): expected edge, level or pulse")
        }
        guard isLevel || !before.level(of: line) else {
            throw Refusal(
                "line \(line) is high already: a pulse would be no edge; lower-irq \(line) lowers what inject-irq raised"
            )
        }
        _ = try target.perform(isLevel ? .setLine(line, true) : .pulse(line))
        let done = isLevel ? "line \(line) is high; no device lowers it: lower-irq \(line) does" : "line \(line) pulsed"
        return "\(done)\n\(try prospect(of: line))"
    }

    /// Whether what was injected will arrive.
    private func prospect(of line: Int) throws(Refusal) -> String {
        let view = try target.interrupts()
        let checks = view.controllers.explain(line: line, view.facts)
        // The pulse is over: that the line is low again blocks nothing.
        let obstacle = checks.first { $0.obstacle != nil && $0.obstacle != .lineLow && $0.obstacle != .edgePassed }
        guard let obstacle else { return "will deliver on resume" }
        return "BLOCKED: \(obstacle.reason) (\(obstacle.stage), \(obstacle.condition))"
    }

    func lowerLine(_ words: [Substring]) throws(Refusal) -> String {
        let line = try parse(words).limited(to: 1).withoutProcessor().line()
        guard try target.perform(.setLine(line, false)) else { throw Refusal("no device can have input \(line)") }
        guard try target.interrupts().controllers.level(of: line) else { return "line \(line) is low" }
        return "line \(line) is still high: a device holds it"
    }

    func clearVector(_ words: [Substring]) throws(Refusal) -> String {
        let words = try parse(words).limited(to: 1)
        let (vector, processor) = (try words.vector(), words.processor ?? selected)
        guard try target.perform(.clear(vector: vector, processor: processor)) else {
            throw Refusal("vector \(vector) is not pending in the local APIC of vCPU \(processor)")
        }
        return "vector \(vector) is taken back"
    }

    func setMask(_ words: [Substring], _ isMasked: Bool) throws(Refusal) -> String {
        let line = try parse(words).limited(to: 1).withoutProcessor().line()
        guard try target.perform(.mask(line, isMasked)) else { throw Refusal("no device can have input \(line)") }
        return "interrupt \(line) is \(isMasked ? "masked" : "unmasked"); the guest is not notified"
    }

    func routeLine(_ words: [Substring]) throws(Refusal) -> String {
        let words = try parse(words).withoutProcessor()
        let line = try words.line()
        guard words.words.count == 2, let destination = UInt8(exactly: try monitorNumber(words.words[1])) else {
            throw Refusal("expected: irq route N DESTINATION, an 8-bit APIC id or logical mask")
        }
        guard try target.perform(.route(line, destination: destination)) else {
            throw Refusal("no device can have input \(line)")
        }
        return "interrupt \(line) goes to \(hexadecimal(destination))"
    }

    private func send(_ message: InterruptMessage) throws(Refusal) -> String {
        try target.perform(.message(message))
            ? "accepted; will deliver on resume" : "no local APIC accepted it: see irq warnings"
    }

    func injectVector(_ words: [Substring]) throws(Refusal) -> String {
        let words = try parse(words).limited(to: 1)
        let processor = words.processor ?? selected
        let view = try target.interrupts()
        return try send(InterruptMessage(vector: try words.vector(), to: view.controllers.locals[processor].id))
    }

    func injectIPI(_ words: [Substring]) throws(Refusal) -> String {
        let words = try parse(words)
        let vector = try words.vector()
        let locals = try target.interrupts().controllers.locals
        guard words.words.count == 3, words.words[1] == "to" else {
            throw Refusal("expected: inject-ipi VECTOR to C | all | others")
        }
        let targets: [Int]
        switch words.words[2] {
        case "all": targets = Array(locals.indices)
        case "others": targets = locals.indices.filter { $0 != selected }
        case let word: targets = [try InterruptWords.processor(word, locals.count)]
        }
        var accepted = 0
        for cpu in targets
        where try target.perform(.message(InterruptMessage(vector: vector, to: locals[cpu].id))) { accepted += 1 }
        return "accepted by \(accepted) of \(targets.count); will deliver on resume"
    }

    func injectMessage(_ words: [Substring]) throws(Refusal) -> String {
        guard words.count == 2, let data = UInt32(exactly: try monitorNumber(words[1])) else {
            throw Refusal("expected: inject-msi ADDRESS DATA, data of 32 bits")
        }
        guard let message = InterruptMessage(address: try monitorNumber(words[0]), data: data) else {
            throw Refusal("\(words[0]) means no interrupt: those are 0xfee00000 to 0xfeefffff")
        }
        return try send(message)
    }

    func injectNonMaskable(_ words: [Substring]) throws(Refusal) -> String {
        let count = processorCount
        let targets: [Int]
        guard words.count <= 1 else { throw Refusal("expected: inject-nmi [C | all]") }
        switch words.first {
        case nil: targets = [selected]
        case "all": targets = Array(0..<count)
        case let word?: targets = [try InterruptWords.processor(word, count)]
        }
        for processor in targets { _ = try target.perform(.nonMaskable(processor: processor)) }
        return "NMI for \(targets.count == 1 ? "vCPU \(targets[0])" : "every vCPU"); will deliver on resume"
    }

    func breakOnInterrupt(_ words: [Substring]) throws(Refusal) -> String {
        guard words.count == 3, words[1] == "on" else { throw Refusal("expected: irq break N on pend|deliver|ack|eoi") }
        return try addCatch(["irq", words[0], words[2]])
    }
}
