import Architecture
import Debugger
import KVM
import Primitives

// The machine as the debugger needs it (see DebugTarget): called by the thread with the baton only.
extension VirtualMachine: DebugTarget {
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
        try architecture.paging(processors[processor].registers).translate(address, in: guestMemory)
    }
}

// What vCPU threads ask about what is armed.
extension VirtualMachine {
    /// Whether anything is planted for a client.
    var plants: Bool {
        !arrangement.planted.isEmpty || !arrangement.software.isEmpty || !x86.copies.followed.isEmpty
    }

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
            arrangement.planted.mask(&bytes, readFrom: physical, planting: hidden.instruction)
            result += bytes
        }
        return result
    }
}
