import Primitives

/// Why an instruction that stored nothing and accessed no page may have faulted: what the manual says it checks, held
/// against the registers as they were (Intel SDM volume 2, each instruction's "Protected Mode Exceptions" and "64-Bit
/// Mode Exceptions"). 32-bit and 64-bit code. Left out: calls and jumps through gates, task switches, and features'
/// own rules.
package struct X86ProtectionFault: Equatable, Sendable {
    package enum Vector: UInt8, Sendable {
        case invalidOpcode = 6
        case segmentNotPresent = 11
        case generalProtection = 13
    }

    package let vector: Vector
    package let reason: String
    /// The check itself failed; otherwise the instruction is of a kind that faults so, and nothing else explains it.
    package let isCertain: Bool

    /// What is looked at besides registers.
    package struct Memory {
        let read: (VirtualAddress, Int) -> [UInt8]?
        let descriptor: (UInt16) -> UInt64?

        package init(
            read: @escaping (VirtualAddress, Int) -> [UInt8]?, descriptor: @escaping (UInt16) -> UInt64?
        ) {
            self.read = read
            self.descriptor = descriptor
        }
    }

    private init(_ reason: String, _ vector: Vector = .generalProtection, isCertain: Bool = true) {
        (self.vector, self.reason, self.isCertain) = (vector, reason, isCertain)
    }

    /// Nil where nothing is known that the instruction could have failed at.
    package init?(_ bytes: [UInt8], _ file: RegisterFile, _ memory: Memory) {
        guard let operand = X86MemoryOperand(bytes, file), let found = Self.find(operand, file, memory) else {
            return nil
        }
        self = found
    }

    private static func find(_ operand: X86MemoryOperand, _ file: RegisterFile, _ memory: Memory) -> Self? {
        let level = X86.privilege(file)
        if level > 0, let name = privilegedName(operand) {
            return Self("\(name) at CPL\(level)")
        }
        if level > Int(X86.flagsRegister(file)[bits: 12...13]), let name = inputOutputName(operand.opcode) {
            return Self("\(name) at CPL\(level) with IOPL \(X86.flagsRegister(file)[bits: 12...13])", isCertain: false)
        }
        switch operand.opcode {
        case 0x0f22:
            return operand.register.flatMap {
                controlRegister(operand.extendedRegister, operand.value(of: $0), file)
            }
        case 0x0f30: return modelSpecificWrite(operand, file)
        case 0x0f32:
            return Self("RDMSR of \(hexadecimal(UInt32(truncatingIfNeeded: operand.value(of: 1))))", isCertain: false)
        case 0x0f00 where operand.extended == 2 || operand.extended == 3: return tableSegment(operand, memory)
        case 0x0f01 where operand.register == nil && (operand.extended == 2 || operand.extended == 3):
            return descriptorTable(operand, file, memory)
        case 0x8e: return dataSegment(operand, level, memory)
        case 0xcf: return interruptReturn(operand, file, level, memory)
        case 0x0f07 where operand.isWide && !isCanonical(operand.value(of: 1), file):
            return Self("SYSRET to \(hexadecimal(operand.value(of: 1))), which is not canonical")
        default: return nil
        }
    }

    // MARK: - Privilege

    private static func privilegedName(_ operand: X86MemoryOperand) -> String? {
        switch (operand.opcode, operand.extended) {
        case (0xf4, _): "HLT"
        case (0x0f06, _): "CLTS"
        case (0x0f07, _): "SYSRET"
        case (0x0f08, _), (0x0f09, _): "a cache invalidation"
        case (0x0f20, _), (0x0f22, _): "MOV of a control register"
        case (0x0f21, _), (0x0f23, _): "MOV of a debug register"
        case (0x0f30, _): "WRMSR"
        case (0x0f32, _): "RDMSR"
        case (0x0f35, _): "SYSEXIT"
        case (0x0f00, 2): "LLDT"
        case (0x0f00, 3): "LTR"
        case (0x0f01, 2) where operand.register == nil: "LGDT"
        case (0x0f01, 3) where operand.register == nil: "LIDT"
        case (0x0f01, 6): "LMSW"
        case (0x0f01, 7) where operand.register == nil: "INVLPG"
        default: nil
        }
    }

    private static func inputOutputName(_ opcode: UInt16) -> String? {
        switch opcode {
        case 0xfa: "CLI"
        case 0xfb: "STI"
        case 0x6c, 0x6d, 0xe4, 0xe5, 0xec, 0xed: "a port read"
        case 0x6e, 0x6f, 0xe6, 0xe7, 0xee, 0xef: "a port write"
        default: nil
        }
    }

    // MARK: - Registers

    private static func controlRegister(_ number: UInt8, _ value: UInt64, _ file: RegisterFile) -> Self? {
        let what = "MOV of \(hexadecimal(value)) to CR\(number)"
        let isLong = file.field(X86.Field.efer)[bit: 10]
        func fault(_ why: String) -> Self { Self("\(what): \(why)") }
        switch number {
        case 0:
            if value >> 32 != 0 { return fault("bits 63 to 32 are reserved") }
            if value[bit: 31], !value[bit: 0] { return fault("paging without protection") }
            if value[bit: 29], !value[bit: 30] { return fault("NW without CD") }
            if isLong, !value[bit: 31], X86.mode(file) == .long { return fault("64-bit code cannot turn paging off") }
            if value[bit: 31], file.field(X86.Field.efer)[bit: 8], !file.field(X86.Field.cr4)[bit: 5] {
                return fault("long mode needs CR4.PAE")
            }
            return nil
        case 3:
            let isReserved = isLong && value[bits: 52...62] != 0
            return isReserved ? fault("reserved bits are set") : nil
        case 4:
            if value >> 32 != 0 { return fault("bits 63 to 32 are reserved") }
            if isLong, !value[bit: 5] { return fault("long mode needs PAE") }
            if value[bit: 17], !isLong { return fault("PCIDE outside of long mode") }
            let new = value & ~file.field(X86.Field.cr4)
            return new == 0
                ? nil : Self("\(what): this processor may not have bits \(hexadecimal(new))", isCertain: false)
        case 8: return value > 15 ? fault("bits 63 to 4 are reserved") : nil
        default: return Self("\(what): there is no such register", .invalidOpcode, isCertain: number != 2)
        }
    }

    /// Registers that take canonical addresses only.
    private static let addresses: Set<UInt64> = [
        0x175, 0x176, 0xc000_0082, 0xc000_0083, 0xc000_0100, 0xc000_0101, 0xc000_0102,
    ]

    private static func modelSpecificWrite(_ operand: X86MemoryOperand, _ file: RegisterFile) -> Self {
        let index = operand.value(of: 1) & 0xffff_ffff
        let value = operand.value(of: 0) & 0xffff_ffff | operand.value(of: 2) << 32
        let what = "WRMSR of \(hexadecimal(value)) to \(hexadecimal(index))"
        if addresses.contains(index), !isCanonical(value, file) { return Self("\(what): not canonical") }
        let efer = file.field(X86.Field.efer)
        if index == 0xc000_0080, (value ^ efer)[bit: 8], file.field(X86.Field.cr0)[bit: 31] {
            return Self("\(what): EFER.LME cannot change while paging is on")
        }
        return Self(what, isCertain: false)
    }

    private static func isCanonical(_ value: UInt64, _ file: RegisterFile) -> Bool {
        let unused: Int64 = file.field(X86.Field.cr4)[bit: 12] ? 7 : 16
        return (Int64(bitPattern: value) << unused) >> unused == Int64(bitPattern: value)
    }

    // MARK: - Segments and tables

    /// The selector that an instruction loads, from a register or from memory.
    private static func selector(_ operand: X86MemoryOperand, _ memory: Memory) -> UInt16? {
        if let register = operand.register { return UInt16(truncatingIfNeeded: operand.value(of: register)) }
        guard let address = operand.address, let bytes = memory.read(address, 2) else { return nil }
        return bytes.number(at: 0, count: 2)
    }

    private static func tableSegment(_ operand: X86MemoryOperand, _ memory: Memory) -> Self? {
        guard let selector = selector(operand, memory) else { return nil }
        let isTask = operand.extended == 3
        let what = "\(isTask ? "LTR" : "LLDT") of selector \(hexadecimal(selector, digits: 4))"
        if selector & ~3 == 0 { return isTask ? Self("\(what): it is null") : nil }
        guard let descriptor = memory.descriptor(selector) else { return Self("\(what): outside of the GDT") }
        let type = descriptor[bits: 40...44]
        // An available 16- or 32-bit task state segment; an LDT.
        guard isTask ? type == 1 || type == 9 : type == 2 else {
            return Self("\(what): its descriptor is of type \(hexadecimal(type))")
        }
        return descriptor[bit: 47] ? nil : Self("\(what): not present", .segmentNotPresent)
    }

    private static func descriptorTable(
        _ operand: X86MemoryOperand, _ file: RegisterFile, _ memory: Memory
    ) -> Self? {
        guard X86.mode(file) == .long, let address = operand.address, let bytes = memory.read(address, 10) else {
            return nil
        }
        let base: UInt64 = bytes.number(at: 2, count: 8)
        let name = operand.extended == 2 ? "LGDT" : "LIDT"
        return isCanonical(base, file) ? nil : Self("\(name) of base \(hexadecimal(base)), which is not canonical")
    }

    private static let segmentNames = ["ES", "CS", "SS", "DS", "FS", "GS"]

    private static func dataSegment(_ operand: X86MemoryOperand, _ level: Int, _ memory: Memory) -> Self? {
        let number = Int(operand.extended)
        guard number != 1, number < segmentNames.count else {
            return Self("MOV to CS, or to a segment register that is none", .invalidOpcode)
        }
        guard let selector = selector(operand, memory) else { return nil }
        let isStack = number == 2
        let what = "MOV of selector \(hexadecimal(selector, digits: 4)) to \(segmentNames[number])"
        if selector & ~3 == 0 {
            return isStack && level == 3 ? Self("\(what): the stack segment cannot be null here") : nil
        }
        guard let descriptor = memory.descriptor(selector) else { return Self("\(what): outside of its table") }
        let type = descriptor[bits: 40...44]
        let isWritable = type & 0x1a == 0x12
        let isReadable = type & 0x10 != 0 && (type & 8 == 0 || type & 2 != 0)
        guard isStack ? isWritable : isReadable else {
            return Self("\(what): its descriptor is of type \(hexadecimal(type))")
        }
        let dpl = Int(descriptor[bits: 45...46])
        let rpl = Int(selector & 3)
        let isConforming = type & 0x1c == 0x1c
        if isStack ? dpl != level || rpl != level : !isConforming && (dpl < level || dpl < rpl) {
            return Self("\(what): DPL \(dpl) and RPL \(rpl) do not go with CPL\(level)")
        }
        // A stack segment that is not present is a stack fault, which this has no case for.
        return descriptor[bit: 47] || isStack ? nil : Self("\(what): not present", .segmentNotPresent)
    }

    private static func interruptReturn(
        _ operand: X86MemoryOperand, _ file: RegisterFile, _ level: Int, _ memory: Memory
    ) -> Self? {
        let size = operand.isWide ? 8 : 4
        let frame = X86InterruptFrame(
            at: X86.stackTop(file), wordSize: size, hasErrorCode: false, read: memory.read)
        guard let frame else { return nil }
        let selector = frame.codeSelector
        let what = "IRET to \(hexadecimal(selector)):\(hexadecimal(frame.instructionOffset))"
        if selector & ~3 == 0 { return Self("\(what): the code selector is null") }
        guard let descriptor = memory.descriptor(selector) else { return Self("\(what): outside of the GDT") }
        guard descriptor[bits: 43...44] == 3 else { return Self("\(what): that is no code segment") }
        if Int(selector & 3) < level { return Self("\(what): from CPL\(level) to a more privileged level") }
        if descriptor[bit: 53], !isCanonical(frame.instructionOffset, file) {
            return Self("\(what): not a canonical address")
        }
        return descriptor[bit: 47] ? nil : Self("\(what): the code segment is not present", .segmentNotPresent)
    }
}
