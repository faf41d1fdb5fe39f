import CLinux
import Glibc

/// The host's clocks.
package enum Clock {
    /// Nanoseconds since some fixed moment; never goes back. The corresponding C function is `clock_gettime`.
    package static var monotonic: UInt64 { nanoseconds(of: CLOCK_MONOTONIC) }

    /// Nanoseconds of processor time that the calling thread has used, in a guest included.
    package static var threadTime: UInt64 { nanoseconds(of: CLOCK_THREAD_CPUTIME_ID) }

    /// Nanoseconds since 1970 (UTC): the time of day, which may be set at any moment. Nothing is waited for or measured by it.
    package static var realTime: UInt64 { nanoseconds(of: CLOCK_REALTIME) }

    private static func nanoseconds(of clock: clockid_t) -> UInt64 {
        var now = timespec()
        clock_gettime(clock, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }
}
