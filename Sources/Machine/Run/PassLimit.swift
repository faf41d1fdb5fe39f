import Host

/// How long a vCPU may try to get past one instruction while it leaves calls of other threads pending (see
/// `deferringKicks`).
///
/// A single instruction takes microseconds. But one that faults into a handler which faults again, without end, is never
/// done, and each call out of the guest would be put off. What counts is the thread's own processor time, guest mode
/// included: a thread that a busy host does not schedule uses none.
struct PassLimit {
    /// Nanoseconds of processor time.
    private static let limit: UInt64 = 100_000_000

    private let start = Clock.threadTime

    var isReached: Bool { Clock.threadTime - start > Self.limit }
}
