import CLinux
import Glibc

// Signals that mean the whole process: taken by a thread of their own, in no handler.

/// Takes `signals`, one at a time, on a thread of its own. To be called before other threads are started: all of them
/// have the signals blocked. One that this process was started to ignore stays ignored where it is SIGHUP (`nohup`). The
/// corresponding C function is `sigwait`.
package func takeSignals(_ signals: [Int32], _ take: @escaping @Sendable (Int32) -> Void) throws(Errno) {
    var set = sigset_t()
    sigemptyset(&set)
    for number in signals {
        var old = sigaction()
        sigaction(number, nil, &old)
        // SAFETY: the handler is read as a number and never called; SIG_IGN is 1, as an address.
        let isIgnored = unsafeBitCast(old.__sigaction_handler.sa_handler, to: Int.self) == 1
        if number != SIGHUP || !isIgnored { sigaddset(&set, number) }
    }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    _ = try Thread.start("signals") { [set] in
        try? Privileges.dropFromThread()
        var set = set
        while true {
            var number: Int32 = 0
            if sigwait(&set, &number) == 0 { take(number) }
        }
    }
}

/// Output that is not read any more, or that a limit forbids, is an error of that write and not the end of the process.
package func ignoreOutputSignals() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
}

/// A process in the background is not stopped by its terminal: reading fails there, and writing does not.
package func ignoreTerminalStops() {
    signal(SIGTTIN, SIG_IGN)
    signal(SIGTTOU, SIG_IGN)
}

/// Stops this process as Ctrl-Z would, until it is continued. The corresponding C function is `kill` with SIGSTOP.
package func stopProcess() { kill(getpid(), SIGSTOP) }
