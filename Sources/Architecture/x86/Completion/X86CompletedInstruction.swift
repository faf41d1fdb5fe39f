import Primitives

/// Instructions that a KVM which emulates kernel mode may not know, and that are a few lines each to do from outside (Intel SDM
/// volume 2). One table.
package enum X86CompletedInstruction: Equatable, Sendable {
    /// CLAC, STAC: RFLAGS.AC.
    case setAlignmentFlag(Bool)
    /// RDSSP without shadow stacks, WBNOINVD, SERIALIZE: nothing that is seen from here.
    case nothing(String)
    /// INVPCID: which entries of the TLB go is a minimum.
    case invalidateTranslations
    case readTimeStamp
    /// RDPID, into the register of this number.
    case readProcessorNumber(register: UInt8)
    /// RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE.
    case segmentBase(isGS: Bool, isWrite: Bool, register: UInt8, isWide: Bool)
    case getExtendedControl
    case setExtendedControl

    /// Nil for any other instruction.
    package init?(_ form: X86InstructionForm) {
        guard form.map == .twoByte || form.map == .threeByte38, form.encoding == .legacy else { return nil }
        switch (form.map, form.opcode, form.mandatory) {
        case (.twoByte, 0x01, .none):
            switch form.modrm {
            case 0xca: self = .setAlignmentFlag(false)
            case 0xcb: self = .setAlignmentFlag(true)
            case 0xd0: self = .getExtendedControl
            case 0xd1: self = .setExtendedControl
            case 0xe8: self = .nothing("serialize")
            case 0xf9: self = .readTimeStamp
            default: return nil
            }
        case (.twoByte, 0x09, .repeated): self = .nothing("wbnoinvd")
        case (.twoByte, 0x1e, .repeated) where form.isRegisterForm && form.extended == 1: self = .nothing("rdssp")
        case (.twoByte, 0xae, .repeated) where form.isRegisterForm && form.extended < 4:
            self = .segmentBase(
                isGS: form.extended & 1 != 0, isWrite: form.extended & 2 != 0, register: form.lowRegister,
                isWide: form.isWide)
        case (.twoByte, 0xc7, .repeated) where form.isRegisterForm && form.extended == 7:
            self = .readProcessorNumber(register: form.lowRegister)
        case (.threeByte38, 0x82, .operandSize) where form.memory != nil: self = .invalidateTranslations
        default: return nil
        }
    }

    /// What `monitor info exits` calls it.
    package var name: String {
        switch self {
        case .setAlignmentFlag(let isSet): isSet ? "stac" : "clac"
        case .nothing(let name): name
        case .invalidateTranslations: "invpcid"
        case .readTimeStamp: "rdtscp"
        case .readProcessorNumber: "rdpid"
        case .segmentBase(let isGS, let isWrite, _, _): (isWrite ? "wr" : "rd") + (isGS ? "gsbase" : "fsbase")
        case .getExtendedControl: "xgetbv"
        case .setExtendedControl: "xsetbv"
        }
    }
}

extension X86 {
    /// RFLAGS.AC.
    package static let alignmentFlag: UInt64 = 1 << 18

    /// CR4.FSGSBASE.
    package static func hasBaseInstructions(_ file: RegisterFile) -> Bool { file.field(Field.cr4)[bit: 16] }
    /// CR4.OSXSAVE: XCR0 counts.
    package static func usesExtendedControl(_ file: RegisterFile) -> Bool { file.field(Field.cr4)[bit: 18] }
    /// CR4.PGE: a change empties the TLB.
    package static func toggleGlobalPages(_ file: inout RegisterFile) {
        file.storage.store(file.field(Field.cr4) ^ 1 << 7, at: Field.cr4, count: 8)
        file.changed.formUnion(.system)
    }

    /// The base of FS or GS.
    package static func segmentBase(isGS: Bool, _ file: RegisterFile) -> UInt64 {
        file.field(Field.dataSegments[isGS ? 3 : 2])
    }

    package static func setSegmentBase(isGS: Bool, _ file: inout RegisterFile, to value: UInt64) {
        file.storage.store(value, at: Field.dataSegments[isGS ? 3 : 2], count: 8)
        file.changed.formUnion(.system)
    }

    /// Whether CPL0 may access a page (Intel SDM volume 3, section 4.6.1). Left out: protection keys.
    package static func kernelMayAccess(_ page: Translation, isWrite: Bool, _ file: RegisterFile) -> Bool {
        guard page.isPaged else { return true }
        let (cr0, cr4) = (file.field(Field.cr0), file.field(Field.cr4))
        // SMAP, unless RFLAGS.AC is set.
        if page.isUser, cr4[bit: 21], flagsRegister(file) & alignmentFlag == 0 { return false }
        return !isWrite || page.isWritable || !cr0[bit: 16]
    }

    /// Opcode, place and operand of the last x87 instruction, where they are those of `instruction` as it was executed at
    /// `place` with its operand at `operand`: what they are for the guest takes their place. RIP is `distance` bytes before
    /// it.
    package static func replacePointers(
        _ file: inout RegisterFile, of instruction: X86UnprivilegedInstruction, at place: UInt64, operand: UInt64,
        distance: Int
    ) {
        guard file.field(ExtendedState.instructionPointer) == place else { return }
        file.storage.store(instructionOffset(file) &+ UInt64(distance), at: ExtendedState.instructionPointer, count: 8)
        let form = instruction.form
        if let modrm = form.modrm, let base = form.baseRegister {
            let opcode = UInt16(form.opcode & 7) << 8
            let executed: UInt16 = file.storage.number(at: ExtendedState.opcode, count: 2)
            if executed == opcode | UInt16(form.extended << 3 | base) {
                file.storage.store(opcode | UInt16(modrm), at: ExtendedState.opcode, count: 2)
            }
        }
        if let memory = form.memory, file.field(ExtendedState.dataPointer) == operand {
            file.storage.store(memory.offset, at: ExtendedState.dataPointer, count: 8)
        }
    }
}
