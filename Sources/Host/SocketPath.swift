import Glibc
import Synchronization

/// A unix socket's place in the file system. The lock on `PATH.lock` says whose it is: only its holder removes a socket
/// file that an earlier process left behind. The kernel gives it back however the process ends.
final class SocketPath: Sendable {
    private let path: String
    private let lock: Descriptor
    /// The socket's file, once it is there.
    private let file = Mutex<FileIdentity?>(nil)

    private var lockPath: String { path + ".lock" }

    /// Takes the place. Throws `.busy` where another stubvisor has it, `.addressInUse` where another program listens
    /// there, `.exists` where something else than a socket is.
    init(_ path: String) throws(Errno) {
        self.path = path
        lock = try Self.lock(path + ".lock")
        do throws(Errno) { try removeStale() } catch {
            unlink(path + ".lock")
            throw error
        }
    }

    deinit { remove() }

    private static func lock(_ path: String) throws(Errno) -> Descriptor {
        while true {
            let file = try Descriptor.open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode: 0o600)
            let number = file.number
            fchmod(number, 0o600)
            do throws(Errno) { try uninterrupted { flock(number, LOCK_EX | LOCK_NB) } } catch {
                throw error == .tryAgain ? .busy : error
            }
            // Its last holder may have removed the file since it was opened.
            if FileIdentity(descriptor: number) == FileIdentity(path: path) { return file }
        }
    }

    private func removeStale() throws(Errno) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .exists }
        guard Socket.isAbandoned(path) else { throw .addressInUse }
        let path = path
        try system { unlink(path) }
    }

    /// The socket is bound: from now on its file is this process's to remove. It is for its owner alone, also under a
    /// umask that takes the owner's own rights away.
    func appeared() {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return }
        if status.st_mode & 0o777 != 0o600 { chmod(path, 0o600) }
        file.withLock { $0 = FileIdentity(path: path) }
    }

    /// Takes socket and lock away. Later calls do nothing.
    func remove() {
        let mine = file.withLock { file in
            defer { file = nil }
            return file
        }
        if let mine, FileIdentity(path: path) == mine { unlink(path) }
        if let identity = FileIdentity(descriptor: lock.number), identity == FileIdentity(path: lockPath) {
            unlink(lockPath)
        }
    }
}

/// Which file something is, whatever its name.
private struct FileIdentity: Equatable, Sendable {
    let device: UInt64
    let node: UInt64

    private init(_ status: stat) { (device, node) = (UInt64(status.st_dev), UInt64(status.st_ino)) }

    init?(path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        self.init(status)
    }

    init?(descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }
}
