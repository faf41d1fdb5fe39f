import Primitives

// The arm64 processor as the debugger sees it: where its registers lie and what state they say it is in (Arm
// Architecture Reference Manual, DDI 0487, "the Arm ARM": chapters C5 and D19). Guests run at EL1 and EL0, in AArch64 only.

/// The arm64 guest architecture.
package enum Arm64 {
    /// Where registers begin in a `RegisterFile`, in bytes. Up to `system` it is the kernel's `struct kvm_regs`
    /// (arch/arm64/include/uapi/asm/kvm.h), from whose offsets KVM numbers these registers.
    package enum Storage {
        package static let general = 0
        /// V0 to V31, 16 bytes each, then FPSR and FPCR, 4 bytes each.
        package static let vectors = 336
        /// One word of 8 bytes for each of `systemRegisters`.
        package static let system = 856
        package static let size = system + systemRegisters.count * 8
    }

    /// Offsets in a `RegisterFile` of what has a meaning here.
    enum Field {
        static let stackPointerEL0 = 248
        static let programCounter = 256
        static let state = 264
        static let stackPointerEL1 = 272
        static let link = 280
        static let savedState = 288
        static let control = offset(of: "sctlr_el1")
        static let translationControl = offset(of: "tcr_el1")
        static let lowTables = offset(of: "ttbr0_el1")
        static let highTables = offset(of: "ttbr1_el1")
        static let vectorBase = offset(of: "vbar_el1")
        static let syndrome = offset(of: "esr_el1")
        static let faultAddress = offset(of: "far_el1")

        private static func offset(of name: String) -> Int {
            Storage.system + systemRegisters.firstIndex { $0.name == name }! * 8
        }
    }

    /// The address of the next instruction.
    package static func programCounter(_ file: RegisterFile) -> VirtualAddress {
        VirtualAddress(file.field(Field.programCounter))
    }

    package static func setProgramCounter(_ file: inout RegisterFile, to address: VirtualAddress) {
        file.storage.store(address.rawValue, at: Field.programCounter, count: 8)
        file.changed.formUnion(.general)
    }

    /// PSTATE, gdb's `cpsr`.
    package static func state(_ file: RegisterFile) -> Arm64State {
        Arm64State(rawValue: file.field(Field.state))
    }

    package static func setState(_ file: inout RegisterFile, to state: Arm64State) {
        file.storage.store(state.rawValue, at: Field.state, count: 8)
        file.changed.formUnion(.general)
    }

    /// SPSR_EL1: PSTATE as it was before the last exception taken to EL1.
    package static func savedState(_ file: RegisterFile) -> Arm64State {
        Arm64State(rawValue: file.field(Field.savedState))
    }

    package static func setSavedState(_ file: inout RegisterFile, to state: Arm64State) {
        file.storage.store(state.rawValue, at: Field.savedState, count: 8)
        file.changed.formUnion(.general)
    }

    /// ELR_EL1: where the last exception taken to EL1 returns.
    package static func exceptionLink(_ file: RegisterFile) -> VirtualAddress { VirtualAddress(file.field(Field.link)) }

    /// ESR_EL1: why the last exception was taken to EL1. Takes the `.control` block.
    package static func syndrome(_ file: RegisterFile) -> Arm64Syndrome { Arm64Syndrome(file.field(Field.syndrome)) }

    /// FAR_EL1: the address of the last abort, watchpoint or misaligned program counter. Takes the `.control` block.
    package static func faultAddress(_ file: RegisterFile) -> VirtualAddress {
        VirtualAddress(file.field(Field.faultAddress))
    }

    /// CNTVCT_EL0. Takes the `.system` block.
    package static func virtualCount(_ file: RegisterFile) -> UInt64 { file.number(layout[name: "cntvct_el0"]!) }

    /// VBAR_EL1: where the exception vectors are. Takes the `.control` block.
    package static func vectorBase(_ file: RegisterFile) -> VirtualAddress {
        VirtualAddress(file.field(Field.vectorBase) & ~0x7ff)
    }

    package static func paging(_ file: RegisterFile) -> Arm64Paging {
        Arm64Paging(
            sctlr: file.field(Field.control), tcr: file.field(Field.translationControl),
            ttbr0: file.field(Field.lowTables), ttbr1: file.field(Field.highTables))
    }

    /// Why no guest has the general registers of `file`: modes that KVM refuses, with nothing but EINVAL.
    package static func objection(to file: RegisterFile) -> String? {
        let state = state(file)
        if state.isNarrow { return "cpsr.nRW is AArch32: guests run in AArch64 only" }
        if !Arm64State.modes.keys.contains(state.mode) {
            return "cpsr has the mode \(hexadecimal(state.mode)): a guest's is 0 (EL0t), 4 (EL1t) or 5 (EL1h)"
        }
        return nil
    }
}

/// PSTATE in the layout that SPSR_EL1 has (Arm ARM, chapter C5).
package struct Arm64State: Equatable, Sendable {
    package var rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// EL1 on its own stack pointer with debug exceptions, SError, IRQ and FIQ masked: how kernels are entered.
    package static let entry = Arm64State(rawValue: 0x3c5)

    static let modes: [UInt64: String] = [0: "EL0t", 4: "EL1t", 5: "EL1h"]

    /// M[3:0]: exception level and stack pointer selection.
    package var mode: UInt64 { rawValue[bits: 0...3] }
    /// M[4], nRW: AArch32.
    package var isNarrow: Bool { rawValue[bit: 4] }
    /// 0 or 1, where PSTATE is a guest's.
    package var exceptionLevel: Int { Int(rawValue[bits: 2...3]) }
    /// SP is SP_EL1, not SP_EL0.
    package var usesOwnStack: Bool { exceptionLevel > 0 && rawValue[bit: 0] }
    /// PSTATE.F and .I: FIQ and IRQ are not taken.
    package var masksFIQ: Bool {
        get { rawValue[bit: 6] }
        set { rawValue[bit: 6] = newValue }
    }
    package var masksIRQ: Bool {
        get { rawValue[bit: 7] }
        set { rawValue[bit: 7] = newValue }
    }

    /// PSTATE.SS: a software step is under way.
    package var isStepping: Bool {
        get { rawValue[bit: 21] }
        set { rawValue[bit: 21] = newValue }
    }

    /// The same with these masks.
    package func masking(_ irq: Bool, _ fiq: Bool) -> Arm64State {
        var state = self
        (state.masksIRQ, state.masksFIQ) = (irq, fiq)
        return state
    }

    /// "EL1h", and "AArch32 EL0" where a guest has one.
    package var modeName: String {
        isNarrow ? "AArch32 EL\(exceptionLevel)" : Self.modes[mode] ?? "mode \(hexadecimal(mode))"
    }
}
