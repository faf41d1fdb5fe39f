import Debugger
import Devices
import Interrupts
import KVM
import Primitives

/// The kernel's GICv3 of an arm64 machine: `--irqchip vgic` where the host has no GICv2
/// (Documentation/virt/kvm/devices/arm-vgic-v3.rst). Which registers have an effect is GICv3's to say; here they are read
/// and written.
final class KernelGICv3: KernelGIC {
    unowned let machine: VirtualMachine
    let wires: InterruptWires
    private let vgic: VGIC

    /// All vCPUs are made.
    init(of machine: VirtualMachine) throws(KVMError) {
        self.machine = machine
        vgic = try VGIC(.v3, in: machine.vm)
        try vgic.place(distributor: ArmBoard.distributor, processors: ArmBoard.redistributors)
        try vgic.initialise(interrupts: ArmBoard.interruptCount)
        wires = try InterruptWires(of: machine)
    }

    var pages: [(base: PhysicalAddress, size: UInt64, name: String)] {
        [
            (ArmBoard.distributor, ArmBoard.distributorSize, "GICv3 Distributor"),
            (
                ArmBoard.redistributors, ArmBoard.redistributorSize * UInt64(machine.processorCount),
                "GICv3 Redistributors"
            ),
        ]
    }

    func copy() throws(KVMError) -> any InspectableGIC { try state() }

    /// As its registers show it.
    private func state() throws(KVMError) -> GICv3 {
        var failure: KVMError?
        let found = GICv3(processors: machine.processorCount) { register in
            do throws(KVMError) { return try vgic.read(register) } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        return found
    }

    func signalledInterrupt(on processor: Processor) throws(KVMError) -> Int? {
        try processor.whileOthersWait { () throws(KVMError) in try state().signalledInterrupt(processor.index) }
    }

    func perform(_ request: InterruptRequest) throws(Refusal) -> String {
        var copy: GICv3
        do throws(KVMError) { copy = try state() } catch { throw .unreadable(error) }
        let done = copy.perform(request, machine.processorFacts)
        guard done.result.isDone else { throw Refusal(done.result.text) }
        var isTaken = true
        do throws(KVMError) {
            for change in done.changes { try apply(change) }
            if case .inject(let id, let cpu, _) = request, copy.state(id, cpu).isPending {
                isTaken = try state().state(id, cpu).isPending
            }
        } catch {
            throw .refused(error)
        }
        guard isTaken else { throw .drivenByKernel(request) }
        return "\(done.result)"
    }

    private func apply(_ change: GICv3.Change) throws(KVMError) {
        switch change {
        case .register(let register, let value): try vgic.write(register, value)
        case .line(let id, let cpu, let level): try setLine(id, cpu, level)
        }
    }

    /// As at the start, but for what KernelGICv2 leaves as well.
    func reset(_ lines: [LineChange]) throws(KVMError) {
        try wires.reset()
        for change in try state().changesOfReset { try apply(change) }
    }

    func inspect(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8]? {
        guard let register = GICv3.Register(at: address, processors: machine.processorCount) else { return nil }
        do throws(KVMError) { return bytes(of: try state().inspect(register), from: address, count) } catch {
            throw .unreadable(error)
        }
    }
}

extension VGIC {
    fileprivate func read(_ register: GICv3.Register) throws(KVMError) -> UInt64 {
        if case .levels(let first, let cpu) = register {
            return UInt64(try levels(from: UInt32(first), processor: cpu))
        }
        return try read(Register(register))
    }

    fileprivate func write(_ register: GICv3.Register, _ value: UInt64) throws(KVMError) {
        try write(Register(register), value)
    }
}

extension VGIC.Register {
    fileprivate init(_ register: GICv3.Register) {
        switch register {
        case .distributor(let offset): self = .distributor(UInt32(offset), processor: 0)
        case .redistributor(let offset, let cpu): self = .redistributor(UInt32(offset), processor: cpu)
        case .system(let name, let cpu): self = .system(name.encoding, processor: cpu)
        case .levels: preconditionFailure("levels are no register of the device's")
        }
    }
}

extension GICv3.Register {
    /// The word that an address is in; nil where there is none of a GICv3 of so many processors.
    fileprivate init?(at address: PhysicalAddress, processors: Int) {
        let distributor = address.rawValue &- ArmBoard.distributor.rawValue
        let redistributor = address.rawValue &- ArmBoard.redistributors.rawValue
        let size = ArmBoard.redistributorSize
        if distributor < ArmBoard.distributorSize {
            self = .distributor(Int(distributor & ~3))
        } else if redistributor < size * UInt64(processors) {
            self = .redistributor(Int(redistributor % size & ~3), cpu: Int(redistributor / size))
        } else {
            return nil
        }
    }
}
