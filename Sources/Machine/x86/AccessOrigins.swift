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
        var found: Set<VirtualAddress> = []
        if isWrite {
            // What is left of an instruction without its prefix is none.
            var isRemainder = false
            for distance in (1...X86Instruction.maximumLength).reversed() {
                let bytes = machine.instruction(at: programCounter + -distance, seenBy: self)
                let hasPrefix = bytes.first.map(isPrefix) ?? false
                let origins = isRemainder ? [] : origins(bytes, -distance, size, place, isWrite: true)
                isRemainder = hasPrefix && (isRemainder || !origins.isEmpty)
                found.formUnion(origins)
            }
        }
        if found.isEmpty {
            let bytes = machine.instruction(at: programCounter, seenBy: self)
            found.formUnion(origins(bytes, 0, size, place, isWrite: isWrite))
        }
        return found.isEmpty ? nil : found
    }

    /// The same for the instruction `bytes`, which begins `offset` behind the program counter and, before it, ends there.
    private func origins(
        _ bytes: [UInt8], _ offset: Int, _ size: Int, _ place: PhysicalAddress, isWrite: Bool
    ) -> [VirtualAddress] {
        var file = registers
        X86.advance(&file, by: offset)
        guard let operand = X86MemoryOperand(bytes, file), offset == 0 || operand.length == -offset else { return [] }
        let accesses = X86MemoryOperand.accesses(bytes, file, length: operand.length) + stack(operand, file)
        return accesses.filter { $0.isWrite == isWrite }.compactMap { origin(of: $0, at: place) }
    }

    private func isPrefix(_ byte: UInt8) -> Bool {
        X86Instruction.prefixes.contains(byte) || X86.mode(registers) == .long && byte & 0xf0 == 0x40
    }

    /// What pushes, pops, calls and string instructions may access, before or behind them.
    private func stack(_ operand: X86MemoryOperand, _ file: RegisterFile) -> [X86MemoryOperand.Access] {
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
