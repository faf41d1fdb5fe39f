import Architecture
import Debugger
import Devices
import Interrupts
import KVM
import Primitives

/// What an arm64 machine has besides its vCPUs, its interrupt controller and its devices.
struct ARM64Board {
    /// As many as the host has, once the machine is assembled.
    var debugRegisters = Arm64DebugRegisters(breakpointCount: 0, watchpointCount: 0)
    /// The guest's time of this stop, from which it continues.
    var keptCount: UInt64?
}

// The parts of a machine that are arm64's own.
extension VirtualMachine {
    /// Puts vCPUs, the interrupt controller, memory and the image in place.
    func assembleArm() throws(KVMError) {
        try vm.exitOnUndecodedAccesses()
        for index in 0..<configuration.processorCount {
            processors.append(Processor(index, try vm.makeVCPU(index), of: self))
        }
        var slots = MemorySlots()
        try slots.set(trapping: [:], of: guestMemory, in: vm)
        guestMemory.place(configuration.image.placements)
        let kind = try vm.hostProcessor()
        for processor in processors { try processor.prepareArm(kind) }
        try makeInterrupts()
        try interruptController.connect()
        arm64.debugRegisters = Arm64DebugRegisters(capabilities)
    }

    /// Back to the image's first instruction.
    func resetArm() throws(KVMError) {
        let kind = try vm.hostProcessor()
        guestMemory.place(configuration.image.placements)
        try interruptController.reset(armBus { $0.reset() })
        for processor in processors {
            processor.breakpoints.handlers = HandlerWatch()
            try processor.prepareArm(kind)
            processor.forgetRegisters()
        }
    }

    /// CNTVCT_EL0, which all vCPUs share: while the machine is stopped, so is the guest's time.
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

    private static let virtualCountRegister = Arm64.kernelRegister("cntvct_el0").id

    // MARK: - For the debugger

    var armTraits: TargetTraits {
        var traits = TargetTraits(
            layout: layout, processorCount: processors.count,
            breakpointInstruction: architecture.breakpointInstruction, linkAddress: configuration.image.linkAddress)
        traits.gicInterrupts = interruptController.gicInterrupts
        return traits
    }

    /// Takes debug registers for `wanted`, or refuses and changes nothing.
    func arrangeArm(_ wanted: Arrangement) throws(Refusal) {
        var registers = Arm64DebugRegisters(capabilities)
        for address in wanted.execution where !registers.add(address) {
            throw Refusal("all \(registers.breakpointCount) breakpoint registers are in use")
        }
        for row in wanted.catches {
            switch row.kind {
            case .memory, .exceptionClasses, .halt: break
            case .interrupt(let line, let kind): try interruptController.checkCatch(line, kind)
            case .ports: throw Refusal("arm64 has no ports; catch mmio ADDRESS is for devices")
            case .register: throw Refusal("KVM cannot catch accesses to arm64's system registers")
            case .exceptions: throw Refusal("these are exceptions of x86")
            }
        }
        let taken = wanted.catches.vectors.count * Processor.exceptionOrigins.count
        guard wanted.execution.count + taken <= registers.breakpointCount else {
            throw Refusal(
                "there are \(registers.breakpointCount) breakpoint registers, of which caught interrupts and "
                    + "exceptions take \(taken)")
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
        arm64.debugRegisters = registers
        arrangement = wanted
    }

    /// Device memory without what a read does to it.
    func inspectArm(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8] {
        if let bytes = try interruptController.inspect(address, count: count, by: processor) { return bytes }
        let size = min(8, count)
        guard let value = armBus({ $0.memory.inspect(at: address, size: size, now: now) }) else {
            throw Refusal("physical \(address) is neither memory nor a device")
        }
        return (0..<size).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    }

    var armMap: String {
        func line(_ start: PhysicalAddress, _ size: UInt64, _ name: String) -> String {
            let last = start.rawValue + size - 1
            return "\(hexadecimal(start.rawValue, digits: 16))-\(hexadecimal(last, digits: 16))  \(name)"
        }
        var lines = ["memory"]
        lines += interruptController.pages.map { line($0.base, $0.size, $0.name) }
        lines += armBus { $0.memory.regions }.map { region in
            line(region.base, UInt64(region.count), region.name + (region.line.map { ", interrupt \($0)" } ?? ""))
        }
        lines += guestMemory.layout.ranges.map {
            line($0.lowerBound, $0.upperBound.rawValue - $0.lowerBound.rawValue, "RAM")
        }
        return lines.joined(separator: "\n")
    }
}

extension Arm64DebugRegisters {
    /// As many as the host has.
    fileprivate init(_ capabilities: HostDebugCapabilities) {
        self.init(
            breakpointCount: capabilities.arm64.breakpointCount, watchpointCount: capabilities.arm64.watchpointCount)
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
