import CLinux
import Glibc

/// A thread of the operating system. It cannot be a Swift task: a vCPU's thread blocks in an ioctl for as long as
/// the guest likes.
package struct Thread: Sendable {
    /// The pthread behind it: what a directed signal is sent to.
    private let handle: pthread_t

    /// Starts `body` on a thread named `name` (15 bytes at most are kept). It must end before the process does.
    package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(Errno) -> Thread {
        var handle = pthread_t()
        let box = Unmanaged.passRetained(Start(name: name, body: body))
        // SAFETY: the box is retained here once and taken back exactly once by the new thread.
        let failure = pthread_create(&handle, nil, threadBody, box.toOpaque())
        if failure != 0 {
            box.release()
            throw Errno(failure)
        }
        return Thread(handle: handle)
    }

    /// The calling thread.
    package static var current: Thread { Thread(handle: pthread_self()) }

    /// The calling thread's kernel id, as `F_SETOWN_EX` wants it. The corresponding C function is `gettid`.
    package static var currentID: Int32 { clinux_thread_id() }

    /// Sends this thread a signal. The corresponding C function is `pthread_kill`.
    package func signal(_ number: Int32) { pthread_kill(handle, number) }
}

private final class Start: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

/// A C function and no closure, so that it belongs to no actor.
private func threadBody(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
    _ = clinux_name_thread(String(start.name.prefix(15)))
    start.body()
    return nil
}
