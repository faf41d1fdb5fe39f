import Primitives

/// The few arm64 instructions that a debugger must know (Arm ARM, chapter C6): those that enter and leave exception
/// handlers, wait, and read or write the interrupt masks.
package enum Arm64Instruction: Equatable, Sendable {
    /// BRK #imm16: a breakpoint exception.
    case breakpoint(comment: UInt16)
    /// HLT #imm16: halting debug, semihosting.
    case halt(comment: UInt16)
    case supervisorCall(comment: UInt16)
    case hypervisorCall(comment: UInt16)
    case secureMonitorCall(comment: UInt16)
    /// ERET, ERETAA, ERETAB: PSTATE becomes SPSR_EL1.
    case exceptionReturn
    case waitForInterrupt
    case waitForEvent
    /// MSR DAIFSet, #imm4: bits D, A, I, F from the highest.
    case setMasks(UInt8)
    /// MSR DAIFClr, #imm4.
    case clearMasks(UInt8)
    /// MSR DAIF, Xt.
    case writeMasks(register: Int)
    /// MRS Xt, DAIF.
    case readMasks(register: Int)
    /// LDXR, LDAXR, LDXP, LDAXP: the start of a sequence that an exception, so a step too, makes start anew.
    case loadExclusive
    /// STXR, STLXR, STXP, STLXP: its end.
    case storeExclusive
    case other

    /// Bytes of every instruction.
    package static let length = 4

    /// BRK #0, which gdb plants too.
    package static let planted: [UInt8] = [0x00, 0x00, 0x20, 0xd4]

    /// Decodes little-endian bytes; fewer than four are `other`.
    package init(_ bytes: some Collection<UInt8>) {
        let word = Array(bytes.prefix(Self.length))
        self = word.count == Self.length ? Self(word: word.number(at: 0, count: Self.length)) : .other
    }

    /// Instructions of a fixed pattern: the bits that matter and what they are.
    private static let fixed: [(word: UInt32, instruction: Arm64Instruction)] = [
        (0xd69f_03e0, .exceptionReturn), (0xd69f_0bff, .exceptionReturn), (0xd69f_0fff, .exceptionReturn),
        (0xd503_207f, .waitForInterrupt), (0xd503_205f, .waitForEvent),
    ]

    package init(word: UInt32) {
        if let found = Self.fixed.first(where: { $0.word == word }) {
            self = found.instruction
            return
        }
        let comment = UInt16(truncatingIfNeeded: word[bits: 5...20])
        let (register, masks) = (Int(word[bits: 0...4]), UInt8(truncatingIfNeeded: word[bits: 8...11]))
        switch word {
        // Exception generation: opc in bits 21 to 23, LL in bits 0 and 1.
        case _ where word & 0xffe0_001f == 0xd400_0001: self = .supervisorCall(comment: comment)
        case _ where word & 0xffe0_001f == 0xd400_0002: self = .hypervisorCall(comment: comment)
        case _ where word & 0xffe0_001f == 0xd400_0003: self = .secureMonitorCall(comment: comment)
        case _ where word & 0xffe0_001f == 0xd420_0000: self = .breakpoint(comment: comment)
        case _ where word & 0xffe0_001f == 0xd440_0000: self = .halt(comment: comment)
        // MSR (immediate) with op1 3 and op2 6 or 7; MSR and MRS of S3_3_C4_C2_1.
        case _ where word & 0xffff_f0ff == 0xd503_40df: self = .setMasks(masks)
        case _ where word & 0xffff_f0ff == 0xd503_40ff: self = .clearMasks(masks)
        case _ where word & 0xffff_ffe0 == 0xd51b_4220: self = .writeMasks(register: register)
        case _ where word & 0xffff_ffe0 == 0xd53b_4220: self = .readMasks(register: register)
        // Load and store exclusive: bits 24 to 29 are 001000, o2 (bit 23) is 0, L is bit 22; with o1 (bit 21) set only
        // the pairs, which have no sizes below a word: CASP is there.
        case _ where word & 0x3fa0_0000 == 0x0800_0000, _ where word & 0xbfa0_0000 == 0x8820_0000:
            self = word[bit: 22] ? .loadExclusive : .storeExclusive
        default: self = .other
        }
    }
}

extension Arm64Instruction {
    /// PSTATE.I as it is to be after this instruction was stepped with PSTATE.I set for the length of the step.
    /// `before` is PSTATE without that, `after` the one found; `tookException` where the step ended in a handler.
    package func masksInterrupts(before: Arm64State, after: Arm64State, tookException: Bool) -> Bool {
        // An exception masks them itself, and SPSR_EL1 has what goes back.
        if tookException { return after.masksIRQ }
        switch self {
        case .setMasks(let masks): return before.masksIRQ || masks[bit: 1]
        case .clearMasks(let masks): return before.masksIRQ && !masks[bit: 1]
        case .writeMasks, .exceptionReturn: return after.masksIRQ
        case .breakpoint, .halt, .supervisorCall, .hypervisorCall, .secureMonitorCall, .waitForInterrupt,
            .waitForEvent, .readMasks, .loadExclusive, .storeExclusive, .other:
            return before.masksIRQ
        }
    }
}
