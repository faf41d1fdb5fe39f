/// The interrupt outputs of an arm64 processor's own devices that are high (KVM_ARM_DEV_*, `struct kvm_sync_regs`).
package struct DeviceInterrupts: OptionSet, Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package static let virtualTimer = DeviceInterrupts(rawValue: 1 << 0)
    package static let physicalTimer = DeviceInterrupts(rawValue: 1 << 1)
    package static let performanceMonitor = DeviceInterrupts(rawValue: 1 << 2)
}
