import CLinux
import Glibc

/// The folder below which files may be made at a client's word: new ones only, by plain names, so that nothing that is
/// there is changed, followed or waited for.
package final class OutputFolder: Sendable {
    private let folder: Descriptor

    /// Opens the folder: whatever becomes of its path, files are made in this one.
    package init(_ path: String) throws(Errno) {
        folder = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
    }

    /// Whether files can be made there, with the rights that the process has now.
    package func check() throws(Errno) {
        let folder = folder.number
        try system { faccessat(folder, ".", W_OK | X_OK, AT_EACCESS) }
    }

    /// Whether it is the name of a file, and of no folder above or below.
    package static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 < 0x20 }
    }

    /// Makes a new file of these bytes. One that cannot be written to its end is taken away. The corresponding C
    /// function is `openat`.
    package func write(_ bytes: [UInt8], as name: String) throws(Errno) {
        guard Self.isPlain(name) else { throw .invalid }
        let folder = folder.number
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | CLINUX_O_CLOEXEC
        let file = Descriptor(owning: try uninterrupted { clinux_openat(folder, name, flags, 0o644) })
        do throws(Errno) { try file.write(bytes[...]) } catch {
            unlinkat(folder, name, 0)
            throw error
        }
    }
}
