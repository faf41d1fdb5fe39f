/// The last events, in a ring of fixed size.
package struct InterruptTrace: Sendable {
    package let capacity: Int
    /// Whether events are kept. Those before stay.
    package var isOn: Bool
    private var ring: [InterruptEvent] = []
    /// How many events there were since the last `clear`, kept or overwritten.
    package private(set) var total: UInt64 = 0

    /// The ring takes its memory here, not while events come.
    package init(capacity: Int, isOn: Bool = true) {
        precondition(capacity > 0, "a trace of no events")
        self.capacity = capacity
        self.isOn = isOn
        ring.reserveCapacity(capacity)
    }

    mutating func append(_ event: InterruptEvent) {
        guard isOn else { return }
        var event = event
        event.sequence = total
        if ring.count < capacity { ring.append(event) } else { ring[Int(total % UInt64(capacity))] = event }
        total += 1
    }

    package mutating func clear() {
        ring.removeAll(keepingCapacity: true)
        total = 0
    }

    /// The last `count` events that are still there, oldest first.
    package func last(_ count: Int = .max) -> [InterruptEvent] {
        let number = UInt64(clamping: Swift.min(Swift.max(count, 0), ring.count))
        return (total - number..<total).map { ring[Int($0 % UInt64(capacity))] }
    }

    /// How many events the ring has lost.
    package var lost: UInt64 { total - UInt64(ring.count) }
}
