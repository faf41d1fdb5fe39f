import Debugger
import Interrupts
import KVM
import Primitives

// The kernel's GICv3 of an arm64 machine, through its registers (Documentation/virt/kvm/devices/arm-vgic-v3.rst): while no
// vCPU runs. Which registers have an effect is GICv3's to say; here they are read and written.
extension VirtualMachine {
    /// As its registers show it.
    func kernelGICv3() throws(KVMError) -> GICv3 {
        guard vgic?.version == .v3 else { throw KVMError(request: "KVM_DEV_ARM_VGIC_GRP_REDIST_REGS", errno: .invalid) }
        var failure: KVMError?
        let found = GICv3(processors: processors.count) { register in
            do throws(KVMError) { return try vgic!.read(register) } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        return found
    }

    func performInKernelGICv3(_ request: GICRequest) throws(Refusal) -> String {
        var copy = try readKernelGICv3()
        let done = copy.perform(request, facts)
        guard done.deed.isDone else { throw Refusal(done.deed.text) }
        do throws(KVMError) { for change in done.changes { try apply(change) } } catch {
            throw Refusal("the kernel's interrupt controller refuses: \(error)")
        }
        if case .inject(let id, let cpu, _) = request, copy.state(id, cpu).isPending,
            try !readKernelGICv3().state(id, cpu).isPending
        {
            throw Refusal("the kernel did not take interrupt \(id): it drives that input itself")
        }
        return "\(done.deed)"
    }

    /// `kernelGICv3` for the debugger.
    func readKernelGICv3() throws(Refusal) -> GICv3 {
        do throws(KVMError) { return try kernelGICv3() } catch {
            throw Refusal("the kernel's interrupt controller cannot be read: \(error)")
        }
    }

    private func apply(_ change: GICv3.Change) throws(KVMError) {
        switch change {
        case .register(let register, let value): try vgic!.write(register, value)
        case .line(let id, let cpu, let level): try setKernelLine(id, cpu, level)
        }
    }

    /// As at the start, but for what `resetVGIC` leaves as well.
    func resetKernelGICv3() throws(KVMError) {
        for change in try kernelGICv3().changesOfReset { try apply(change) }
    }

    /// What a vCPU would read of the GIC's pages, without what a read does; nil for another address.
    func inspectKernelGICv3(_ address: PhysicalAddress, count: Int) throws(Refusal) -> [UInt8]? {
        guard let register = GICv3.Register(at: address, processors: processors.count) else { return nil }
        let word = try readKernelGICv3().inspect(register)
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) }
        return Array(bytes[Int(address.rawValue & 3)...].prefix(count))
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
