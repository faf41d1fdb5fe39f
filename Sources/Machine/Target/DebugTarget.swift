import Architecture
import Debugger
import KVM
import Primitives

// The machine as the debugger needs it (see DebugTarget): called by the thread with the baton only.
extension VirtualMachine: DebugTarget {
    package var traits: TargetTraits {
        switch architecture {
        case .x86_64: x86Traits
        case .arm64: armTraits
        }
    }

    private var x86Traits: TargetTraits {
        let level = X86.mode(processors[0].registers) == .real ? capabilities.real : capabilities.kernel
        var traits = TargetTraits(
            layout: layout, processorCount: processors.count,
            breakpointInstruction: capabilities.trap(in: level).map { [$0.opcode] },
            linkAddress: configuration.linkAddress)
        traits.gicInterrupts = interruptController.gicInterrupts
        traits.plantsInUserPages = !capabilities.user.executionBreakpoint
        return traits
    }

    private static var noModelSpecific: Refusal {
        Refusal("arm64 has no model-specific registers; its system registers are among the registers")
    }

    package var memory: any PhysicalMemory { hidden }

    package func registers(of processor: Int, having blocks: RegisterBlocks) -> RegisterFile {
        processors[processor].fetch(blocks)
        return processors[processor].registers
    }

    package func setRegisters(_ file: RegisterFile, of processor: Int) throws(Refusal) {
        try processors[processor].take(file)
    }

    package func modelSpecific(_ index: UInt32, of processor: Int) throws(Refusal) -> UInt64 {
        guard architecture == .x86_64 else { throw Self.noModelSpecific }
        return try processors[processor].modelSpecific(index)
    }

    package func setModelSpecific(_ index: UInt32, to value: UInt64, of processor: Int) throws(Refusal) {
        guard architecture == .x86_64 else { throw Self.noModelSpecific }
        try processors[processor].setModelSpecific(index, to: value)
    }

    package func translate(
        _ address: VirtualAddress, on processor: Int
    ) throws(TranslationFault) -> Translation {
        try architecture.paging(processors[processor].registers).translate(address, in: guestMemory)
    }

    package func arrange(_ wanted: Arrangement) throws(Refusal) {
        switch architecture {
        case .x86_64: try arrangeX86(wanted)
        case .arm64: try arrangeArm(wanted)
        }
        arrangement = wanted
        isFilterStale = true
        if architecture == .x86_64 { findFollowed() }
        // At once: what is injected by hand happens before the machine goes on.
        model?.watch(wanted.catches)
    }

    private func arrangeX86(_ wanted: Arrangement) throws(Refusal) {
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
        let old = Set(pageWatchpoints)
        for watchpoint in byPages where !old.contains(watchpoint) { try admit(watchpoint) }
        debugRegisters = registers
        pageWatchpoints = byPages
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

// What vCPU threads ask about what is armed.
extension VirtualMachine {
    /// Whether anything is planted for a client.
    var plants: Bool { !arrangement.planted.isEmpty || !arrangement.software.isEmpty }

    /// Planted instructions are port reads, and exit as such.
    var plantsPortReads: Bool { architecture == .x86_64 && capabilities.trap == .portRead }

    /// Whether vCPUs must know where the guest's exception handlers are.
    var watchesHandlers: Bool {
        !capabilities.debugsUserMode || !caughtVectors.isEmpty || !caughtLines.isEmpty
    }

    func hasBreakpoint(at address: VirtualAddress) -> Bool {
        arrangement.software.contains(address) || arrangement.execution.contains(address)
    }

    /// Where `address` leads by the vCPU's page tables.
    func physical(_ address: VirtualAddress, seenBy processor: Processor) -> PhysicalAddress? {
        physical(address, by: processor.registers)
    }

    /// The same by the tables that `file` names.
    func physical(_ address: VirtualAddress, by file: RegisterFile) -> PhysicalAddress? {
        try? architecture.paging(file).translate(address, in: guestMemory).physical
    }

    /// Whether something is planted on the memory behind `address`: for a breakpoint at whichever address, a handler, or
    /// the end of a step.
    func isPlanted(at address: VirtualAddress, seenBy processor: Processor) -> Bool {
        guard let place = physical(address, seenBy: processor) else { return false }
        return arrangement.planted.original(at: place) != nil || hidden.original(at: place) != nil
    }

    /// Up to `count` bytes of the instruction at `address`, without what is planted: fewer where its page ends.
    func instruction(
        at address: VirtualAddress, count: Int = X86Instruction.maximumLength, seenBy processor: Processor
    ) -> [UInt8] {
        var result: [UInt8] = []
        while result.count < count {
            let place = address + result.count
            guard let physical = physical(place, seenBy: processor) else { break }
            let page = Int(MemorySlots.pageSize - place.rawValue % MemorySlots.pageSize)
            var bytes = [UInt8](repeating: 0, count: min(count - result.count, page))
            guard hidden.read(physical, into: &bytes) else { break }
            arrangement.planted.mask(&bytes, readFrom: physical, planting: plantedInstruction)
            result += bytes
        }
        return result
    }
}
