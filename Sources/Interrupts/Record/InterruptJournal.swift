// Everything that is remembered about interrupts beyond the controllers' own state: the trace, the statistics, the
// guest's mistakes, and the events that a debugger waits for. A controller owns one; its size is fixed at the start.

/// Where an interrupt waits: a table row, a processor's or one more for what belongs to none, and a slot in it.
package struct InterruptPlace: Hashable, Sendable {
    package let row: Int
    package let slot: Int

    package init(row: Int, slot: Int) {
        self.row = row
        self.slot = slot
    }
}

/// The memory of an interrupt controller.
package struct InterruptJournal: Sendable {
    package var trace: InterruptTrace
    package var statistics = InterruptStatistics()
    package var warnings = InterruptWarnings()

    /// An interrupt that is pending or delivered, and the one before it, which may still be in service.
    private struct Flight: Sendable {
        /// The one that waits.
        var number = InterruptNumber.line(0)
        /// When each event happened; nanoseconds of 0 stand for "not yet".
        var pended: UInt64 = 0
        var delivered: UInt64 = 0
        /// The one in service.
        var serving = InterruptNumber.line(0)
        var acknowledged: UInt64 = 0
    }

    private let slots: Int
    private var flights: [Flight]
    /// For each number, the kinds of event that a debugger waits for, by raw value.
    private var watches = [UInt16](repeating: 0, count: InterruptNumber.limit)
    /// The first event that a debugger waited for, until it is taken.
    package private(set) var hit: InterruptEvent?

    /// With a trace of `capacity` events, for `rows` times `slots` interrupts.
    package init(capacity: Int, rows: Int, slots: Int) {
        trace = InterruptTrace(capacity: capacity)
        self.slots = slots
        flights = [Flight](repeating: Flight(), count: rows * slots)
    }

    // MARK: Waiting for events

    /// Waits for events of `kind` of `number`, or no more.
    package mutating func watch(_ number: InterruptNumber, for kind: InterruptEvent.Kind, _ isOn: Bool = true) {
        let bit: UInt16 = 1 << UInt16(kind.rawValue)
        guard !isOn else {
            watches[Int(number.rawValue)] |= bit
            return
        }
        watches[Int(number.rawValue)] &= ~bit
        if hit?.number == number, hit?.kind == kind { hit = nil }
    }

    /// The first event that was waited for since the last call.
    package mutating func takeHit() -> InterruptEvent? {
        defer { hit = nil }
        return hit
    }

    // MARK: Recording

    mutating func record(_ event: InterruptEvent) {
        trace.append(event)
        statistics.count(event)
        if hit == nil, watches[Int(event.number.rawValue)] >> UInt16(event.kind.rawValue) & 1 != 0 { hit = event }
    }

    package mutating func pend(
        _ place: InterruptPlace, _ number: InterruptNumber, processor: Int?, vector: UInt8,
        cause: InterruptEvent.Cause, at now: ModelTime
    ) {
        let i = index(place)
        flights[i].number = number
        flights[i].pended = now.nanoseconds
        flights[i].delivered = 0
        record(InterruptEvent(.pend, number, processor: processor, vector: vector, cause: cause, at: now))
    }

    package mutating func deliver(
        _ place: InterruptPlace, processor: Int, vector: UInt8, detail: InterruptEvent.Detail = .none, at now: ModelTime
    ) {
        let i = index(place)
        let flight = flights[i]
        if flight.delivered == 0, flight.pended != 0 {
            statistics.add(now.nanoseconds &- flight.pended, to: .pendToDeliver, of: flight.number)
        }
        flights[i].delivered = now.nanoseconds
        record(
            InterruptEvent(.deliver, flight.number, processor: processor, vector: vector, detail: detail, at: now)
        )
    }

    package mutating func acknowledge(
        _ place: InterruptPlace, processor: Int, vector: UInt8, detail: InterruptEvent.Detail = .none, at now: ModelTime
    ) {
        let i = index(place)
        let flight = flights[i]
        if flight.delivered != 0 {
            statistics.add(now.nanoseconds &- flight.delivered, to: .deliverToAcknowledge, of: flight.number)
        }
        flights[i].serving = flight.number
        flights[i].acknowledged = now.nanoseconds
        record(
            InterruptEvent(.acknowledge, flight.number, processor: processor, vector: vector, detail: detail, at: now)
        )
    }

    package mutating func end(
        _ place: InterruptPlace, processor: Int?, vector: UInt8, detail: InterruptEvent.Detail = .none,
        at now: ModelTime
    ) {
        let i = index(place)
        let flight = flights[i]
        if flight.acknowledged != 0 {
            statistics.add(now.nanoseconds &- flight.acknowledged, to: .acknowledgeToEnd, of: flight.serving)
        }
        flights[i].acknowledged = 0
        record(
            InterruptEvent(
                .endOfInterrupt, flight.serving, processor: processor, vector: vector, detail: detail, at: now
            )
        )
    }

    /// When the interrupt in service at `place` was acknowledged, in nanoseconds; nil where that was not seen.
    func acknowledged(_ place: InterruptPlace) -> UInt64? {
        let moment = flights[index(place)].acknowledged
        return moment == 0 ? nil : moment
    }

    /// The interrupt that waits, or last waited, at `place`.
    func number(at place: InterruptPlace) -> InterruptNumber { flights[index(place)].number }

    private func index(_ place: InterruptPlace) -> Int { place.row * slots + place.slot }
}
