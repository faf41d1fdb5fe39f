import CLinux
import Glibc

/// A counter behind a descriptor, which others can wait for. The corresponding C function is `eventfd`.
package struct EventDescriptor: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// A counter of 0 that never makes its reader wait.
    package init() throws(Errno) {
        descriptor = Descriptor(owning: try system { eventfd(0, CLINUX_EFD_CLOEXEC | CLINUX_EFD_NONBLOCK) })
    }

    package var number: Int32 { descriptor.number }

    /// Adds 1. The corresponding C function is `write`, of 8 bytes in the host's order.
    package func signal() throws(Errno) {
        var one: UInt64 = 1
        // SAFETY: the pointer is used inside the call only.
        _ = try uninterrupted { withUnsafeBytes(of: &one) { Glibc.write(number, $0.baseAddress, $0.count) } }
    }

    /// Makes it 0: whether it was more. The corresponding C function is `read`.
    package func take() -> Bool {
        var count: UInt64 = 0
        // SAFETY: the pointer is used inside the call only.
        let got = try? uninterrupted { withUnsafeMutableBytes(of: &count) { Glibc.read(number, $0.baseAddress, $0.count) } }
        return got == 8 && count > 0
    }
}
