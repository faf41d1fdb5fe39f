import Debugger
import Devices
import Interrupts
import KVM
import Primitives

/// The kernel's GICv2 of an arm64 machine: `--irqchip vgic` where the host has one
/// (Documentation/virt/kvm/devices/arm-vgic.rst).
final class KernelGICv2: KernelGIC {
    unowned let machine: VirtualMachine
    let wires: InterruptWires
    let vgic: VGIC

    /// All vCPUs are made.
    init(of machine: VirtualMachine) throws(KVMError) {
        self.machine = machine
        vgic = try VGIC(.v2, in: machine.vm)
        try vgic.place(distributor: ArmBoard.distributor, processors: ArmBoard.interruptInterface)
        try vgic.initialise(interrupts: ArmBoard.interruptCount)
        wires = try InterruptWires(of: machine)
    }

    let pages: [(base: PhysicalAddress, size: UInt64, name: String)] = [
        (ArmBoard.distributor, UInt64(GICv2.distributorSize), "GICv2 Distributor"),
        (ArmBoard.interruptInterface, UInt64(GICv2.interfaceSize), "GICv2 CPU interface"),
    ]

    func copy() throws(KVMError) -> any InspectableGIC { try state() }

    func signalledInterrupt(on processor: Processor) throws(KVMError) -> Int? {
        try processor.whileOthersWait { () throws(KVMError) in try state().signalledInterrupt(processor.index) }
    }

    func inspect(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8]? {
        guard GICv2.Placement.arm64.find(address) != nil else { return nil }
        do throws(KVMError) {
            return try state().inspect(.arm64, address, count: count, by: processor)
        } catch {
            throw .unreadable(error)
        }
    }

    /// As its registers show it.
    func state() throws(KVMError) -> GICv2 {
        var configuration = GICv2.Configuration.kvm
        configuration.processors = machine.processorCount
        configuration.interrupts = Int(ArmBoard.interruptCount)
        var failure: KVMError?
        func read(_ register: VGIC.Register) -> UInt32 {
            do throws(KVMError) { return UInt32(truncatingIfNeeded: try vgic.read(register)) } catch {
                failure = error
                return 0
            }
        }
        let found = GICv2(
            viewing: configuration, distributor: { read(.distributor(UInt32($0), processor: $1)) },
            interface: { offset, processor in
                let value = read(.interface(UInt32(offset), processor: processor))
                // KVM gives the five bits that the virtual interface keeps of GICC_PMR.
                return UInt32(offset) == Interface.priorityMask ? value << 3 : value
            })
        if let failure { throw failure }
        return found
    }

    /// Registers of the CPU interface, by their offsets (IHI 0048B, table 4-2).
    private enum Interface {
        static let control: UInt32 = 0x00
        static let priorityMask: UInt32 = 0x04
        static let activePriorities: UInt32 = 0xd0
    }

    /// Brings it to its state at the start. There is no request for that: what a guest turns on is turned off. Priorities,
    /// targets and trigger modes stay, which every guest sets before it enables an interrupt.
    func reset(_ lines: [LineChange]) throws(KVMError) {
        try wires.reset()
        try vgic.write(.distributor(Block.control, processor: 0), 0)
        for index in machine.processors.indices {
            for word in 0..<ArmBoard.interruptCount / 32 where word == 0 || index == 0 {
                for block in [Block.clearEnable, Block.clearPending, Block.clearActive] {
                    try vgic.write(.distributor(block + word * 4, processor: index), 0xffff_ffff)
                }
            }
            for offset in [Interface.control, Interface.priorityMask, Interface.activePriorities] {
                try vgic.write(.interface(offset, processor: index), 0)
            }
        }
    }

    /// Blocks of the Distributor, by their offsets (IHI 0048B, table 4-1).
    enum Block {
        static let control: UInt32 = 0x000
        static let identification: UInt32 = 0x008
        static let group: UInt32 = 0x080
        static let setEnable: UInt32 = 0x100
        static let clearEnable: UInt32 = 0x180
        static let setPending: UInt32 = 0x200
        static let clearPending: UInt32 = 0x280
        static let clearActive: UInt32 = 0x380
        static let priority: UInt32 = 0x400
        static let targets: UInt32 = 0x800
        static let softwareInterrupt: UInt32 = 0xf00
        static let clearPendingSGI: UInt32 = 0xf10
    }
}
