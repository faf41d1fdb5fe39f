// The trace as a Chrome trace ("Trace Event Format", the JSON object form), which chrome://tracing and Perfetto show:
// a track for each processor with an interrupt's time in service as a complete event ("X"), and every single event as
// an instant ("i"). Times are in microseconds.

import Primitives

extension InterruptTrace {
    /// Processors are threads of process 1; what belongs to none is thread 0, processor N thread N + 1.
    package var timeline: JSON {
        let events = last()
        let start = events.first?.time ?? 0
        let threads = Set(events.map { Self.thread($0.processor) }).sorted()
        var rows = threads.map { thread in
            JSON.object([
                ("name", .string("thread_name")), ("ph", .string("M")), ("pid", .number(1)), ("tid", .number(thread)),
                ("args", .object([("name", .string(thread == 0 ? "controllers" : "cpu \(thread - 1)"))])),
            ])
        }
        var begun: [Int: [Service: InterruptEvent]] = [:]
        for event in events {
            let thread = Self.thread(event.processor)
            if event.kind == .acknowledge { begun[thread, default: [:]][Service(event)] = event }
            if event.kind == .endOfInterrupt, let first = begun[thread]?.removeValue(forKey: Service(event)) {
                rows.append(Self.service(first, event, since: start))
            }
            rows.append(Self.instant(event, since: start))
        }
        return .object([("traceEvents", .array(rows)), ("displayTimeUnit", .string("ns"))])
    }

    /// What a processor can have in service once: a vector on a PC, an INTID on a GIC.
    private struct Service: Hashable {
        private let number: InterruptNumber
        private let vector: UInt8

        init(_ event: InterruptEvent) {
            number = event.vector == 0 ? event.number : .vector(event.vector)
            vector = event.vector
        }
    }

    private static func thread(_ processor: Int?) -> Int { processor.map { $0 + 1 } ?? 0 }

    private static func service(_ first: InterruptEvent, _ end: InterruptEvent, since start: UInt64) -> JSON {
        .object([
            ("name", .string("irq \(first.number)")), ("ph", .string("X")), ("cat", .string("service")),
            ("ts", .thousandths(first.time &- start)), ("dur", .thousandths(end.time &- first.time)),
            ("pid", .number(1)), ("tid", .number(thread(first.processor))), ("args", arguments(first)),
        ])
    }

    private static func instant(_ event: InterruptEvent, since start: UInt64) -> JSON {
        .object([
            ("name", .string("\(event.kind.name) \(event.number)")), ("ph", .string("i")), ("s", .string("t")),
            ("cat", .string(event.kind.name)), ("ts", .thousandths(event.time &- start)), ("pid", .number(1)),
            ("tid", .number(thread(event.processor))), ("args", arguments(event)),
        ])
    }

    private static func arguments(_ event: InterruptEvent) -> JSON {
        .object([
            ("seq", .number(event.sequence)), ("irq", .string("\(event.number)")),
            ("vector", .number(UInt64(event.vector))), ("cause", .string(event.cause.text)),
            ("pc", .string(hexadecimal(event.programCounter))),
        ])
    }
}
