import CLinux
import Glibc

/// A pthread mutex with its condition variable: `Synchronization.Mutex` has no way to sleep.
///
/// - Note: `@unchecked Sendable`: the two objects are made for being shared between threads.
final class SleepingLock: @unchecked Sendable {
    // SAFETY: pthread objects must not move in memory; both live in allocations of their own that this class owns.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        mutex.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(condition)
        mutex.deallocate()
        condition.deallocate()
    }

    func lock() { pthread_mutex_lock(mutex) }
    func unlock() { pthread_mutex_unlock(mutex) }
    func wakeAll() { pthread_cond_broadcast(condition) }
    func sleep() { pthread_cond_wait(condition, mutex) }

    /// False when the time (CLOCK_REALTIME) has come.
    func sleep(until deadline: timespec) -> Bool {
        var deadline = deadline
        return pthread_cond_timedwait(condition, mutex, &deadline) == 0
    }
}
