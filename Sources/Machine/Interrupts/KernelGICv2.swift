import Architecture
import Debugger
import Interrupts
import KVM
import Primitives

// The kernel's GICv2 of an arm64 machine, through its registers (Documentation/virt/kvm/devices/arm-vgic.rst): while no
// vCPU runs.
extension VirtualMachine {
    /// As its registers show it.
    func kernelGIC() throws(KVMError) -> GICv2 {
        guard vgic?.version == .v2 else { throw KVMError(request: "KVM_DEV_ARM_VGIC_GRP_DIST_REGS", errno: .invalid) }
        var configuration = GICv2.Configuration.kvm
        configuration.processors = processors.count
        configuration.interrupts = Int(ArmBoard.interruptCount)
        var failure: KVMError?
        func read(_ register: VGIC.Register) -> UInt32 {
            do throws(KVMError) { return UInt32(truncatingIfNeeded: try vgic!.read(register)) } catch {
                failure = error
                return 0
            }
        }
        let found = GICv2(
            viewing: configuration, distributor: { read(.distributor(UInt32($0), processor: $1)) },
            interface: { offset, processor in
                let value = read(.interface(UInt32(offset), processor: processor))
                // KVM gives the five bits that the virtual interface keeps of GICC_PMR.
                return offset == Self.priorityMask ? value << 3 : value
            })
        if let failure { throw failure }
        return found
    }

    /// GICC_PMR.
    private static let priorityMask = 0x04

    /// The same for the debugger.
    func readKernelGIC() throws(Refusal) -> GICv2 {
        do throws(KVMError) { return try kernelGIC() } catch {
            throw Refusal("the kernel's interrupt controller cannot be read: \(error)")
        }
    }

    /// Brings the kernel's controller to its state at the start. There is no request for that: what a guest turns on is
    /// turned off. Priorities, targets and trigger modes stay, which every guest sets before it enables an interrupt.
    func resetVGIC() throws(KVMError) {
        guard vgic != nil else { return }
        try wire?.reset()
        guard vgic?.version == .v2 else { return try resetKernelGICv3() }
        func write(_ register: VGIC.Register, _ value: UInt64) throws(KVMError) { try vgic!.write(register, value) }
        try write(.distributor(0, processor: 0), 0)
        for index in processors.indices {
            for word in 0..<ArmBoard.interruptCount / 32 where word == 0 || index == 0 {
                // GICD_ICENABLER, GICD_ICPENDR, GICD_ICACTIVER.
                for base: UInt32 in [0x180, 0x280, 0x380] {
                    try write(.distributor(base + word * 4, processor: index), 0xffff_ffff)
                }
            }
            // GICC_CTLR, GICC_PMR, GICC_APR0.
            for offset: UInt32 in [0x00, 0x04, 0xd0] { try write(.interface(offset, processor: index), 0) }
        }
    }
}

extension Processor {
    /// The private interrupts of a processor's own devices.
    private static let deviceInterrupts: [(device: DeviceInterrupts, number: UInt32)] = [
        (.performanceMonitor, ArmBoard.performanceMonitor), (.virtualTimer, ArmBoard.virtualTimer),
        (.physicalTimer, ArmBoard.physicalTimer),
    ]

    /// With the built-in GIC, after every exit: the timers and the performance monitor as they are now.
    func followDevices() {
        guard let model = machine.model else { return }
        let levels = vcpu.deviceInterrupts
        guard levels != arm64.deviceLevels else { return }
        let changed = levels.symmetricDifference(arm64.deviceLevels)
        arm64.deviceLevels = levels
        for (device, number) in Self.deviceInterrupts where changed.contains(device) {
            model.change(by: self) {
                $0.setLine(Int(number), cpu: index, levels.contains(device), at: $1)
            }
        }
    }
}
