import CLinux
import Glibc
import Host

/// The KVM subsystem: an open `/dev/kvm` (Documentation/virt/kvm/api.rst, section 4, "system ioctl").
package struct System: ~Copyable, Sendable {
    let descriptor: Descriptor

    /// The only version of the interface there is since Linux 2.6.22.
    private static let apiVersion: Int32 = 12

    /// Opens `/dev/kvm` and checks its version. The corresponding request is `KVM_GET_API_VERSION`.
    package init() throws(KVMError) {
        descriptor = try Self.open()
    }

    private static func open() throws(KVMError) -> Descriptor {
        let opened = try named("open /dev/kvm") { () throws(Errno) in try Descriptor.open("/dev/kvm", O_RDWR) }
        let number = opened.number
        let version = try request("KVM_GET_API_VERSION") { clinux_ioctl_value(number, REQUEST_GET_API_VERSION, 0) }
        guard version == apiVersion else { throw KVMError(request: "KVM_GET_API_VERSION", errno: Errno(ENOSYS)) }
        return opened
    }

    /// What `capability` (a `KVM_CAP_` number) is worth here; 0 where there is no such thing.
    /// The corresponding request is `KVM_CHECK_EXTENSION`.
    package func check(_ capability: Int32) -> Int32 {
        max(0, clinux_ioctl_value(descriptor.number, REQUEST_CHECK_EXTENSION, UInt(capability)))
    }

    /// The size in bytes of a vCPU's run page. The corresponding request is `KVM_GET_VCPU_MMAP_SIZE`.
    package func runPageSize() throws(KVMError) -> Int {
        let number = descriptor.number
        return Int(try request("KVM_GET_VCPU_MMAP_SIZE") { clinux_ioctl_value(number, REQUEST_GET_VCPU_MMAP_SIZE, 0) })
    }

    /// Makes an empty virtual machine. The corresponding request is `KVM_CREATE_VM`.
    package func makeVM() throws(KVMError) -> VM {
        let (number, kind) = (descriptor.number, machineKind)
        let machine = try request("KVM_CREATE_VM") { clinux_ioctl_value(number, REQUEST_CREATE_VM, kind) }
        return VM(Descriptor(owning: machine), runPageSize: try runPageSize())
    }
}

extension System {
    /// The width that arm64's guest physical addresses have where nothing is said, and need not have (Linux 4.20).
    private static let usualAddressBits: Int32 = 40

    /// The type for KVM_CREATE_VM: 0, but for arm64 hosts whose guests have narrower physical addresses than usual.
    private var machineKind: UInt {
        let bits = check(KVM_CAP_ARM_VM_IPA_SIZE)
        return bits > 0 && bits < Self.usualAddressBits ? UInt(bits) : 0
    }
}

/// The capabilities this program asks for, by their names in the interface.
extension System {
    /// Whether accesses to model-specific registers can be filtered and answered here (Linux 5.10).
    package var filtersRegisters: Bool {
        check(KVM_CAP_X86_USER_SPACE_MSR) != 0 && check(KVM_CAP_X86_MSR_FILTER) != 0
    }
    /// Whether the kernel's local APICs have a deadline timer, which KVM_GET_SUPPORTED_CPUID may leave out.
    package var hasDeadlineTimer: Bool { check(KVM_CAP_TSC_DEADLINE_TIMER) != 0 }
    package var hasLocalAPICsAlone: Bool { check(KVM_CAP_SPLIT_IRQCHIP) != 0 }
    /// Whether a guest with KVM's clock can be made to see that it was stopped (Linux 3.5; x86).
    package var marksPauses: Bool { check(KVM_CAP_KVMCLOCK_CTRL) != 0 }
    /// arm64: how many breakpoints and watchpoints KVM_SET_GUEST_DEBUG takes; 0 elsewhere.
    package var breakpointCount: Int { Int(check(KVM_CAP_GUEST_DEBUG_HW_BPS)) }
    package var watchpointCount: Int { Int(check(KVM_CAP_GUEST_DEBUG_HW_WPS)) }
    /// arm64: whether the levels of the timers and the PMU come with each exit, so that an interrupt controller here can
    /// serve them.
    package var reportsDeviceInterrupts: Bool { check(KVM_CAP_ARM_USER_IRQ) != 0 }
    package var hasReadOnlyMemory: Bool { check(KVM_CAP_READONLY_MEM) != 0 }
    package var maximumVCPUs: Int { Int(check(KVM_CAP_MAX_VCPUS)) }
}
