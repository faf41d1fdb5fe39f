/// Output that never holds up the thread it comes from: a bounded buffer, and a thread that writes it. What the reader
/// does not take in time is dropped, and counted.
package final class OutputQueue: Sendable {
    /// What became of bytes handed to the sink.
    package enum Outcome: Sendable {
        /// That many were taken, at least one.
        case taken(Int)
        /// All are lost. Nothing that follows can be written either where it `isFinal`.
        case lost(Errno, isFinal: Bool)
    }

    /// What a user should know.
    package enum Event: Equatable, Sendable {
        /// The buffer is full: what comes now is dropped.
        case overflowing
        /// There is room again, and that many bytes were dropped meanwhile.
        case resumed(dropped: UInt64)
        /// Output was refused, for the first time since some was written.
        case refused(Errno)
    }

    private struct State: Sendable {
        var pending: [UInt8] = []
        /// Bytes that the thread has taken out of `pending` and not written yet.
        var inFlight = 0
        var written: UInt64 = 0
        var dropped: UInt64 = 0
        /// `dropped` when the buffer was last found full; nil while there is room.
        var overflowBegan: UInt64?
        /// `pending` is not to wait for more.
        var isUrgent = false
        /// No reader took anything for as long as a flush waited.
        var isStuck = false
        /// The last output was refused.
        var isRefused = false
        /// Nothing can be written any more.
        var isOver = false
        var isEnded = false

        var count: Int { pending.count + inFlight }
    }

    private let name: String
    private let capacity: Int
    private let state = Condition(State())
    private let sink: @Sendable (ArraySlice<UInt8>) -> Outcome
    private let attempt: (@Sendable (ArraySlice<UInt8>) -> Int)?
    private let report: @Sendable (Event) -> Void

    /// Milliseconds that a part of a line waits for the rest of it.
    private static let pause = 20
    /// Bytes handed to the sink at a time: what a pipe takes as a whole.
    private static let portion = 4096

    /// `sink` may block: the queue's own thread, `name`, calls it. `report` must not, and neither must `attempt`, which
    /// spares a line the way through that thread where it can: it returns how many bytes it took.
    package init(
        _ name: String, capacity: Int, report: @escaping @Sendable (Event) -> Void = { _ in },
        attempt: (@Sendable (ArraySlice<UInt8>) -> Int)? = nil,
        to sink: @escaping @Sendable (ArraySlice<UInt8>) -> Outcome
    ) {
        self.name = name
        self.capacity = capacity
        self.report = report
        self.attempt = attempt
        self.sink = sink
    }

    /// Starts the thread; until then output only gathers. `finish` ends it.
    package func start() throws(Errno) { _ = try Thread.start(name) { self.live() } }

    /// Bytes dropped so far.
    package var dropped: UInt64 { state.look { $0.dropped } }

    package func append(_ byte: UInt8) { append(CollectionOfOne(byte), endsLine: byte == UInt8(ascii: "\n")) }

    /// Takes all of `bytes`, or drops them. They are written at once where a line ends with them.
    package func append(_ bytes: some Collection<UInt8>, endsLine: Bool = true) {
        let event = state.change { state -> (Event?, wakes: Bool) in
            guard !state.isOver, state.overflowBegan == nil, state.count + bytes.count <= capacity else {
                let isFirst = !state.isOver && state.overflowBegan == nil
                if isFirst { state.overflowBegan = state.dropped }
                state.dropped += UInt64(bytes.count)
                return (isFirst ? .overflowing : nil, wakes: false)
            }
            let isFirst = state.pending.isEmpty
            state.pending += bytes
            let wasUrgent = state.isUrgent
            if endsLine || state.pending.count >= Self.portion { state.isUrgent = true }
            if state.isUrgent, state.inFlight == 0, let taken = attempt?(state.pending[...]), taken > 0 {
                state.written += UInt64(taken)
                state.pending.removeFirst(taken)
                state.isUrgent = !state.pending.isEmpty
                return (nil, wakes: state.isUrgent)
            }
            return (nil, wakes: isFirst || state.isUrgent && !wasUrgent)
        }
        if let event { report(event) }
    }

    /// Waits until all is written. At most about `milliseconds` without any being taken, and ten times that in all; not
    /// at all where the reader was found stuck before. False when something is left.
    @discardableResult
    package func flush(milliseconds: Int) -> Bool {
        // Most stops find nothing: the thread is not woken for that.
        let (isEmpty, isStuck) = state.look { ($0.count == 0, $0.isStuck) }
        if isEmpty || isStuck { return isEmpty }
        let end = Clock.monotonic + UInt64(milliseconds) * 10_000_000
        repeat {
            let before = state.update { state in
                state.isUrgent = true
                return state.written + state.dropped
            }
            let isEmpty = state.wait(milliseconds: milliseconds) { state -> Bool? in
                if state.count == 0 { return true }
                return state.written + state.dropped > before ? false : nil
            }
            if isEmpty == true { return true }
            if isEmpty == nil { break }
        } while Clock.monotonic < end
        state.look { $0.isStuck = $0.count > 0 }
        return false
    }

    /// Writes what is left, as `flush` does, and ends the thread: once it is out of the sink.
    package func finish(milliseconds: Int) {
        state.look { $0.isStuck = false }
        flush(milliseconds: milliseconds)
        let lost = state.update { state in
            state.isEnded = true
            state.dropped += UInt64(state.count)
            return state.overflowBegan.map { state.dropped - $0 } ?? UInt64(state.count)
        }
        if lost > 0 { report(.resumed(dropped: lost)) }
    }

    // MARK: - The thread

    private func live() {
        try? Privileges.dropFromThread()
        while let bytes = take() { write(bytes) }
    }

    /// Output to write, once there is some and its line is complete or has waited long enough; nil at the end.
    private func take() -> [UInt8]? {
        state.wait { $0.isEnded || !$0.pending.isEmpty ? () : nil }
        _ = state.wait(milliseconds: Self.pause) { $0.isEnded || $0.isUrgent ? () : nil }
        return state.look { state in
            guard !state.isEnded else { return nil }
            let bytes = state.pending
            (state.pending, state.inFlight, state.isUrgent) = ([], bytes.count, false)
            return bytes
        }
    }

    private func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let portion = rest.prefix(Self.portion)
            let outcome = sink(portion)
            if case .taken(let count) = outcome { rest = rest.dropFirst(count) } else { rest = [] }
            let events = state.update { note(outcome, left: rest.count, &$0) }
            events.forEach(report)
            if state.look({ $0.isEnded }) { return }
        }
    }

    private func note(_ outcome: Outcome, left: Int, _ state: inout State) -> [Event] {
        var events: [Event] = []
        state.isStuck = false
        switch outcome {
        case .taken(let count):
            state.written += UInt64(count)
            state.isRefused = false
        case .lost(let errno, let isFinal):
            state.dropped += UInt64(state.inFlight)
            if !state.isRefused { events.append(.refused(errno)) }
            state.isRefused = true
            if isFinal {
                state.dropped += UInt64(state.pending.count)
                (state.isOver, state.pending, state.overflowBegan) = (true, [], nil)
            }
        }
        state.inFlight = left
        if let began = state.overflowBegan, state.count <= capacity / 2 {
            state.overflowBegan = nil
            events.append(.resumed(dropped: state.dropped - began))
        }
        return events
    }
}
