import CLinux
import Glibc

/// A program started by this one, sharing its terminal.
package struct ChildProcess: Sendable {
    private let id: pid_t

    /// Starts `arguments[0]`, looked up in PATH, with this process's environment. Standard input is `/dev/null`
    /// where `input` is false; standard error goes where standard output goes where `joined` is true, and
    /// both to `/dev/null` where `quiet` is. The corresponding C function is `posix_spawnp`.
    package init(
        _ arguments: [String], input: Bool = true, joined: Bool = false, quiet: Bool = false
    ) throws(Errno) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if !input { posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) }
        if quiet { posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) }
        if joined || quiet { posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The parent of a debugger ignores the terminal's Ctrl-C; its child must not inherit that.
        var interrupts = sigset_t()
        sigemptyset(&interrupts)
        sigaddset(&interrupts, SIGINT)
        posix_spawnattr_setsigdefault(&attributes, &interrupts)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
        // SAFETY: the copies live until the call has returned and end with the null pointer that C wants.
        var vector: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { vector.forEach { free($0) } }
        var id = pid_t()
        let failure = posix_spawnp(&id, arguments[0], &actions, &attributes, &vector, environ)
        if failure != 0 { throw Errno(failure) }
        self.id = id
    }

    /// Waits for the end: its exit status, or 128 and the number of the signal that killed it, as a shell says it.
    /// The corresponding C function is `waitpid`.
    package func wait() throws(Errno) -> Int32 {
        var status: Int32 = 0
        try uninterrupted { waitpid(id, &status, 0) }
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    }

    /// Asks it to end. The corresponding C function is `kill` with SIGTERM.
    package func terminate() { kill(id, SIGTERM) }
}

/// Lets the terminal's Ctrl-C pass this process by: it is meant for the debugger it started.
package func ignoreTerminalInterrupt() { signal(SIGINT, SIG_IGN) }

/// Ctrl-\ ends this process as any other: Swift's runtime would print a crash report.
package func endQuietlyOnQuit() { signal(SIGQUIT, SIG_DFL) }

/// This program's own file, resolved. The corresponding file is `/proc/self/exe`.
package func executablePath() -> String? {
    // SAFETY: realpath returns a string of malloc's, freed here.
    guard let path = realpath("/proc/self/exe", nil) else { return nil }
    defer { free(path) }
    return String(cString: path)
}

/// True when `path` can be executed by this user.
package func isExecutable(_ path: String) -> Bool { access(path, X_OK) == 0 }

/// Ends the process. The corresponding C function is `exit`.
package func exitProcess(_ status: Int32) -> Never { exit(status) }
