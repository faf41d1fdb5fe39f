import Glibc

/// A folder of this process's own, with a name that cannot be guessed, which no other user may look into.
package struct PrivateFolder: Sendable {
    package let path: String

    /// The corresponding C function is `mkdtemp`.
    package init() throws(Errno) {
        var name = Array("/tmp/stubvisor-XXXXXX".utf8CString)
        guard mkdtemp(&name) != nil else { throw Errno(errno) }
        path = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Takes it away, if it is empty. The corresponding C function is `rmdir`.
    package func remove() { rmdir(path) }
}
