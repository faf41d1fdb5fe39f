import CLinux
import Glibc

/// A range of this process's memory, unmapped when its owner goes.
///
/// - Note: `@unchecked Sendable`: the mapping is bare memory; who may touch which bytes is its user's to say.
package struct Mapping: ~Copyable, @unchecked Sendable {
    /// SAFETY: valid for `count` bytes until deinit; users must not outlive the owner.
    package let start: UnsafeMutableRawPointer
    package let count: Int

    /// Fresh zeroed memory that costs the host nothing until used, and that core dumps leave out. The corresponding C
    /// functions are `mmap` and `madvise`.
    package init(anonymous count: Int) throws(Errno) {
        try self.init(count, MAP_PRIVATE | CLINUX_MAP_ANONYMOUS | CLINUX_MAP_NORESERVE, -1)
        _ = madvise(start, count, CLINUX_MADV_DONTDUMP)
    }

    /// A shared view of `count` bytes of a descriptor from its start.
    package init(sharing descriptor: borrowing Descriptor, count: Int) throws(Errno) {
        try self.init(count, MAP_SHARED, descriptor.number)
    }

    private init(_ count: Int, _ flags: Int32, _ descriptor: Int32) throws(Errno) {
        guard let start = mmap(nil, count, PROT_READ | PROT_WRITE, flags, descriptor, 0), start != MAP_FAILED else {
            throw Errno(errno)
        }
        self.start = start
        self.count = count
    }

    /// Has all processors execute, and see with their caches off, what was written to `bytes` of it: arm64 does not by
    /// itself.
    package func publish(_ bytes: UnsafeRawPointer, count: Int) { clinux_publish(bytes, UInt(count)) }

    deinit { munmap(start, count) }
}
