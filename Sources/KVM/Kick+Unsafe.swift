import CLinux
import Glibc
import Host

// How a thread is called out of KVM_RUN, without a race: Documentation/virt/kvm/api.rst, "immediate_exit".
//
// The signal alone would be lost when it arrives just before the ioctl. So its handler stores 1 into the run page's
// `immediate_exit`, and an ioctl that starts later returns EINTR at once. The vCPU's thread clears the byte only
// after an EINTR, and looks for what it was called for after clearing it.

/// The signal that means "come out": SIGIO, because arriving socket input sends just that (fcntl(2), O_ASYNC).
private let kickSignal = SIGIO

/// Each vCPU thread's own `immediate_exit` byte. Made before any handler can run.
private let immediateExitKey: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, nil)
    return key
}()

/// Calls a vCPU's thread out of KVM_RUN, from any thread.
///
/// - Note: `@unchecked Sendable`: the byte behind the pointer is one that KVM expects other threads to store.
package struct Kick: @unchecked Sendable {
    // SAFETY: points into the vCPU's run page; the owner of a Kick keeps the vCPU alive (Machine joins its threads
    // before it lets a vCPU go).
    private let immediateExit: UnsafeMutablePointer<UInt8>
    private let thread: Host.Thread

    init(_ immediateExit: UnsafeMutablePointer<UInt8>, _ thread: Host.Thread) {
        self.immediateExit = immediateExit
        self.thread = thread
    }

    package func callAsFunction() {
        immediateExit.pointee = 1
        thread.signal(kickSignal)
    }

    /// On the vCPU's own thread: whether KVM_RUN would come back at once.
    package var isPending: Bool { immediateExit.pointee != 0 }

    /// On the vCPU's own thread, instead of KVM_RUN: sleeps until it is kicked. The corresponding C function is
    /// `sigsuspend`, which lets the signal in only while it sleeps, so that none is lost before.
    package func sleep() {
        var (kicks, none) = (sigset_t(), sigset_t())
        sigemptyset(&kicks)
        sigaddset(&kicks, kickSignal)
        pthread_sigmask(SIG_BLOCK, &kicks, &none)
        if immediateExit.pointee == 0 { sigsuspend(&none) }
        pthread_sigmask(SIG_SETMASK, &none, nil)
    }
}

/// A timer that kicks the vCPU whose thread made it. The corresponding C functions are `timer_create`, with
/// SIGEV_THREAD_ID, and `timer_settime`.
package struct Alarm: ~Copyable {
    private let timer: UInt

    /// A timer of the calling thread, which must be a vCPU's.
    package init() throws(Errno) {
        var timer: UInt = 0
        guard clinux_make_timer(Host.Thread.currentID, kickSignal, &timer) == 0 else { throw Errno(errno) }
        self.timer = timer
    }

    /// Kicks once at `moment`, in nanoseconds of Clock.monotonic; at once where that is over.
    package func set(_ moment: UInt64) {
        var time = itimerspec()
        // All zeroes would switch it off.
        let moment = max(moment, 1)
        time.it_value = timespec(tv_sec: Int(moment / 1_000_000_000), tv_nsec: Int(moment % 1_000_000_000))
        _ = clinux_set_timer(timer, &time)
    }

    deinit { _ = clinux_delete_timer(timer) }
}

/// Makes the calling thread the one that `immediateExit` belongs to.
func adoptCurrentThread(_ immediateExit: UnsafeMutablePointer<UInt8>) -> Kick {
    pthread_setspecific(immediateExitKey, immediateExit)
    var action = sigaction()
    action.__sigaction_handler.sa_handler = leaveGuest
    sigemptyset(&action.sa_mask)
    sigaction(kickSignal, &action, nil)
    // The program's parent may have blocked it.
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, kickSignal)
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    return Kick(immediateExit, .current)
}

/// Ends that: a signal that arrives later stores nothing. Nothing to do on a thread that is another vCPU's or no one's.
func releaseCurrentThread(_ immediateExit: UnsafeMutablePointer<UInt8>) {
    if currentImmediateExit() == UnsafeMutableRawPointer(immediateExit) { pthread_setspecific(immediateExitKey, nil) }
}

/// The `immediate_exit` byte of the calling thread's vCPU.
func currentImmediateExit() -> UnsafeMutableRawPointer? { pthread_getspecific(immediateExitKey) }

/// The signal handler: one load and one store, nothing that is not safe in a handler.
private func leaveGuest(_ number: Int32) {
    // SAFETY: null in threads that are no vCPU's, else the byte that adoptCurrentThread was given: its run page is
    // mapped until releaseCurrentThread, which the vCPU's thread calls at its end, and the vCPU's deinit.
    currentImmediateExit()?.storeBytes(of: 1, as: UInt8.self)
}
