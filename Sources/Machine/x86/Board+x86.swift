import Architecture
import Boot
import Debugger
import Devices
import Interrupts
import KVM
import Primitives

/// What a PC has besides its vCPUs, its interrupt controllers and its devices.
struct X86Board {
    /// Below the firmware area at the top of 4 GiB: no guest memory, no device.
    static let intelPages = PhysicalAddress(0xfeff_d000)

    /// The machine's; a vCPU's are these and its own (see `slots`).
    var debugRegisters = X86DebugRegisters()
    /// Watchpoints by pages, and what is planted besides: replaced by `arrange`, read by vCPU threads while they run.
    var pageTraps = PageTraps()
    var copies = BreakpointCopies()
    /// What a reset brings back.
    var snapshot: MachineSnapshot!
    /// The model-specific registers among that.
    var resettableRegisters: [UInt32] = []
    var filter = RegisterFilter()
    var extendedState = ExtendedStateArea()

    /// Accesses to model-specific registers that exit.
    struct RegisterFilter {
        /// Those that KVM's filter holds back now.
        var registers: [FilteredRegister] = []
        /// Accesses to registers that KVM does not know exit, too: those of local APICs that it does not have.
        var exitsOnUnknown = false
        /// What is caught has changed since.
        var isStale = true
    }
}

// The parts of a machine that are a PC's own.
extension VirtualMachine {
    /// Puts interrupt controllers, vCPUs with these CPUID answers, memory and the image in place.
    func assembleX86(_ features: [CPUIDEntry], _ system: borrowing System) throws(KVMError) {
        x86.extendedState = ExtendedStateArea(features)
        try vm.reserveIntelPages(at: X86Board.intelPages)
        try makeInterrupts()
        x86.filter.exitsOnUnknown = !interruptController.hasKernelAPICs
        if capabilities.filtersRegisters {
            try vm.exitOnFilteredRegisters(andUnknown: x86.filter.exitsOnUnknown)
        }
        let offered = restrict(features, to: processorChoice, forced: capabilities.forcedFeatures)
        for index in 0..<configuration.processorCount {
            let vcpu = try vm.makeVCPU(index)
            let answers = identify(name(offered), as: index, of: configuration.processorCount)
            try vcpu.setProcessor(interruptController.answers(answers))
            processors.append(Processor(index, vcpu, of: self))
        }
        try interruptController.connect()
        try x86.pageTraps.slots.set(trapping: [:], of: guestMemory, in: vm)
        guestMemory.place(configuration.image.placements)
        guard case .x86(let start) = configuration.image.start else { fatalError("this machine's image is no PC's") }
        for processor in processors { try processor.prepare(start) }
        x86.resettableRegisters =
            try system.modelSpecificRegisters().filter { !MachineSnapshot.time.contains($0) }
            + MachineSnapshot.memoryTypes
        x86.snapshot = try MachineSnapshot(of: self)
    }

    /// See `Processor.tickDelay`.
    var slowsTicks: Bool { capabilities.emulatesKernelMode && configuration.image.isLinux }

    /// What the guest is to see of the host's processor.
    var processorChoice: X86ProcessorChoice {
        let choice = configuration.processor
        return choice.isDefault && capabilities.emulatesKernelMode ? .withoutSlow : choice
    }

    // MARK: - For the debugger

    var x86Traits: TargetTraits {
        let level = X86.mode(processors[0].registers) == .real ? capabilities.real : capabilities.kernel
        var traits = TargetTraits(
            layout: layout, processorCount: processors.count,
            breakpointInstruction: capabilities.trap(in: level).map { [$0.opcode] },
            linkAddress: configuration.image.linkAddress)
        traits.gicInterrupts = interruptController.gicInterrupts
        traits.plantsInUserPages = !capabilities.user.executionBreakpoint
        return traits
    }

    /// Takes debug registers for `wanted`, or refuses and changes nothing.
    func arrangeX86(_ wanted: Arrangement) throws(Refusal) {
        var registers = X86DebugRegisters()
        for address in wanted.execution {
            guard registers.add(X86DebugRegisters.Slot(address, .execute, length: 1)) else {
                throw Refusal("all \(X86DebugRegisters.slotCount) debug registers are in use")
            }
        }
        try check(wanted.catches)
        var byPages: [Arrangement.Watchpoint] = []
        for watchpoint in wanted.watchpoints {
            if capabilities.kernel.dataBreakpoint, registers.cover(watchpoint) { continue }
            byPages.append(watchpoint)
        }
        addCopies(of: wanted, to: &registers)
        let old = Set(x86.pageTraps.watchpoints)
        for watchpoint in byPages where !old.contains(watchpoint) { try admit(watchpoint) }
        x86.debugRegisters = registers
        x86.pageTraps.watchpoints = byPages
        x86.filter.isStale = true
        arrangement = wanted
        findFollowed()
    }

    /// Device memory without what a read does to it.
    func inspectX86(_ address: PhysicalAddress, count: Int, by processor: Int) throws(Refusal) -> [UInt8] {
        if let bytes = try interruptController.inspect(address, count: count, by: processor) { return bytes }
        let size = min(8, count)
        if let value = bus({ $0.memory.inspect(at: address, size: size, now: now) }) {
            return (0..<size).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
        }
        throw Refusal("physical \(address) is neither memory nor a device that can be read without side effects")
    }

    var x86Map: String {
        func line(_ first: String, _ last: String, _ name: String) -> String { "\(first)-\(last)  \(name)" }
        var lines = ["memory"]
        lines += guestMemory.layout.ranges.map { range in
            line(
                hexadecimal(range.lowerBound.rawValue, digits: 16),
                hexadecimal(range.upperBound.rawValue - 1, digits: 16), "RAM")
        }
        lines += interruptController.pages.map { page in
            let base = page.base.rawValue
            return line(hexadecimal(base, digits: 16), hexadecimal(base + page.size - 1, digits: 16), page.name)
        }
        let isGIC = interruptController.gicInterrupts != nil
        func interrupt(_ line: UInt32?) -> String {
            let input = line.flatMap { isGIC ? ModelledControllers.inputOfGIC(GSI: Int($0)) : Int($0) }
            return input.map { ", interrupt \($0)" } ?? ""
        }
        lines += bus { $0.memory.regions }.map { region in
            let last = region.base.rawValue + UInt64(region.count) - 1
            return line(
                hexadecimal(region.base.rawValue, digits: 16), hexadecimal(last, digits: 16),
                region.name + interrupt(region.line))
        }
        lines.append("ports")
        lines += bus { $0.ports.regions }.map { region in
            let last = region.base.rawValue + UInt16(region.count - 1)
            return line("\(region.base)", hexadecimal(last, digits: 4), region.name + interrupt(region.line))
        }
        return lines.joined(separator: "\n")
    }
}

extension X86DebugRegisters {
    /// Takes slots for all of a watchpoint; false, and none taken, where they do not suffice.
    fileprivate mutating func cover(_ watchpoint: Arrangement.Watchpoint) -> Bool {
        let access: Access = watchpoint.access == .write ? .write : .readWrite
        guard let pieces = Self.cover(watchpoint.address, count: watchpoint.count, access) else { return false }
        var copy = self
        guard pieces.allSatisfy({ copy.add($0) }) else { return false }
        self = copy
        return true
    }
}
