import Primitives

// The x86-64 processor as the debugger sees it: where its registers lie and what state they say it is in
// (Intel SDM volume 3; layouts from the kernel's arch/x86/include/uapi/asm/kvm.h).

/// The x86-64 guest architecture.
package enum X86 {
    /// Where each of the kernel's structures begins in a `RegisterFile`, in bytes.
    package enum Storage {
        package static let general = 0
        package static let generalBlock = general..<system
        package static let system = 144
        package static let floatingPoint = 456
        package static let debug = 4552
        package static let modelSpecific = 4680
        package static let extendedControl = modelSpecific + modelSpecificRegisters.count * 8
        package static let size = extendedControl + 8
    }

    /// Offsets within an XSAVE area in its standard form (Intel SDM volume 1, section 13.4).
    enum ExtendedState {
        static let controlWord = Storage.floatingPoint
        static let statusWord = Storage.floatingPoint + 2
        static let tagWord = Storage.floatingPoint + 4
        static let opcode = Storage.floatingPoint + 6
        static let instructionPointer = Storage.floatingPoint + 8
        static let dataPointer = Storage.floatingPoint + 16
        static let mxcsr = Storage.floatingPoint + 24
        /// Eight registers, 16 bytes apart.
        static let x87 = Storage.floatingPoint + 32
        /// Sixteen registers, 16 bytes apart.
        static let xmm = Storage.floatingPoint + 160
        /// XSTATE_BV: which components are not in their initial state.
        static let header = Storage.floatingPoint + 512
    }

    /// Offsets in a `RegisterFile` of what this file looks at.
    enum Field {
        static let accumulator = Storage.general
        static let dataRegister = Storage.general + 24
        static let stackPointer = Storage.general + 48
        static let instructionPointer = Storage.general + 128
        static let flags = Storage.general + 136
        static let codeSegment = Storage.system
        static let cr8 = Storage.system + 256
        static let stackSegment = Storage.system + 120
        /// DS, ES, FS, GS.
        static let dataSegments = [24, 48, 72, 96].map { Storage.system + $0 }
        static let taskSegment = Storage.system + 144
        static let cr0 = Storage.system + 224
        static let cr2 = Storage.system + 232
        static let cr3 = Storage.system + 240
        static let cr4 = Storage.system + 248
        static let efer = Storage.system + 264
        static let apicBase = Storage.system + 272
        static let localTable = Storage.system + 168
        static let gdtBase = Storage.system + 192
        static let gdtLimit = Storage.system + 200
        static let idtBase = Storage.system + 208
        static let idtLimit = Storage.system + 216
    }

    /// How the processor reads its instructions.
    package enum Mode: Sendable {
        case real, virtual8086, protected16, protected32, long, compatibility

        package var name: String {
            switch self {
            case .real: "real mode"
            case .virtual8086: "virtual-8086 mode"
            case .protected16: "16-bit protected mode"
            case .protected32: "protected mode"
            case .long: "long mode"
            case .compatibility: "compatibility mode"
            }
        }
    }

    package static func mode(_ file: RegisterFile) -> Mode {
        guard file.field(Field.cr0) & 1 != 0 else { return .real }
        if file.field(Field.flags)[bit: 17] { return .virtual8086 }
        let longModeActive = file.field(Field.efer)[bit: 10]
        if longModeActive { return file.storage[Field.codeSegment + 19] != 0 ? .long : .compatibility }
        return file.storage[Field.codeSegment + 17] != 0 ? .protected32 : .protected16
    }

    /// The current privilege level, 0 to 3: the stack segment's DPL (Intel SDM volume 3, section 5.5).
    package static func privilege(_ file: RegisterFile) -> Int {
        switch mode(file) {
        case .real: 0
        case .virtual8086: 3
        default: Int(file.storage[Field.stackSegment + 16])
        }
    }

    /// What is added to RIP for the linear address: CS's base, which 64-bit code ignores.
    static func codeBase(_ file: RegisterFile) -> UInt64 {
        mode(file) == .long ? 0 : file.field(Field.codeSegment)
    }

    /// Whether it stands where a reset or INIT leaves a processor (Intel SDM volume 3, section 10.1.4): CS's base is
    /// 0xffff0000 only until the first far jump.
    package static func isAtReset(_ file: RegisterFile) -> Bool {
        file.field(Field.instructionPointer) == 0xfff0 && codeBase(file) == 0xffff_0000
    }

    /// The linear address of the next instruction.
    package static func programCounter(_ file: RegisterFile) -> VirtualAddress {
        VirtualAddress(file.field(Field.instructionPointer) &+ codeBase(file))
    }

    /// CR8: 0 to 15.
    package static func taskPriority(_ file: RegisterFile) -> UInt8 { file.storage[Field.cr8] & 0xf }

    /// EDX:EAX, where RDMSR puts what it read.
    package static func modelSpecificResult(_ file: RegisterFile) -> UInt64 {
        file.field(Field.dataRegister) << 32 | file.field(Field.accumulator) & 0xffff_ffff
    }

    package static func setTaskPriority(_ file: inout RegisterFile, _ value: UInt8) { file.storage[Field.cr8] = value }
    /// RSI and RDI: where string instructions read and write, but for segment bases.
    package static func stringPointers(_ file: RegisterFile) -> [UInt64] {
        [file.field(Storage.general + 32), file.field(Storage.general + 40)]
    }

    /// RFLAGS.IF: whether the processor takes maskable interrupts.
    package static func takesInterrupts(_ file: RegisterFile) -> Bool { file.field(Field.flags)[bit: 9] }

    /// CR2: the address of the last page fault.
    package static func faultAddress(_ file: RegisterFile) -> VirtualAddress { VirtualAddress(file.field(Field.cr2)) }

    package static func setFaultAddress(_ file: inout RegisterFile, to address: VirtualAddress) {
        file.storage.store(address.rawValue, at: Field.cr2, count: 8)
        file.changed.formUnion(.system)
    }

    /// RFLAGS.OF.
    package static func hasOverflow(_ file: RegisterFile) -> Bool { file.field(Field.flags)[bit: 11] }

    /// Whether DR7 has a breakpoint on: L0 to G3.
    package static func enablesBreakpoints(_ file: RegisterFile) -> Bool { file.storage[Storage.debug + 40] != 0 }

    /// IDTR: where the interrupt descriptor table is, and its last byte's offset.
    package static func interruptTable(_ file: RegisterFile) -> (base: VirtualAddress, limit: UInt16) {
        (VirtualAddress(file.field(Field.idtBase)), file.storage.number(at: Field.idtLimit, count: 2))
    }

    /// GDTR: where the global descriptor table is, and its last byte's offset.
    package static func descriptorTable(_ file: RegisterFile) -> (base: VirtualAddress, limit: UInt16) {
        (VirtualAddress(file.field(Field.gdtBase)), file.storage.number(at: Field.gdtLimit, count: 2))
    }

    /// IA32_APIC_BASE.
    package static func localAPICBase(_ file: RegisterFile) -> UInt64 { file.field(Field.apicBase) }

    /// What the processor reads by itself when it loads segments and delivers events: GDT, IDT, and outside of real
    /// mode LDT and task state. Linear addresses, without those that are empty.
    package static func systemTables(_ file: RegisterFile) -> [VirtualSpan] {
        var tables = [descriptorTable(file), interruptTable(file)].map { VirtualSpan($0.base, limit: UInt32($0.limit)) }
        if mode(file) != .real {
            tables += [Field.localTable, Field.taskSegment].map { segment in
                let limit: UInt32 = file.storage.number(at: segment + 8, count: 4)
                return VirtualSpan(VirtualAddress(file.field(segment)), limit: min(limit, 0xffff))
            }
        }
        return tables.filter { $0.limit > 0 }
    }

    package static func paging(_ file: RegisterFile) -> X86Paging {
        X86Paging(
            cr0: file.field(Field.cr0), cr3: file.field(Field.cr3), cr4: file.field(Field.cr4),
            efer: file.field(Field.efer))
    }

    /// Sets RIP: the offset in CS, not the linear address.
    package static func setInstructionOffset(_ file: inout RegisterFile, to offset: UInt64) {
        file.storage.store(offset, at: Field.instructionPointer, count: 8)
        file.changed.formUnion(.general)
    }

    /// The state in which a start-up message starts a processor that was reset: real mode at `page << 12` (Intel SDM
    /// volume 3, section 9.4.4).
    package static func startUp(_ file: inout RegisterFile, page: UInt8) {
        file.storage.store(UInt64(page) << 12, at: Field.codeSegment, count: 8)
        file.storage.store(UInt64(page) << 8, at: Field.codeSegment + 12, count: 2)
        setInstructionOffset(&file, to: 0)
    }

    /// Moves RIP forward past an instruction of `count` bytes.
    package static func advance(_ file: inout RegisterFile, by count: Int) {
        setInstructionOffset(&file, to: file.field(Field.instructionPointer) &+ UInt64(bitPattern: Int64(count)))
    }
}

extension RegisterFile {
    /// The 64-bit field at `offset`.
    func field(_ offset: Int) -> UInt64 { storage.number(at: offset, count: 8) }
}
