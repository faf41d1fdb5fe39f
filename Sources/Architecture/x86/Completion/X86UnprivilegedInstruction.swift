import Primitives

/// An instruction of kernel mode that does the same in user mode, so that a processor there can execute it: x87, MMX, SSE,
/// AVX, the state instructions, CMPXCHG16B, POPCNT, BMI, ADX, RDRAND (Intel SDM volume 2). What it checks in the
/// control registers is checked here (volume 3, table 2-2 and section 14.1), since those are another processor's. Left out:
/// gathers, AVX-512 with memory operands, protection keys, user interrupts, AMX.
package struct X86UnprivilegedInstruction: Sendable {
    /// What state it works on.
    enum Unit: Sendable {
        case integer, x87, wait, mmx, sse, avx
        /// FXSAVE, FXRSTOR.
        case legacyState
        /// XSAVE and its kin.
        case extendedState
    }

    let unit: Unit
    package let form: X86InstructionForm
    /// Bytes of the memory operand; 0 for an area of extended state.
    private let operandSize: Int
    package let isRead: Bool
    package let isWrite: Bool
    /// The instruction for 64-bit user mode, its memory operand at the address in `form.baseRegister`.
    package let code: [UInt8]

    package var length: Int { form.length }
    /// It depends on XCR0.
    package var dependsOnExtendedControl: Bool { unit == .avx || unit == .extendedState }

    /// It may change a general register, or much memory: what follows it may have another operand then.
    package var endsBlock: Bool {
        switch unit {
        case .integer, .legacyState, .extendedState: true
        case .x87: form.opcode == 0xdf && form.extended == 4 && form.memory == nil
        case .wait: false
        case .mmx, .sse, .avx:
            switch form.map {
            case .oneByte, .threeByte38: false
            case .twoByte: [0x2c, 0x2d, 0x50, 0x78, 0x79, 0x7e, 0x93, 0xc5, 0xd7].contains(form.opcode)
            case .threeByte3A: (0x14...0x17).contains(form.opcode) || (0x60...0x63).contains(form.opcode)
            }
        }
    }

    /// It stores where the last x87 instruction was: that one must not have been executed in the same block.
    package var storesPointers: Bool {
        switch unit {
        case .legacyState, .extendedState: true
        case .x87: form.memory != nil && form.extended == 6 && (form.opcode == 0xd9 || form.opcode == 0xdd)
        case .integer, .wait, .mmx, .sse, .avx: false
        }
    }

    /// It stores nothing where an exception of its own that is not masked is pending behind it.
    package var mayStoreNothing: Bool { unit == .x87 && isWrite }

    /// Bytes of the memory operand, where `stateSize` are those of an area with all of the extended state that is on.
    package func size(stateSize: Int) -> Int { unit == .extendedState ? stateSize : operandSize }

    /// What `monitor info exits` calls it.
    package var name: String {
        switch unit {
        case .integer: form.opcode == 0xc7 && form.memory != nil ? "cmpxchg16b" : "integer"
        case .x87: "x87"
        case .wait: "fwait"
        case .mmx: "mmx"
        case .sse: "sse"
        case .avx: "avx"
        case .legacyState: "fxsave, fxrstor"
        case .extendedState: "xsave, xrstor"
        }
    }
    /// It reads or changes x87, vector or other extended state.
    package var usesExtendedState: Bool { unit != .integer }

    /// Nil for any other instruction. RIP is `distance` bytes further than in `file`.
    package init?(_ bytes: [UInt8], _ file: RegisterFile, distance: Int = 0) {
        guard let form = X86InstructionForm(bytes, file, distance: distance) else { return nil }
        self.init(form)
        // The 14 and 94 bytes that 16-bit code stores are another form of the instruction.
        if X86.codeWordSize(file) == 2, form.memory != nil { return nil }
    }

    private init?(_ form: X86InstructionForm) {
        self.form = form
        guard let unit = Self.unit(of: form) else { return nil }
        self.unit = unit
        guard form.memory != nil else {
            (operandSize, isRead, isWrite, code) = (0, false, false, form.rewritten())
            return
        }
        guard form.baseRegister != nil else { return nil }
        let operand = Self.operand(of: form)
        (operandSize, isRead, isWrite) = (operand.size, operand.access != .write, operand.access != .read)
        // XSAVES and XRSTORS without supervisor components are XSAVEC and XRSTOR.
        switch (form.map, form.opcode, form.extended) {
        case (.twoByte, 0xc7, 5): code = form.rewritten(extended: 4)
        case (.twoByte, 0xc7, 3): code = form.rewritten(extended: 5, opcode: 0xae)
        default: code = form.rewritten()
        }
    }

    // MARK: - Which one it is

    private static func unit(of form: X86InstructionForm) -> Unit? {
        switch form.map {
        case .oneByte: return form.opcode == 0x9b ? .wait : (0xd8...0xdf).contains(form.opcode) ? .x87 : nil
        case .twoByte: return twoByteUnit(of: form)
        case .threeByte38:
            switch form.opcode {
            // INVEPT, INVVPID, INVPCID; AMX, user interrupts, shadow stacks, ENQCMD and what is like it.
            case 0x80...0x82, 0x49, 0x4b, 0x5c, 0x5e, 0xd8, 0xf8, 0xfa...0xff: return nil
            case 0xf5 where form.encoding == .legacy: return nil
            case 0xf6 where form.encoding == .legacy && form.mandatory == .none: return nil
            case 0xf0...0xf7, 0xf9: return .integer
            default: return vectorUnit(of: form)
            }
        case .threeByte3A:
            if form.encoding == .vex, form.opcode == 0xf0 { return .integer }
            return vectorUnit(of: form)
        }
    }

    private static func twoByteUnit(of form: X86InstructionForm) -> Unit? {
        switch form.opcode {
        case 0x10...0x17, 0x28...0x2f, 0x50...0x77, 0x7c...0x7f, 0xc2, 0xc4...0xc6, 0xd0...0xfe:
            return vectorUnit(of: form)
        case 0xc3 where form.encoding == .legacy && form.memory != nil: return .integer
        case 0xb8 where form.mandatory == .repeated: return .integer
        case 0xae: return stateUnit(of: form)
        case 0xc7: return exchangeUnit(of: form)
        case 0x41...0x4b, 0x90...0x93, 0x98, 0x99: return form.encoding == .legacy ? nil : .avx
        default: return nil
        }
    }

    private static func vectorUnit(of form: X86InstructionForm) -> Unit {
        guard form.encoding == .legacy else { return .avx }
        let isMMX =
            form.mandatory == .none
            && (form.map == .threeByte38 && form.opcode < 0x20
                || form.map == .threeByte3A && form.opcode == 0x0f
                || form.map == .twoByte && ((0x60...0x7f).contains(form.opcode) || form.opcode > 0xd0))
        return isMMX && form.opcode != 0xf7 ? .mmx : .sse
    }

    /// Opcode 0f ae.
    private static func stateUnit(of form: X86InstructionForm) -> Unit? {
        if form.encoding != .legacy { return form.extended == 2 || form.extended == 3 ? .avx : nil }
        guard form.memory != nil else {
            // LFENCE, MFENCE, SFENCE.
            return form.mandatory == .none && form.extended >= 5 ? .integer : nil
        }
        switch (form.extended, form.mandatory) {
        case (0, .none), (1, .none): return .legacyState
        case (2, .none), (3, .none): return .sse
        case (4, .none), (5, .none), (6, .none): return .extendedState
        // CLFLUSH, CLFLUSHOPT, CLWB.
        case (7, .none), (7, .operandSize), (6, .operandSize): return .integer
        default: return nil
        }
    }

    /// Opcode 0f c7.
    private static func exchangeUnit(of form: X86InstructionForm) -> Unit? {
        guard form.encoding == .legacy else { return nil }
        if form.memory != nil {
            switch form.extended {
            case 1: return .integer
            case 3, 4, 5: return form.mandatory == .none ? .extendedState : nil
            default: return nil
            }
        }
        // RDRAND, RDSEED; RDPID is the processor's own.
        return form.extended >= 6 && form.mandatory != .repeated ? .integer : nil
    }
}

extension X86UnprivilegedInstruction {
    /// What the control registers have against it, `extendedControl` (XCR0) too: nil where nothing.
    package func exception(_ file: RegisterFile, extendedControl: UInt64) -> ExceptionVector? {
        let cr0 = file.field(X86.Field.cr0)
        let cr4 = file.field(X86.Field.cr4)
        let (isMonitored, isEmulated, isSwitched) = (cr0[bit: 1], cr0[bit: 2], cr0[bit: 3])
        let (hasSSE, hasExtended) = (cr4[bit: 9], cr4[bit: 18])
        switch unit {
        case .integer: return nil
        case .x87, .legacyState: return isEmulated || isSwitched ? .deviceNotAvailable : nil
        case .wait: return isMonitored && isSwitched ? .deviceNotAvailable : nil
        case .mmx: return isEmulated ? .invalidOpcode : isSwitched ? .deviceNotAvailable : nil
        case .sse: return isEmulated || !hasSSE ? .invalidOpcode : isSwitched ? .deviceNotAvailable : nil
        case .avx:
            let isOn = hasExtended && extendedControl & 6 == 6
            return !isOn ? .invalidOpcode : isSwitched ? .deviceNotAvailable : nil
        case .extendedState: return !hasExtended ? .invalidOpcode : isSwitched ? .deviceNotAvailable : nil
        }
    }

    /// What an unmasked SIMD exception is: an invalid opcode where the operating system has not said that it takes those.
    package static func numericException(_ file: RegisterFile) -> ExceptionVector {
        file.field(X86.Field.cr4)[bit: 10] ? .simdException : .invalidOpcode
    }
}
