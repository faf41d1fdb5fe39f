import Architecture
import KVM
import Primitives

// A watchpoint is on a linear address, and an exit names a physical one. Where several linear addresses lead there, the
// instruction says which one it used. KVM shows the registers of before a read, and those of behind the whole instruction
// at a write: so each instruction that may end at the program counter is considered, too. Left out: bases of DS, ES and SS
// in 32-bit code, and vector instructions with VEX.
extension Processor {
    /// The linear addresses that the access under way to `place` can have been made through; nil where nothing found
    /// explains it.
    func accessOrigins(of size: Int, at place: PhysicalAddress, isWrite: Bool) -> Set<VirtualAddress>? {
        guard (try? fetchRegisters()) != nil, X86.paging(registers).isOn else { return nil }
        let counter = programCounter
        var found: Set<VirtualAddress> = []
        for distance in 0...X86Instruction.maximumLength {
            let bytes = machine.instruction(at: counter + -distance, seenBy: self)
            var file = registers
            X86.advance(&file, by: -distance)
            // The length counts where an operand is relative to the next instruction.
            let lengths = distance == 0 ? Array(1...X86Instruction.maximumLength) : [distance]
            for length in lengths {
                for access in X86MemoryOperand.accesses(bytes, file, length: length) + stack(bytes, file)
                where access.isWrite == isWrite {
                    if let origin = origin(of: access, at: place) { found.insert(origin) }
                }
            }
        }
        return found.isEmpty ? nil : found
    }

    /// What pushes, pops, calls and string instructions may access, before or behind them.
    private func stack(_ bytes: [UInt8], _ file: RegisterFile) -> [X86MemoryOperand.Access] {
        guard let operand = X86MemoryOperand(bytes, file) else { return [] }
        var places: [VirtualAddress] = []
        if operand.usesStack {
            places = [-8, -4, -2, 0].map { X86.stackTop(file) + $0 }
        } else if operand.isString {
            let steps = [-8, -4, -2, -1, 1, 2, 4, 8]
            places = X86.stringPointers(file).flatMap { pointer in steps.map { VirtualAddress(pointer) + $0 } }
        }
        return places.flatMap { place in
            [false, true].map { X86MemoryOperand.Access(address: place, size: 8, isWrite: $0) }
        }
    }

    /// The linear address by which `access`, or the part of it on its last page, gets to `place`; nil where it does not.
    private func origin(of access: X86MemoryOperand.Access, at place: PhysicalAddress) -> VirtualAddress? {
        let last = access.address + (access.size - 1)
        let lastPage = VirtualAddress(MemorySlots.page(of: last.rawValue))
        for start in [access.address, max(access.address, lastPage)] {
            guard let there = machine.physical(start, seenBy: self) else { continue }
            let distance = place.rawValue &- there.rawValue
            if distance < UInt64(access.size) { return start + Int(distance) }
        }
        return nil
    }
}
