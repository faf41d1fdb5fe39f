import CLinux
import Glibc

/// State behind a lock, and threads that sleep until it says what they wait for.
///
/// - Note: `@unchecked Sendable`: `state` is accessed only with `mutex` held.
package final class Condition<State>: @unchecked Sendable {
    private var state: State
    private let primitives = SleepingLock()

    package init(_ state: State) { self.state = state }

    /// Runs `body` on the state and wakes every sleeper, who looks at its condition again.
    package func update<R>(_ body: (inout State) -> R) -> R {
        primitives.lock()
        defer {
            primitives.wakeAll()
            primitives.unlock()
        }
        return body(&state)
    }

    /// The same, and wakes them only where `body` says so.
    package func change<R>(_ body: (inout State) -> (R, wakes: Bool)) -> R {
        primitives.lock()
        defer { primitives.unlock() }
        let (result, wakes) = body(&state)
        if wakes { primitives.wakeAll() }
        return result
    }

    /// Runs `body` on the state and wakes no thread.
    package func look<R>(_ body: (inout State) -> R) -> R {
        primitives.lock()
        defer { primitives.unlock() }
        return body(&state)
    }

    /// Sleeps until `body` returns something.
    package func wait<R>(until body: (inout State) -> R?) -> R {
        primitives.lock()
        defer { primitives.unlock() }
        while true {
            if let result = body(&state) { return result }
            primitives.sleep()
        }
    }

    /// Sleeps until `body` returns something, at most about `milliseconds`; nil when the time is over.
    package func wait<R>(milliseconds: Int, until body: (inout State) -> R?) -> R? {
        let deadline = Clock.monotonic + UInt64(milliseconds) * 1_000_000
        primitives.lock()
        defer { primitives.unlock() }
        while true {
            if let result = body(&state) { return result }
            if !primitives.sleep(until: deadline) { return body(&state) }
        }
    }
}
