import Glibc

/// A program under test, or a debugger: its output as it comes, its end, always within a time. It leads a process group
/// of its own, which ends with this object.
final class Program {
    struct Result {
        /// The exit status, or 128 and the signal's number.
        let status: Int32
        let output: String
        let errors: String
    }

    /// Runs what follows as a user without rights.
    static let strangersPrefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

    let id: pid_t
    private(set) var outputBytes: [UInt8] = []
    private(set) var errorBytes: [UInt8] = []
    /// The exit status, once it has ended and nobody holds its outputs any more.
    private(set) var status: Int32?
    private var ends: [Int32]
    private var inputEnd: Int32?

    var output: String { String(decoding: outputBytes, as: UTF8.self) }
    var errors: String { String(decoding: errorBytes, as: UTF8.self) }

    /// Starts `arguments[0]`, found in PATH. Its errors go with its output where `merging`; its input is a pipe where
    /// `hasInput`, else it is empty. It inherits
    /// every signal blocked where `blocked`.
    init(
        _ arguments: [String], merging: Bool = false, hasInput: Bool = false, blocking blocked: Bool = false
    ) throws {
        let (output, errors) = (try Self.makePipe(), try Self.makePipe())
        let input = hasInput ? try Self.makePipe() : nil
        ends = [output.read, errors.read]
        inputEnd = input?.write
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input.read, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_adddup2(&actions, output.write, 1)
        posix_spawn_file_actions_adddup2(&actions, merging ? output.write : errors.write, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Tests run on threads that block every signal; a program must not inherit that.
        var mask = sigset_t()
        _ = blocked ? sigfillset(&mask) : sigemptyset(&mask)
        posix_spawnattr_setsigmask(&attributes, &mask)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        // SAFETY: the copies live until the call has returned and end with the null pointer that C wants.
        var vector: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { vector.forEach { free($0) } }
        var id = pid_t()
        let failure = posix_spawnp(&id, arguments[0], &actions, &attributes, &vector, environ)
        self.id = id
        close(output.write)
        close(errors.write)
        if let input { close(input.read) }
        if failure != 0 { throw LiveError("cannot start \(arguments[0]): \(String(cString: strerror(failure)))") }
    }

    deinit {
        closeInput()
        if status == nil, id > 0 {
            kill(-id, SIGKILL)
            var ignored: Int32 = 0
            waitpid(id, &ignored, 0)
        }
        ends.forEach { close($0) }
    }

    private static func makePipe() throws -> (read: Int32, write: Int32) {
        var pair: [Int32] = [0, 0]
        guard pipe(&pair) == 0 else { throw LiveError("no pipe: \(String(cString: strerror(errno)))") }
        pair.forEach { _ = fcntl($0, F_SETFD, FD_CLOEXEC) }
        return (pair[0], pair[1])
    }

    /// Takes output until `isEnough`; false when that did not happen before the program's end, or in time.
    func read(within seconds: Double = 60, until isEnough: (Program) -> Bool) -> Bool {
        let deadline = Patience.deadline(seconds)
        while !isEnough(self) {
            if status != nil { return false }
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else { return false }
            var entries = ends.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&entries, 2, Int32(left / .milliseconds(1)) + 1) > 0 else { continue }
            for (i, entry) in entries.enumerated() where entry.fd >= 0 && entry.revents != 0 { take(from: i) }
            if ends.allSatisfy({ $0 < 0 }) { reap() }
        }
        return true
    }

    private func take(from end: Int) {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let got = Glibc.read(ends[end], &buffer, buffer.count)
        if got > 0 {
            if end == 0 { outputBytes += buffer[..<got] } else { errorBytes += buffer[..<got] }
        } else if got == 0 || errno != EINTR {
            close(ends[end])
            ends[end] = -1
        }
    }

    /// Whether the pipe of its output is full: a reader's part, who does not read.
    var isOutputFull: Bool {
        var (count, size) = (Int32(0), fcntl(ends[0], 1032))  // F_GETPIPE_SZ
        _ = ioctl(ends[0], UInt(FIONREAD), &count)
        if size < 0 { size = 1 << 16 }
        // Writes of up to a page are whole or not at all.
        return count > size - 8192
    }

    func waitsForFullOutput(within seconds: Double = 120) -> Bool {
        let deadline = Patience.deadline(seconds)
        while !isOutputFull {
            guard ContinuousClock.now < deadline else { return false }
            usleep(1000)
        }
        return true
    }

    /// Waits for its end without reading what it has printed.
    func hasEnded(within seconds: Double = 60) -> Bool {
        let deadline = Patience.deadline(seconds)
        var information = siginfo_t()
        while ContinuousClock.now < deadline {
            // It stays to be waited for.
            if waitid(P_PID, id_t(id), &information, WEXITED | WNOHANG | WNOWAIT) == 0, information.si_signo != 0 {
                return true
            }
            usleep(1000)
        }
        return false
    }

    /// Nobody reads its output any more.
    func closeOutput() {
        close(ends[0])
        ends[0] = -1
    }

    private func reap() {
        var word: Int32 = 0
        while waitpid(id, &word, 0) == -1 && errno == EINTR {}
        status = word & 0x7f == 0 ? (word >> 8) & 0xff : 128 + (word & 0x7f)
    }

    /// Waits for the end.
    func end(within seconds: Double = 60) throws -> Result {
        guard read(within: seconds, until: { $0.status != nil }), let status else {
            throw LiveError("did not end in \(seconds) s; output so far:\n\(output)\n\(errors)")
        }
        return Result(status: status, output: output, errors: errors)
    }

    static func run(_ arguments: [String], within seconds: Double = 60) throws -> Result {
        try Program(arguments).end(within: seconds)
    }

    /// As a terminal's key would do: to the whole group.
    func signal(_ number: Int32) { kill(-id, number) }

    func type(_ text: String) {
        guard let inputEnd else { return }
        let bytes = Array(text.utf8)
        _ = write(inputEnd, bytes, bytes.count)
    }

    func closeInput() {
        if let inputEnd { close(inputEnd) }
        inputEnd = nil
    }
}
