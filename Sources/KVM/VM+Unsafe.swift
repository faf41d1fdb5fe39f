import CLinux
import Host
import Primitives

/// One virtual machine (Documentation/virt/kvm/api.rst, "vm ioctl").
package struct VM: ~Copyable, Sendable {
    let descriptor: Descriptor
    private let runPageSize: Int

    init(_ descriptor: consuming Descriptor, runPageSize: Int) {
        self.descriptor = descriptor
        self.runPageSize = runPageSize
    }

    /// Makes vCPU number `id`, which is also its APIC id on x86. The corresponding request is `KVM_CREATE_VCPU`.
    package func makeVCPU(_ id: Int) throws(KVMError) -> VCPU {
        let (number, size) = (descriptor.number, runPageSize)
        let vcpu = try request("KVM_CREATE_VCPU") { clinux_ioctl_value(number, REQUEST_CREATE_VCPU, UInt(id)) }
        return try VCPU(Descriptor(owning: vcpu), runPageSize: size)
    }

    /// Gives the guest's pages from `guest` the host memory at `host`; a `count` of 0 bytes takes the slot away.
    /// A write to a read-only slot exits as MMIO. The corresponding request is `KVM_SET_USER_MEMORY_REGION`.
    package func setMemory(
        slot: UInt32, guest: PhysicalAddress, host: UnsafeMutableRawPointer?, count: Int, readOnly: Bool = false
    ) throws(KVMError) {
        var region = kvm_userspace_memory_region()
        region.slot = slot
        region.flags = readOnly ? UInt32(KVM_MEM_READONLY) : 0
        region.guest_phys_addr = guest.rawValue
        region.memory_size = UInt64(count)
        region.userspace_addr = UInt64(UInt(bitPattern: host))
        try set("KVM_SET_USER_MEMORY_REGION", REQUEST_SET_USER_MEMORY_REGION, &region)
    }

    /// Sets the level of input `gsi` of the kernel's interrupt controller.
    /// The corresponding request is `KVM_IRQ_LINE`.
    package func setInterruptLine(_ gsi: UInt32, _ level: Bool) throws(KVMError) {
        var line = kvm_irq_level()
        line.irq = gsi
        line.level = level ? 1 : 0
        try set("KVM_IRQ_LINE", REQUEST_IRQ_LINE, &line)
    }

    /// Whether the kernel would make a device of `type`. The corresponding request is `KVM_CREATE_DEVICE`, with
    /// `KVM_CREATE_DEVICE_TEST`.
    package func canMakeDevice(_ type: UInt32) -> Bool {
        var creation = kvm_create_device()
        creation.type = type
        creation.flags = UInt32(KVM_CREATE_DEVICE_TEST)
        return (try? set("KVM_CREATE_DEVICE", REQUEST_CREATE_DEVICE, &creation)) != nil
    }

    /// Makes an in-kernel device of `type` (KVM_DEV_TYPE_*). The corresponding request is `KVM_CREATE_DEVICE`.
    package func makeDevice(_ type: UInt32) throws(KVMError) -> Device {
        var creation = kvm_create_device()
        creation.type = type
        try set("KVM_CREATE_DEVICE", REQUEST_CREATE_DEVICE, &creation)
        return Device(Descriptor(owning: Int32(creation.fd)))
    }

    /// A request with a structure for an argument.
    func set<T>(_ name: String, _ code: UInt, _ argument: inout T) throws(KVMError) {
        try descriptor.set(name, code, &argument)
    }
}

extension Descriptor {
    /// A request with a structure for an argument, which the kernel reads and may fill.
    func set<T>(_ name: String, _ code: UInt, _ argument: inout T) throws(KVMError) {
        let number = self.number
        // SAFETY: callers pass the structure that the request takes; the pointer is used inside the call only.
        _ = try request(name) { withUnsafeMutablePointer(to: &argument) { clinux_ioctl(number, code, $0) } }
    }
}
