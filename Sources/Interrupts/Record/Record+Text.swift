// `irq trace` and `irq stats`.

import Primitives

extension InterruptTrace {
    /// The last `count` events as a table. `place` names a program counter; times are in microseconds from the first
    /// line, the last column from the line before.
    package func text(_ count: Int = .max, place: (UInt64) -> String = { hexadecimal($0) }) -> String {
        let events = last(count)
        if events.isEmpty { return "no events\n" }
        func right(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: Swift.max(0, width - text.count)) + text
        }
        func left(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: Swift.max(0, width - text.count))
        }
        func microseconds(_ time: UInt64) -> String { "\(time / 1000).\(time % 1000 / 100)" }
        var lines = [right("seq", 6) + right("t(us)", 12) + " cpu  " + left("id", 6) + left("event", 9) + "detail"]
        var before: UInt64?
        for event in events {
            var words = event.cause.text.isEmpty ? [] : [event.cause.text]
            if event.detail != .none { words.append(event.detailText) }
            if event.vector != 0 { words.append("vec=\(hexadecimal(event.vector, digits: 2))") }
            if event.programCounter != 0 { words.append("pc=\(place(event.programCounter))") }
            let detail = words.joined(separator: " ")
            let delta = before.map { microseconds(event.time &- $0) } ?? "-"
            lines.append(
                right("\(event.sequence)", 6) + right(microseconds(event.time &- events[0].time), 12)
                    + right(event.processor.map { "\($0)" } ?? "-", 4) + "  " + left("\(event.number)", 6)
                    + left(event.kind.name, 9) + left(detail, 40) + " " + delta
            )
            before = event.time
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The same events; times in nanoseconds of `ModelTime`.
    package func json(_ count: Int = .max) -> JSON {
        .array(
            last(count).map { event in
                .object([
                    ("seq", .number(event.sequence)), ("time_ns", .number(event.time)),
                    ("event", .string(event.kind.name)), ("irq", .string("\(event.number)")),
                    ("cpu", .optional(event.processor) { .number($0) }), ("vector", .number(UInt64(event.vector))),
                    ("cause", .string(event.cause.text)), ("pc", .string(hexadecimal(event.programCounter))),
                ])
            }
        )
    }
}

extension InterruptStatistics {
    private static let stages: [(stage: InterruptCounts.Stage, name: String)] = [
        (.pendToDeliver, "pend->deliver"), (.deliverToAcknowledge, "deliver->ack"), (.acknowledgeToEnd, "ack->eoi"),
    ]

    /// Counts and latencies of one interrupt, or of all.
    package func text(_ wanted: InterruptNumber? = nil) -> String {
        let lines = (wanted.map { [$0] } ?? numbers).flatMap { number -> [String] in
            guard let counts = self[number] else { return ["irq \(number): never seen"] }
            return ["irq \(number): " + Self.summary(counts)]
                + Self.stages.compactMap { stage, name in Self.line(name, counts[stage]) }
        }
        return lines.isEmpty ? "no interrupts seen\n" : lines.joined(separator: "\n") + "\n"
    }

    private static func summary(_ counts: InterruptCounts) -> String {
        InterruptEvent.Kind.allCases.filter { counts[$0] > 0 }.map { "\($0.name) \(counts[$0])" }
            .joined(separator: ", ")
    }

    private static func line(_ name: String, _ histogram: LatencyHistogram) -> String? {
        guard let half = histogram.percentile(50), let most = histogram.percentile(99) else { return nil }
        return "  \(name): p50 \(duration(half)), p99 \(duration(most)), max \(duration(histogram.longest))"
    }

    /// `withoutLocalAPICs` for a record that leaves them out: what may have happened there unseen is null.
    package func json(withoutLocalAPICs: Bool = false) -> JSON {
        let unseen: Set<InterruptEvent.Kind> =
            withoutLocalAPICs ? [.deliver, .acknowledge, .endOfInterrupt, .coalesce, .spurious] : []
        return .array(
            numbers.compactMap { number in
                guard let counts = self[number] else { return nil }
                var members: [(String, JSON)] = [("irq", .string("\(number)"))]
                members += InterruptEvent.Kind.allCases.map { kind in
                    (kind.name, counts[kind] == 0 && unseen.contains(kind) ? .null : .number(counts[kind]))
                }
                for (stage, name) in Self.stages {
                    let histogram = counts[stage]
                    if histogram.count == 0, withoutLocalAPICs {
                        members.append((name, .null))
                        continue
                    }
                    members.append(
                        (
                            name,
                            .object([
                                ("count", .number(histogram.count)),
                                ("p50_ns", .optional(histogram.percentile(50)) { .number($0) }),
                                ("p99_ns", .optional(histogram.percentile(99)) { .number($0) }),
                                ("max_ns", .number(histogram.longest)),
                            ])
                        )
                    )
                }
                return .object(members)
            }
        )
    }
}
