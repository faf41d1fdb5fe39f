/// What became of one interrupt so far.
package struct InterruptCounts: Equatable, Sendable {
    /// A part of an interrupt's way.
    package enum Stage: Int, CaseIterable, Sendable {
        case pendToDeliver
        case deliverToAcknowledge
        case acknowledgeToEnd
    }

    private var events = [UInt64](repeating: 0, count: InterruptEvent.Kind.allCases.count)
    private var latencies = [LatencyHistogram](repeating: LatencyHistogram(), count: Stage.allCases.count)
    /// When it last pended, in nanoseconds of `ModelTime`.
    package private(set) var last: UInt64?

    /// How often this kind of event happened.
    package subscript(kind: InterruptEvent.Kind) -> UInt64 { events[Int(kind.rawValue)] }
    /// How long this part took.
    package subscript(stage: Stage) -> LatencyHistogram { latencies[stage.rawValue] }

    fileprivate mutating func count(_ event: InterruptEvent) {
        events[Int(event.kind.rawValue)] += 1
        if event.kind == .pend { last = event.time }
    }

    fileprivate mutating func add(_ nanoseconds: UInt64, to stage: Stage) { latencies[stage.rawValue].add(nanoseconds) }
}

/// Counts and latencies of every interrupt that ever happened. Memory is taken once for each, some 4 KiB.
package struct InterruptStatistics: Sendable {
    /// Where the counts of a number are; all ones: nowhere yet.
    private var places = [UInt16](repeating: .max, count: InterruptNumber.limit)
    private var rows: [InterruptCounts] = []

    package init() {}

    package subscript(number: InterruptNumber) -> InterruptCounts? {
        let place = places[Int(number.rawValue)]
        return place == .max ? nil : rows[Int(place)]
    }

    /// Those that happened, by rising number.
    package var numbers: [InterruptNumber] {
        (0..<UInt16(InterruptNumber.limit)).map { InterruptNumber(rawValue: $0) }
            .filter { places[Int($0.rawValue)] != .max }
    }

    mutating func count(_ event: InterruptEvent) { rows[row(of: event.number)].count(event) }

    mutating func add(_ nanoseconds: UInt64, to stage: InterruptCounts.Stage, of number: InterruptNumber) {
        rows[row(of: number)].add(nanoseconds, to: stage)
    }

    private mutating func row(of number: InterruptNumber) -> Int {
        if places[Int(number.rawValue)] == .max {
            places[Int(number.rawValue)] = UInt16(rows.count)
            rows.append(InterruptCounts())
        }
        return Int(places[Int(number.rawValue)])
    }
}
