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
        // The wall clock may be set back, which would make a sleep of milliseconds one of hours.
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
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

    /// False when the time, in nanoseconds of Clock.monotonic, has come.
    func sleep(until deadline: UInt64) -> Bool {
        var deadline = timespec(tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
        return pthread_cond_timedwait(condition, mutex, &deadline) == 0
    }
}
