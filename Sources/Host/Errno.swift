import CLinux
import Glibc

/// What a system call refused with: an `errno` value. A struct, so codes this program has no name for survive.
package struct Errno: Error, Equatable, Sendable {
    package let code: Int32

    package init(_ code: Int32) { self.code = code }

    package static let noPermission = Errno(EACCES)
    package static let notPermitted = Errno(EPERM)
    package static let noSuchFile = Errno(ENOENT)
    package static let isDirectory = Errno(EISDIR)
    package static let interrupted = Errno(EINTR)
    package static let tryAgain = Errno(EAGAIN)
    package static let addressInUse = Errno(EADDRINUSE)
    package static let invalid = Errno(EINVAL)
    package static let exists = Errno(EEXIST)
    package static let busy = Errno(EBUSY)
    package static let tooBig = Errno(E2BIG)
    package static let outOfMemory = Errno(ENOMEM)
    package static let brokenPipe = Errno(EPIPE)
    package static let readOnlyFileSystem = Errno(EROFS)
    package static let noReader = Errno(ENXIO)
    package static let fileTooBig = Errno(EFBIG)
    package static let timedOut = Errno(ETIMEDOUT)
}

extension Errno: CustomStringConvertible {
    /// The C library's sentence for the code, such as `Permission denied`.
    package var description: String { String(cString: strerror(code)) }
}

/// The one place that reads `errno`: runs a call that returns -1 on failure.
@discardableResult
package func system<R: FixedWidthInteger>(_ call: () -> R) throws(Errno) -> R {
    let result = call()
    if result == -1 { throw Errno(errno) }
    return result
}

/// As `system`, and the one place that repeats a call that a signal interrupted (EINTR).
@discardableResult
package func uninterrupted<R: FixedWidthInteger>(_ call: () -> R) throws(Errno) -> R {
    while true {
        let result = call()
        if result != -1 { return result }
        if errno != EINTR { throw Errno(errno) }
    }
}
