import CLinux
import Host

/// A device that lives in the kernel, such as Arm's interrupt controller
/// (Documentation/virt/kvm/devices/).
package struct Device: ~Copyable, Sendable {
    private let descriptor: Descriptor

    init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

    /// True where the device has `attribute` in `group`. The corresponding request is `KVM_HAS_DEVICE_ATTR`.
    package func has(group: UInt32, attribute: UInt64) -> Bool {
        var description = kvm_device_attr(flags: 0, group: group, attr: attribute, addr: 0)
        return (try? descriptor.set("KVM_HAS_DEVICE_ATTR", REQUEST_HAS_DEVICE_ATTR, &description)) != nil
    }

    /// Writes an attribute's value, whose width the device's document gives.
    /// The corresponding request is `KVM_SET_DEVICE_ATTR`.
    package func set(group: UInt32, attribute: UInt64, to value: some FixedWidthInteger) throws(KVMError) {
        var value = value
        try access("KVM_SET_DEVICE_ATTR", REQUEST_SET_DEVICE_ATTR, group, attribute, &value)
    }

    /// Reads an attribute's value, whose width the device's document gives.
    /// The corresponding request is `KVM_GET_DEVICE_ATTR`.
    package func get<T: FixedWidthInteger>(group: UInt32, attribute: UInt64, _: T.Type) throws(KVMError) -> T {
        var value: T = 0
        try access("KVM_GET_DEVICE_ATTR", REQUEST_GET_DEVICE_ATTR, group, attribute, &value)
        return value
    }

    private func access<T: FixedWidthInteger>(
        _ name: String, _ code: UInt, _ group: UInt32, _ attribute: UInt64, _ value: inout T
    ) throws(KVMError) {
        let number = descriptor.number
        // SAFETY: the kernel reads or writes the attribute's width at `addr` before the ioctl returns.
        _ = try request(name) {
            withUnsafeMutablePointer(to: &value) { pointer in
                var description = kvm_device_attr(
                    flags: 0, group: group, attr: attribute, addr: UInt64(UInt(bitPattern: pointer)))
                return withUnsafeMutablePointer(to: &description) { clinux_ioctl(number, code, $0) }
            }
        }
    }
}
