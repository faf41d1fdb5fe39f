import Glibc
import Synchronization

/// One line on standard error in the form every diagnostic has: `stubvisor: TEXT`. Never waits for who reads it.
package func diagnose(_ text: String) { standardError.append("stubvisor: \(text)\n".utf8) }

/// Writes what is left of the diagnostics, for as long as they are read.
func finishDiagnostics() {
    diagnoseOmissions()
    standardError.finish(milliseconds: 300)
}

private let standardError: OutputQueue = {
    let queue = OutputQueue("diagnostics", capacity: 1 << 16) { bytes in
        do throws(Errno) { return .taken(try writeSome(bytes, to: STDERR_FILENO)) } catch {
            return .lost(error, isFinal: error == .brokenPipe)
        }
    }
    try? queue.start()
    return queue
}()

/// Holds down a line that comes again and again: the first few pass, then one a second, with the number of those that
/// did not. A quiet time brings the first few back. Time comes in as nanoseconds.
package struct RepetitionLimit: Sendable {
    /// Lines that pass at once.
    package static let burst: UInt64 = 5
    private static let second: UInt64 = 1_000_000_000

    private var allowance = Self.burst
    /// Since when `allowance` has grown.
    private var counted: UInt64 = 0
    /// Lines held down since the last one that passed.
    package private(set) var omitted = 0

    package init() {}

    /// How many lines were held down before this one; nil where this one is held down, too.
    package mutating func admit(at now: UInt64) -> Int? {
        if allowance == Self.burst { counted = now }
        let seconds = (now - counted) / Self.second
        allowance = min(allowance + seconds, Self.burst)
        counted += seconds * Self.second
        guard allowance > 0 else {
            omitted += 1
            return nil
        }
        allowance -= 1
        defer { omitted = 0 }
        return omitted
    }
}

/// Messages that a guest, or any sender that reaches a port, can cause as often as it likes.
package enum RepeatedDiagnostic: CaseIterable, Sendable {
    case reset, halt, undecodedAccess, message, watchpoint, registerFilter, interruptInput, disk
    case refusedClient, shortage
}

private let limits = Mutex<[RepeatedDiagnostic: RepetitionLimit]>([:])

/// One line on standard error, as `diagnose` without a kind, for what may come without end: see RepetitionLimit.
package func diagnose(_ kind: RepeatedDiagnostic, _ text: String) {
    let omitted = limits.withLock { $0[kind, default: RepetitionLimit()].admit(at: Clock.monotonic) }
    guard let omitted else { return }
    diagnose(omitted == 0 ? text : "\(text) (\(omitted) more like it since the last line)")
}

/// At the end of the program: how many lines were held down and not yet counted.
private func diagnoseOmissions() {
    let counts = limits.withLock { limits in
        defer { limits = [:] }
        return RepeatedDiagnostic.allCases.compactMap { limits[$0]?.omitted }
    }
    let omitted = counts.reduce(0, +)
    if omitted > 0 { diagnose("\(omitted) more lines like those before were left out") }
}
