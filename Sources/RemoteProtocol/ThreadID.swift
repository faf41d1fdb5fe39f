// Which thread a packet means. GDB manual, "Remote Serial Protocol", Packets: "thread-id syntax".

import Primitives

/// A thread, or all or any threads, of one, all or any processes.
package struct ThreadID: Hashable, Sendable {
    package enum Selector: Hashable, Sendable {
        /// Written `-1`.
        case all
        /// Written `0`: whichever the stub likes.
        case any
        /// From 1.
        case one(Int)
    }

    /// The process, or nil in an id without one (`2` instead of `p1.2`).
    package var process: Selector?
    package var thread: Selector

    package init(process: Selector? = nil, thread: Selector) {
        self.process = process
        self.thread = thread
    }

    package init(process: Int, thread: Int) { self.init(process: .one(process), thread: .one(thread)) }

    package static let all = ThreadID(thread: .all)
    package static let any = ThreadID(thread: .any)

    /// Whether this thread of that process is meant; `all` and `any` mean every one.
    package func matches(process number: Int, thread threadNumber: Int) -> Bool {
        (process?.matches(number) ?? true) && thread.matches(threadNumber)
    }
}

extension ThreadID.Selector {
    package func matches(_ number: Int) -> Bool {
        switch self {
        case .all, .any: true
        case .one(let own): own == number
        }
    }
}

extension PacketReader {
    /// `p1.2`, `p1` (all its threads), `2`, `-1`, `0`; one thread of all processes makes no sense and is refused.
    mutating func thread() throws(Malformed) -> ThreadID {
        guard skip("p") else { return ThreadID(thread: try threadSelector()) }
        let process = try threadSelector()
        guard skip(".") else { return ThreadID(process: process, thread: .all) }
        let thread = try threadSelector()
        if case .one = thread, process == .all { throw .badThread }
        return ThreadID(process: process, thread: thread)
    }

    private mutating func threadSelector() throws(Malformed) -> ThreadID.Selector {
        if skip("-") {
            guard try number() == 1 else { throw .badThread }
            return .all
        }
        guard peek.map({ hexDigit(UInt8(truncatingIfNeeded: $0.value)) != nil }) == true else { throw .badThread }
        let number = try number(as: Int.self)
        return number == 0 ? .any : .one(number)
    }
}
