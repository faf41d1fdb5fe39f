import Glibc
import Synchronization

// What is done when the process ends, whichever way that comes about.

private let tasks = Mutex<[@Sendable () -> Void]>([])
private let isEnding = Atomic<Bool>(false)

/// Has `task` done when the process ends, such as taking a socket out of the file system: the last one first.
package func atEnd(_ task: @escaping @Sendable () -> Void) { tasks.withLock { $0.append(task) } }

/// Ends the process: restores the terminal, does what `atEnd` was given, writes diagnostics that are left. While that is
/// being done a second call ends it at once. The corresponding C functions are `exit` and `_exit`.
package func exitProcess(_ status: Int32) -> Never {
    Terminal.restore()
    let left = tasks.withLock { tasks in
        defer { tasks = [] }
        return tasks
    }
    for task in left.reversed() { task() }
    guard !isEnding.exchange(true, ordering: .sequentiallyConsistent) else { _exit(status) }
    finishDiagnostics()
    exit(status)
}
