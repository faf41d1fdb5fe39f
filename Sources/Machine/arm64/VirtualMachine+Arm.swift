import Architecture
import Debugger
import KVM
import Primitives

// The parts of a machine that are arm64's own.
extension VirtualMachine {
    /// Puts vCPUs, the interrupt controller, memory and the image in place.
    func assembleArm() throws(KVMError) {
        try vm.exitOnUndecodedAccesses()
        for index in 0..<configuration.processorCount {
            processors.append(Processor(index, try vm.makeVCPU(index), of: self))
        }
        try slots.set(trapping: [:], of: guestMemory, in: vm)
        guestMemory.place(configuration.image)
        let kind = try vm.hostProcessor()
        for processor in processors { try processor.prepareArm(kind) }
        switch configuration.interruptController {
        case .vgic: vgic = try makeVGIC()
        case .gicv2: armModel = ArmInterruptModel(of: self)
        case .apic, .kernel, .split: throw KVMError(request: "KVM_CREATE_IRQCHIP", errno: .invalid)
        }
        armDebugRegisters = Arm64DebugRegisters(capabilities)
    }

    /// The kernel's interrupt controller, of the version that the host has; a GICv2 where it has both.
    private func makeVGIC() throws(KVMError) -> VGIC {
        let version: VGIC.Version = VGIC.isAvailable(.v2, in: vm) ? .v2 : .v3
        let vgic = try VGIC(version, in: vm)
        try vgic.place(
            distributor: ArmBoard.distributor,
            processors: version == .v2 ? ArmBoard.interfaces : ArmBoard.redistributors)
        try vgic.initialise(interrupts: ArmBoard.interruptCount)
        return vgic
    }

    /// Back to the image's first instruction.
    func resetArm() throws(KVMError) {
        let kind = try vm.hostProcessor()
        guestMemory.place(configuration.image)
        try armModel?.reset()
        try resetVGIC()
        for processor in processors {
            try processor.prepareArm(kind)
            processor.forgetRegisters()
        }
    }

    /// CNTVCT_EL0, which all vCPUs share: while the machine stands still, so does the guest's time.
    var virtualCount: UInt64? {
        get {
            var bytes = [UInt8](repeating: 0, count: 8)
            guard (try? processors[0].vcpu.get(Self.virtualCountRegister, into: &bytes, at: 0)) != nil else {
                return nil
            }
            return bytes.number(at: 0, count: 8)
        }
        set {
            guard let newValue else { return }
            var bytes: [UInt8] = []
            bytes.append(littleEndian: newValue)
            try? processors[0].vcpu.set(Self.virtualCountRegister, from: bytes, at: 0)
        }
    }

    private static let virtualCountRegister: UInt64 = {
        let offset = Arm64.layout[name: "cntvct_el0"]!.offset
        return Arm64.kernelRegisters.first { $0.offset == offset }!.id
    }()

    // MARK: - For the debugger

    var armTraits: TargetTraits {
        TargetTraits(
            layout: layout, processorCount: processors.count,
            breakpointInstruction: architecture.breakpointInstruction, linkAddress: configuration.linkAddress)
    }

    func arrangeArm(_ wanted: Arrangement) throws(Refusal) {
        var registers = Arm64DebugRegisters(capabilities)
        for address in wanted.execution where !registers.add(address) {
            throw Refusal("all \(registers.breakpointCount) breakpoint registers are in use")
        }
        if let refused = wanted.catches.first {
            throw Refusal("this cannot be caught on arm64 yet: \(refused.kind)")
        }
        for watchpoint in wanted.watchpoints {
            let pieces = Arm64DebugRegisters.cover(
                watchpoint.address, count: watchpoint.count, Arm64DebugRegisters.Access(watchpoint.access),
                limit: registers.freeWatches)
            guard let pieces else {
                throw Refusal(
                    "there are \(registers.watchpointCount) watchpoint registers, and \(registers.freeWatches) are free"
                )
            }
            for piece in pieces { _ = registers.add(piece) }
        }
        arrangement = wanted
        armDebugRegisters = registers
    }

    /// Device memory without what a read does to it.
    func inspectArm(_ address: PhysicalAddress, count: Int) throws(Refusal) -> [UInt8] {
        throw Refusal("physical \(address) is not memory, and devices cannot be looked into on arm64 yet")
    }

    static var noArmInterrupts: Refusal {
        Refusal("the interrupt controllers of arm64 machines cannot be looked into yet")
    }

    var armMap: String {
        func line(_ start: UInt64, _ size: UInt64, _ name: String) -> String {
            "\(hexadecimal(start, digits: 16))-\(hexadecimal(start + size - 1, digits: 16))  \(name)"
        }
        var lines = ["memory"]
        lines += guestMemory.layout.ranges.map {
            line($0.lowerBound.rawValue, $0.upperBound.rawValue - $0.lowerBound.rawValue, "RAM")
        }
        lines.append(
            line(ArmBoard.console.rawValue, ArmBoard.consoleSize, "PL011, interrupt \(ArmBoard.consoleLine)"))
        return lines.joined(separator: "\n")
    }
}

extension Arm64DebugRegisters {
    /// As many as the host has.
    fileprivate init(_ capabilities: HostDebugCapabilities) {
        self.init(breakpointCount: capabilities.breakpointCount, watchpointCount: capabilities.watchpointCount)
    }
}

extension Arm64DebugRegisters.Access {
    fileprivate init(_ access: WatchAccess) {
        self =
            switch access {
            case .write: .write
            case .read: .read
            case .readWrite: .readWrite
            }
    }
}
