import Debugger
import Interrupts
import KVM
import Primitives

// The GICv2 of an arm64 machine, whoever makes it: the built-in one, or the kernel's through its registers.
extension VirtualMachine {
    /// As it stands; of the kernel's, what its registers show. While no vCPU runs.
    func gic() throws(Refusal) -> GICv2 {
        if let armModel { return armModel.look { $0 } }
        guard vgic?.version == .v2 else { throw Refusal("the kernel's GICv3 cannot be looked into yet") }
        var configuration = GICv2.Configuration()
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
        if let failure { throw Refusal("the kernel's interrupt controller cannot be read: \(failure)") }
        return found
    }

    /// GICC_PMR.
    private static let priorityMask = 0x04

    /// Brings the kernel's controller to its state at the start. There is no request for that: what a guest turns on is
    /// turned off. Priorities, targets and trigger modes stay, which every guest sets before it enables an interrupt.
    func resetVGIC() throws(KVMError) {
        guard vgic?.version == .v2 else { return }
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
