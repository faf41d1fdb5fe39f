import Glibc

/// A program on a terminal of its own: it leads a session whose terminal is a pseudoterminal, and this is who types
/// there. Ends with this object, with all that its process group has.
final class TerminalProgram {
    let id: pid_t
    private let master: Int32
    /// What it has printed and `read` has not gone past.
    private var unread = ""
    private var status: Int32?

    init(_ arguments: [String]) throws {
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        // TIOCSPTLCK, and TIOCGPTN: unlockpt and ptsname, which Glibc hides.
        var (locked, number): (Int32, Int32) = (0, 0)
        guard ioctl(master, 0x4004_5431, &locked) == 0, ioctl(master, 0x8004_5430, &number) == 0 else {
            throw LiveError("no pseudoterminal: \(String(cString: strerror(errno)))")
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // The leader of a session gets the first terminal that it opens.
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/pts/\(number)", O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, 0, 1)
        posix_spawn_file_actions_adddup2(&actions, 0, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var mask = sigset_t()
        sigemptyset(&mask)
        posix_spawnattr_setsigmask(&attributes, &mask)
        // POSIX_SPAWN_SETSID
        posix_spawnattr_setflags(&attributes, Int16(0x80 | POSIX_SPAWN_SETSIGMASK))
        // SAFETY: the copies live until the call has returned and end with the null pointer that C wants.
        var vector: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { vector.forEach { free($0) } }
        var id = pid_t()
        let failure = posix_spawnp(&id, arguments[0], &actions, &attributes, &vector, environ)
        self.id = id
        if failure != 0 { throw LiveError("cannot start \(arguments[0]): \(String(cString: strerror(failure)))") }
    }

    deinit {
        if status == nil, id > 0 {
            kill(-id, SIGKILL)
            var ignored: Int32 = 0
            waitpid(id, &ignored, 0)
        }
        close(master)
    }

    /// Takes output up to `text`, and returns it.
    @discardableResult
    func read(to text: String, within seconds: Double = 60) throws -> String {
        let deadline = Patience.deadline(seconds)
        while true {
            if let found = unread.firstRange(of: text) {
                defer { unread.removeSubrange(..<found.upperBound) }
                return String(unread[..<found.upperBound])
            }
            guard ContinuousClock.now < deadline else { throw LiveError("no \"\(text)\" came: \(unread)") }
            var entry = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 100) > 0 else { continue }
            var buffer = [UInt8](repeating: 0, count: 4096)
            let got = Glibc.read(master, &buffer, buffer.count)
            if got <= 0 { throw LiveError("ended without \"\(text)\": \(unread)") }
            unread += String(decoding: buffer[..<got], as: UTF8.self)
        }
    }

    func type(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(master, bytes, bytes.count)
    }

    func signal(_ number: Int32) { kill(id, number) }

    /// Whether keys come one by one.
    var isRaw: Bool {
        var settings = termios()
        return tcgetattr(master, &settings) == 0 && settings.c_lflag & tcflag_t(ICANON | ECHO | ISIG) == 0
    }

    /// Whether output still gets its carriage returns, and keys are lines again.
    var isOrdinary: Bool {
        var settings = termios()
        let all = tcflag_t(ICANON | ECHO | ISIG)
        return tcgetattr(master, &settings) == 0 && settings.c_lflag & all == all
            && settings.c_oflag & tcflag_t(OPOST) != 0
    }

    func waits(within seconds: Double = 60, until isSo: () -> Bool) -> Bool {
        let deadline = Patience.deadline(seconds)
        while !isSo() {
            guard ContinuousClock.now < deadline else { return false }
            usleep(1000)
        }
        return true
    }

    /// Waits for its end: the exit status, or 128 and the signal's number.
    func end(within seconds: Double = 60) throws -> Int32 {
        var word: Int32 = 0
        guard waits(within: seconds, until: { waitpid(id, &word, WNOHANG) == id }) else {
            throw LiveError("did not end in \(seconds) s: \(unread)")
        }
        status = word & 0x7f == 0 ? (word >> 8) & 0xff : 128 + (word & 0x7f)
        return status!
    }

    /// Whether the process group that it led has nobody left.
    var hasLeftNothing: Bool { waits { kill(-id, 0) == -1 } }
}
