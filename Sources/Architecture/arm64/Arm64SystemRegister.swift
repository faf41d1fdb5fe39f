import Primitives

/// How instructions name a system register (Arm ARM, chapter C5): MRS, MSR and the syndrome of a trapped one.
package struct Arm64SystemEncoding: Hashable, Sendable {
    package let op0: UInt8
    package let op1: UInt8
    package let crn: UInt8
    package let crm: UInt8
    package let op2: UInt8

    package init(_ op0: UInt8, _ op1: UInt8, _ crn: UInt8, _ crm: UInt8, _ op2: UInt8) {
        self.op0 = op0
        self.op1 = op1
        self.crn = crn
        self.crm = crm
        self.op2 = op2
    }

    /// The 16 bits in which KVM packs it: op0 in two, op1 in three, CRn and CRm in four each, op2 in three.
    var packed: UInt64 {
        UInt64(op0) << 14 | UInt64(op1) << 11 | UInt64(crn) << 7 | UInt64(crm) << 3 | UInt64(op2)
    }

    /// The architecture's name for one without another: `S3_0_C1_C0_0`.
    package var genericName: String { "S\(op0)_\(op1)_C\(crn)_C\(crm)_\(op2)" }
}

extension Arm64 {
    /// A system register that KVM keeps, and clients see.
    package struct SystemRegister: Sendable {
        package let name: String
        package let encoding: Arm64SystemEncoding
        /// KVM's number for it, where that is another's encoding.
        fileprivate let misnumbered: Arm64SystemEncoding?
        /// With the translation registers, which every stop needs, or with the others.
        package let block: RegisterBlocks

        fileprivate init(
            _ name: String, _ encoding: (UInt8, UInt8, UInt8, UInt8, UInt8), _ block: RegisterBlocks = .control,
            misnumbered: (UInt8, UInt8, UInt8, UInt8, UInt8)? = nil
        ) {
            func make(_ e: (UInt8, UInt8, UInt8, UInt8, UInt8)) -> Arm64SystemEncoding {
                Arm64SystemEncoding(e.0, e.1, e.2, e.3, e.4)
            }
            self.name = name
            self.encoding = make(encoding)
            self.misnumbered = misnumbered.map(make)
            self.block = block
        }

        var kernelEncoding: Arm64SystemEncoding { misnumbered ?? encoding }
    }

    /// In the order of their storage (encodings from the Arm ARM, chapter D19). KVM has the numbers of the virtual
    /// timer's compare value and count the wrong way round, for good (arch/arm64/include/uapi/asm/kvm.h).
    package static let systemRegisters: [SystemRegister] = [
        SystemRegister("sctlr_el1", (3, 0, 1, 0, 0), .system),
        SystemRegister("ttbr0_el1", (3, 0, 2, 0, 0), .system),
        SystemRegister("ttbr1_el1", (3, 0, 2, 0, 1), .system),
        SystemRegister("tcr_el1", (3, 0, 2, 0, 2), .system),
        SystemRegister("mair_el1", (3, 0, 10, 2, 0)),
        SystemRegister("amair_el1", (3, 0, 10, 3, 0)),
        SystemRegister("vbar_el1", (3, 0, 12, 0, 0)),
        SystemRegister("esr_el1", (3, 0, 5, 2, 0)),
        SystemRegister("far_el1", (3, 0, 6, 0, 0)),
        SystemRegister("par_el1", (3, 0, 7, 4, 0)),
        SystemRegister("afsr0_el1", (3, 0, 5, 1, 0)),
        SystemRegister("afsr1_el1", (3, 0, 5, 1, 1)),
        SystemRegister("cpacr_el1", (3, 0, 1, 0, 2)),
        SystemRegister("actlr_el1", (3, 0, 1, 0, 1)),
        SystemRegister("contextidr_el1", (3, 0, 13, 0, 1)),
        SystemRegister("tpidr_el0", (3, 3, 13, 0, 2)),
        SystemRegister("tpidrro_el0", (3, 3, 13, 0, 3)),
        SystemRegister("tpidr_el1", (3, 0, 13, 0, 4)),
        SystemRegister("csselr_el1", (3, 2, 0, 0, 0)),
        SystemRegister("mpidr_el1", (3, 0, 0, 0, 5)),
        SystemRegister("mdscr_el1", (2, 0, 0, 2, 2)),
        SystemRegister("cntkctl_el1", (3, 0, 14, 1, 0)),
        SystemRegister("cntv_ctl_el0", (3, 3, 14, 3, 1)),
        SystemRegister("cntv_cval_el0", (3, 3, 14, 3, 2), misnumbered: (3, 3, 14, 0, 2)),
        SystemRegister("cntvct_el0", (3, 3, 14, 0, 2), misnumbered: (3, 3, 14, 3, 2)),
    ]

    /// The name of the register with an encoding: of those that clients see, or the architecture's generic one.
    package static func name(of encoding: Arm64SystemEncoding) -> String {
        systemRegisters.first { $0.encoding == encoding }?.name ?? encoding.genericName
    }

    /// Registers that move by themselves, so that they never read back as written.
    package static let clocks: Set = ["cntvct_el0"]
}
