import CLinux
import Glibc
import Synchronization

/// What this process was given and does not need once it is set up.
package enum Privileges {
    /// Descriptors above standard error that the program's parent left open.
    private static let inherited = Mutex<[Int32]>([])

    /// To be called before anything is opened: no program started from here gets the descriptors that this one
    /// inherited. They stay open for a while: a shell's `<(command)` names a file by one.
    package static func setDescriptorsAside() {
        // SAFETY: the stream is closed where it was opened, and entries are not used after the next call of readdir.
        guard let folder = opendir("/proc/self/fd") else { return }
        defer { closedir(folder) }
        var numbers: [Int32] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let number = Int32(name), number > STDERR_FILENO, number != dirfd(folder) { numbers.append(number) }
        }
        for number in numbers { _ = clinux_fcntl(number, F_SETFD, FD_CLOEXEC) }
        inherited.withLock { $0 = numbers }
    }

    /// Closes the descriptors that were set aside, and takes every capability from the calling thread and from those
    /// that it starts: for good, also for programs that they start. To be called once all files are open, while there
    /// is no other thread. See capabilities(7).
    package static func drop() throws(Errno) {
        let numbers = inherited.withLock { numbers in
            defer { numbers = [] }
            return numbers
        }
        for number in numbers { close(number) }
        try dropFromThread()
    }

    /// Takes every capability from the calling thread, which was started before `drop`.
    static func dropFromThread() throws(Errno) {
        try system { clinux_prctl(CLINUX_NO_NEW_PRIVILEGES, 1, 0) }
        // To take one from the bounding set is a privilege itself, which most users do not have.
        var capability: UInt = 0
        while clinux_prctl(CLINUX_DROP_FROM_BOUNDING_SET, capability, 0) == 0 { capability += 1 }
        // Fails on kernels before 4.3, which have no ambient set.
        _ = clinux_prctl(CLINUX_AMBIENT_SET, CLINUX_CLEAR_ALL, 0)
        try system { clinux_drop_capabilities() }
    }
}
