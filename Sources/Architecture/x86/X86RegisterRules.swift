import Primitives

// Values that the processor refuses with a fault (Intel SDM volume 3, sections 2.2.1, 2.3 and 2.5; volume 1, section
// 3.3.7.1), but that a host's KVM may take from its user: the guest would then fail at its next entry, or never see what
// was written. CR4, MXCSR, the debug registers and combinations of mode bits are left to KVM, which looks at them.
extension X86 {
    private struct Rule {
        let name: String
        let offset: Int
        /// Bits that may be set.
        let allowed: UInt64
        /// Bits that are never clear.
        var fixed: UInt64 = 0
    }

    private static let rules = [
        Rule(name: "eflags", offset: Field.flags, allowed: 0x3f_7fd7, fixed: 2),
        Rule(name: "cr0", offset: Field.cr0, allowed: 0xe005_003f),
        Rule(name: "cr8", offset: Field.cr8, allowed: 0xf),
        // SCE, LME, LMA, NXE, SVME, LMSLE, FFXSR, TCE, MCOMMIT, INTWB, UAIE, AIBRSE (AMD APM volume 2, section 3.1.7).
        Rule(name: "efer", offset: Field.efer, allowed: 0x36_fd01),
    ]

    /// Segments and tables whose bases are whole linear addresses; those of CS, SS, DS and ES have 32 bits.
    private static let bases: [(name: String, offset: Int, isLinear: Bool)] = [
        ("cs_base", Storage.system, false), ("ds_base", Storage.system + 24, false),
        ("es_base", Storage.system + 48, false), ("fs_base", Storage.system + 72, true),
        ("gs_base", Storage.system + 96, true), ("ss_base", Storage.system + 120, false),
        ("tr_base", Storage.system + 144, true), ("ldtr_base", Storage.system + 168, true),
        ("gdtr_base", Field.gdtBase, true), ("idtr_base", Field.idtBase, true),
    ]

    /// Why no processor has the general and system registers of `file`, as far as they differ from those of `old`.
    package static func objection(to file: RegisterFile, insteadOf old: RegisterFile) -> String? {
        for rule in rules {
            let value = file.field(rule.offset)
            if value == old.field(rule.offset) { continue }
            let reserved = value & ~rule.allowed
            if reserved != 0 { return "\(rule.name) has no bits \(hexadecimal(reserved)): they are reserved" }
            let missing = rule.fixed & ~value
            if missing != 0 { return "\(rule.name) always has the bits \(hexadecimal(missing))" }
        }
        let unused = file.field(Field.cr4)[bit: 12] ? 7 : 16
        for base in bases {
            let value = file.field(base.offset)
            if value == old.field(base.offset) { continue }
            if !base.isLinear && value > 0xffff_ffff { return "\(base.name) has 32 bits" }
            let extended = UInt64(bitPattern: Int64(bitPattern: value << UInt64(unused)) >> Int64(unused))
            if extended != value { return "\(hexadecimal(value)) in \(base.name) is not canonical" }
        }
        return nil
    }
}
