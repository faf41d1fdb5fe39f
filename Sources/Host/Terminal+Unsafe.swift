import CLinux
import Glibc
import Synchronization

/// The terminal that standard input is, raw while the guest has it: keys come one by one, none makes a signal. Output
/// stays as it was. termios(3).
package enum Terminal {
    package static var isThere: Bool { isatty(STDIN_FILENO) == 1 }

    /// Whether this process may read it now; a shell's background job may not.
    package static var isForeground: Bool { tcgetpgrp(STDIN_FILENO) == getpgrp() }

    /// Makes it raw where this process is in the foreground, again where that `isAgain` necessary; false in the
    /// background, where it is left alone. From any thread.
    @discardableResult
    package static func claim(again isAgain: Bool = false) -> Bool {
        lock.withLock { _ in
            guard isForeground else {
                // The process in the foreground has set the terminal as it needs it.
                isRaw.store(false, ordering: .sequentiallyConsistent)
                return false
            }
            let wasRaw = isRaw.load(ordering: .sequentiallyConsistent)
            if wasRaw, !isAgain { return true }
            if !wasRaw {
                guard tcgetattr(STDIN_FILENO, saved.pointer) == 0 else { return false }
                restoreOnCrash()
            }
            var raw = saved.pointer.pointee
            raw.c_iflag &= ~tcflag_t(BRKINT | ICRNL | IGNCR | INLCR | INPCK | ISTRIP | IXON)
            raw.c_lflag &= ~tcflag_t(ECHO | ICANON | IEXTEN | ISIG)
            withUnsafeMutableBytes(of: &raw.c_cc) { characters in
                characters[Int(VMIN)] = 1
                characters[Int(VTIME)] = 0
            }
            isRaw.store(true, ordering: .sequentiallyConsistent)
            tcsetattr(STDIN_FILENO, TCSANOW, &raw)
            return true
        }
    }

    /// Remembers what it is, for the end of the process.
    package static func keep() {
        guard isThere, isForeground, tcgetattr(STDIN_FILENO, saved.pointer) == 0 else { return }
        isRaw.store(true, ordering: .sequentiallyConsistent)
    }

    /// Makes it what it was before it became raw. From any thread, and from a signal handler.
    package static func restore() {
        guard isRaw.exchange(false, ordering: .sequentiallyConsistent), isForeground else { return }
        tcsetattr(STDIN_FILENO, TCSANOW, saved.pointer)
    }

    private static let lock = Mutex(())
    private static let isRaw = Atomic<Bool>(false)
    private static let saved = SavedTerminal()

    private static let deadly = [
        SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS, SIGQUIT, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1,
        SIGUSR2,
        SIGXCPU,
    ]

    /// From now on a signal that ends the process restores the terminal first. Swift's runtime is not asked then: its crash
    /// report would wait for a key on this terminal.
    private static func restoreOnCrash() {
        for number in deadly {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = restoreAndRepeat
            action.sa_flags = CLINUX_SA_RESETHAND
            sigemptyset(&action.sa_mask)
            sigaction(number, &action, nil)
        }
    }
}

/// - Note: `@unchecked Sendable`: written with Terminal's lock held, before `isRaw` says that it may be read.
private final class SavedTerminal: @unchecked Sendable {
    // SAFETY: lives as long as the process; a signal handler reads it.
    let pointer = UnsafeMutablePointer<termios>.allocate(capacity: 1)

    init() { pointer.initialize(to: termios()) }
}

/// A C function and no closure, so that it belongs to no actor. The signal is blocked until it has returned.
private func restoreAndRepeat(_ number: Int32) {
    Terminal.restore()
    raise(number)
}
