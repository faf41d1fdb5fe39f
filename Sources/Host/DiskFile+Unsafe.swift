import CLinux
import Glibc

/// A file or block device of a fixed size, read and written at any place. Others cannot write it as a disk meanwhile: it is
/// locked as flock(2) has it, against all where it is to be written.
package final class DiskFile: Sendable {
    package static let sectorSize: UInt64 = 512

    private let file: Descriptor
    /// Without its folder.
    package let name: String
    /// Bytes.
    package let size: UInt64
    package let isReadOnly: Bool

    /// Errors besides those of `open`: `isDirectory`, `invalid` for what has no size, `tryAgain` where another program has
    /// it locked.
    package init(_ path: String, isReadOnly: Bool) throws(Errno) {
        // A FIFO would wait for its other end.
        file = try Descriptor.open(path, (isReadOnly ? O_RDONLY : O_RDWR) | CLINUX_O_NONBLOCK | O_NOCTTY)
        self.isReadOnly = isReadOnly
        name = String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...])
        let number = file.number
        var status = stat()
        try system { fstat(number, &status) }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: throw .isDirectory
        case S_IFREG, S_IFBLK: break
        default: throw .invalid
        }
        size = UInt64(try system { lseek(number, 0, SEEK_END) })
        try uninterrupted { flock(number, (isReadOnly ? LOCK_SH : LOCK_EX) | LOCK_NB) }
    }

    /// Fills `bytes` from `offset` on. Error `invalid` where the file has become shorter. The corresponding C function is
    /// `pread`.
    package func read(at offset: UInt64, into bytes: inout [UInt8]) throws(Errno) {
        var done = 0
        while done < bytes.count {
            // SAFETY: the pointer is used inside the call only, which writes no more than what is left of `bytes`.
            let got = try uninterrupted {
                bytes.withUnsafeMutableBytes {
                    pread(file.number, $0.baseAddress! + done, $0.count - done, off_t(offset) + off_t(done))
                }
            }
            guard got > 0 else { throw .invalid }
            done += got
        }
    }

    /// Writes all of `bytes` from `offset` on. The corresponding C function is `pwrite`.
    package func write(_ bytes: [UInt8], at offset: UInt64) throws(Errno) {
        var done = 0
        while done < bytes.count {
            // SAFETY: the pointer is used inside the call only, which reads no more than what is left of `bytes`.
            let written = try uninterrupted {
                bytes.withUnsafeBytes {
                    pwrite(file.number, $0.baseAddress! + done, $0.count - done, off_t(offset) + off_t(done))
                }
            }
            done += written
        }
    }

    /// Waits until what was written is on stable storage. The corresponding C function is `fdatasync`.
    package func flush() throws(Errno) { try uninterrupted { fdatasync(file.number) } }
}

/// Fills `bytes` with the host's randomness. The corresponding C function is `getrandom`, which gives 256 bytes at once
/// whole.
package func fillRandom(_ bytes: inout [UInt8]) throws(Errno) {
    var done = 0
    while done < bytes.count {
        // SAFETY: the pointer is used inside the call only, which writes no more than what is left of `bytes`.
        done += try uninterrupted {
            bytes.withUnsafeMutableBytes { clinux_getrandom($0.baseAddress! + done, UInt($0.count - done)) }
        }
    }
}
