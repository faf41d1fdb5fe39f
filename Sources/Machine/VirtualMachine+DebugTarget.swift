import Architecture
import Debugger
import KVM
import Primitives

// The machine as the debugger needs it (see DebugTarget): called by the thread with the baton only.
extension VirtualMachine: DebugTarget {
    package var traits: TargetTraits {
        let level = X86.mode(processors[0].registers) == .real ? capabilities.real : capabilities.kernel
        var traits = TargetTraits(
            layout: configuration.layout, processorCount: processors.count,
            breakpointInstruction: level.breakpoint.canBePlanted ? [X86Instruction.breakpointOpcode] : nil)
        traits.plantsInUserPages = !capabilities.user.executionBreakpoint
        return traits
    }

    package var memory: any PhysicalMemory { hidden }

    package func registers(of processor: Int, having blocks: RegisterBlocks) -> RegisterFile {
        processors[processor].fetch(blocks)
        return processors[processor].registers
    }

    package func setRegisters(_ file: RegisterFile, of processor: Int) throws(Refusal) {
        try processors[processor].take(file)
    }

    package func translate(
        _ address: VirtualAddress, on processor: Int
    ) throws(TranslationFault) -> Translation {
        try X86.paging(processors[processor].registers).translate(address, in: guestMemory)
    }

    package func arrange(_ wanted: Arrangement) throws(Refusal) {
        var registers = X86DebugRegisters()
        for address in wanted.execution {
            guard registers.add(X86DebugRegisters.Slot(address, .execute, length: 1)) else {
                throw Refusal("all \(X86DebugRegisters.slotCount) debug registers are in use")
            }
        }
        try check(wanted.catches)
        var traps: [WriteTrap] = []
        for watchpoint in wanted.watchpoints {
            if capabilities.kernel.dataBreakpoint, registers.cover(watchpoint) { continue }
            traps += try trap(watchpoint)
        }
        arrangement = wanted
        debugRegisters = registers
        self.traps = traps
    }

    /// The page traps for a watchpoint that no debug register serves.
    private func trap(_ watchpoint: Arrangement.Watchpoint) throws(Refusal) -> [WriteTrap] {
        guard watchpoint.access == .write else {
            throw Refusal(
                capabilities.kernel.dataBreakpoint
                    ? "all \(X86DebugRegisters.slotCount) debug registers are in use, and reads cannot be watched without one"
                    : "this host's KVM has no working data breakpoints, so reads cannot be watched; writes can")
        }
        guard capabilities.readOnlyMemoryExits else {
            throw Refusal("this host's KVM can watch only what fits the \(X86DebugRegisters.slotCount) debug registers")
        }
        var result: [WriteTrap] = []
        var (next, rest) = (watchpoint.address, watchpoint.count)
        while rest > 0 {
            let part = min(rest, Int(MemorySlots.pageSize - next.rawValue % MemorySlots.pageSize))
            let physical: PhysicalAddress
            do throws(TranslationFault) { physical = try translate(next, on: 0).physical } catch {
                throw Refusal("cannot watch: \(error)")
            }
            guard guestMemory.contains(physical, count: part) else { throw Refusal("\(physical) is not memory") }
            result.append(WriteTrap(address: next, range: physical..<(physical + part)))
            next = next + part
            rest -= part
        }
        return result
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
    /// Whether a client's INT3 is anywhere.
    var plants: Bool { !arrangement.planted.isEmpty }

    /// Whether vCPUs must know where the guest's exception handlers are.
    var watchesHandlers: Bool {
        !capabilities.debugsUserMode || !caughtVectors.isEmpty
    }

    func hasBreakpoint(at address: VirtualAddress) -> Bool {
        arrangement.execution.contains(address) || arrangement.planted.contains { $0.address == address }
    }

    /// Where `address` leads by the vCPU's page tables.
    func physical(_ address: VirtualAddress, seenBy processor: Processor) -> PhysicalAddress? {
        try? X86.paging(processor.registers).translate(address, in: guestMemory).physical
    }

    func planted(at place: PhysicalAddress) -> Arrangement.Planted? {
        arrangement.planted.first { $0.physical == place }
    }

    /// Whether something is planted on the memory behind `address`, whichever address it was planted through.
    func isPlanted(at address: VirtualAddress, seenBy processor: Processor) -> Bool {
        guard plants, let place = physical(address, seenBy: processor) else { return false }
        return planted(at: place) != nil
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
            for entry in arrangement.planted {
                let distance = entry.physical.rawValue &- physical.rawValue
                if distance < UInt64(bytes.count) { bytes[Int(distance)] = entry.original[0] }
            }
            result += bytes
        }
        return result
    }
}
