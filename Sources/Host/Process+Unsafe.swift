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
        try self.init(arguments) { actions in
            if !input { posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) }
            if quiet { posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) }
            if joined || quiet { posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO) }
        }
    }

    /// The same with the file at `path` as standard input, `output` as standard output, and nothing said on standard error.
    init(_ arguments: [String], between path: String, and output: Int32) throws(Errno) {
        try self.init(arguments) { actions in
            posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, path, O_RDONLY, 0)
            posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
            posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
            posix_spawn_file_actions_addclose(&actions, output)
        }
    }

    /// The same with the descriptors that `arrange` arranges.
    private init(
        _ arguments: [String], descriptors arrange: (inout posix_spawn_file_actions_t) -> Void
    ) throws(Errno) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        arrange(&actions)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // What this process ignores or blocks is its own business.
        var (ignored, none) = (sigset_t(), sigset_t())
        sigemptyset(&ignored)
        sigemptyset(&none)
        for number in [SIGINT, SIGPIPE, SIGXFSZ] { sigaddset(&ignored, number) }
        posix_spawnattr_setsigdefault(&attributes, &ignored)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
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

    /// Ends it and the programs that it has started itself, which it may be waiting for. The corresponding C function is
    /// `kill`, the corresponding file `/proc/PID/task/PID/children`.
    package func terminate(by signal: Int32 = SIGTERM) {
        let children = (try? Descriptor.contents(of: "/proc/\(id)/task/\(id)/children")) ?? []
        kill(id, signal)
        for child in String(decoding: children, as: UTF8.self).split(separator: " ") {
            if let child = pid_t(child) { kill(child, signal) }
        }
    }
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
