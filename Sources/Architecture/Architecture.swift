import Primitives

/// A guest's architecture: a value, not the host's. What differs between them and is asked for in one place stands here;
/// the rest is in `X86` and `Arm64`.
package enum Architecture: String, CaseIterable, Sendable {
    case x86_64 = "x86-64"
    case arm64

    /// The instruction that is planted for a breakpoint: INT3, or BRK #0, which is gdb's own.
    package var breakpointInstruction: [UInt8] {
        switch self {
        case .x86_64: [X86Instruction.breakpointOpcode]
        case .arm64: Arm64Instruction.planted
        }
    }

    /// Instructions begin at multiples of so many bytes.
    package var instructionAlignment: Int {
        switch self {
        case .x86_64: 1
        case .arm64: Arm64Instruction.length
        }
    }

    /// Bytes of the longest instruction.
    package var longestInstruction: Int {
        switch self {
        case .x86_64: X86Instruction.maximumLength
        case .arm64: Arm64Instruction.length
        }
    }

    /// A processor that hits a watchpoint stands behind the access (Intel SDM volume 3, section 18.2.4), or still before
    /// it (Arm ARM, chapter D2).
    package var watchpointsReportBehind: Bool {
        switch self {
        case .x86_64: true
        case .arm64: false
        }
    }

    /// Bytes of a `RegisterFile`.
    package var storageSize: Int {
        switch self {
        case .x86_64: X86.Storage.size
        case .arm64: Arm64.Storage.size
        }
    }

    /// Where the general registers are in a `RegisterFile`.
    package var generalStorage: Range<Int> {
        switch self {
        case .x86_64: X86.Storage.general..<X86.Storage.system
        case .arm64: Arm64.Storage.general..<Arm64.Storage.vectors
        }
    }

    /// The address of the next instruction: on x86 the linear one.
    package func programCounter(_ file: RegisterFile) -> VirtualAddress {
        switch self {
        case .x86_64: X86.programCounter(file)
        case .arm64: Arm64.programCounter(file)
        }
    }

    /// Mode and privilege level, for people: "long mode CPL0", "EL1h".
    package func modeName(_ file: RegisterFile) -> String {
        switch self {
        case .x86_64: "\(X86.mode(file).name) CPL\(X86.privilege(file))"
        case .arm64: Arm64.state(file).modeName
        }
    }

    /// Whether the processor takes interrupts: RFLAGS.IF is set, PSTATE.I clear.
    package func takesInterrupts(_ file: RegisterFile) -> Bool {
        switch self {
        case .x86_64: X86.takesInterrupts(file)
        case .arm64: !Arm64.state(file).masksIRQ
        }
    }

    /// The tables that the processor translates addresses with now.
    package func paging(_ file: RegisterFile) -> Paging {
        switch self {
        case .x86_64: .x86(X86.paging(file))
        case .arm64: .arm64(Arm64.paging(file))
        }
    }
}
