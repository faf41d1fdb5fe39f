import Host

/// A KVM request that the kernel refused.
package struct KVMError: Error, Equatable, Sendable {
    /// The request's name in Documentation/virt/kvm/api.rst.
    package let request: String
    package let errno: Errno

    package init(request: String, errno: Errno) {
        self.request = request
        self.errno = errno
    }
}

extension KVMError: CustomStringConvertible {
    package var description: String { "\(request): \(errno)" }
}

/// Runs a request, naming it in the error.
@discardableResult
func request<R: FixedWidthInteger>(_ name: String, _ call: () -> R) throws(KVMError) -> R {
    do { return try uninterrupted(call) } catch { throw KVMError(request: name, errno: error) }
}

/// As `request`, for the calls of Host.
func named<R: ~Copyable>(_ name: String, _ body: () throws(Errno) -> R) throws(KVMError) -> R {
    do throws(Errno) { return try body() } catch { throw KVMError(request: name, errno: error) }
}
