// Registers as data. One row of a table serves target.xml, `g`/`G`, `p`/`P`, the expedited registers of stop replies
// and `monitor info registers`; the row says where in the kernel's register structures the value lies.

/// The kernel structures that hold a vCPU's registers, each fetched and stored whole.
package struct RegisterBlocks: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    /// No block. An empty literal makes the same by way of a sequence, in twenty times the time.
    package init() { rawValue = 0 }

    /// x86: `struct kvm_regs`. arm64: X0 to X30, the stack pointers, PC, PSTATE, ELR_EL1 and SPSR_EL1.
    package static var general: Self { Self(rawValue: 1) }
    /// x86: `struct kvm_sregs`. arm64: what translates addresses, SCTLR_EL1, TCR_EL1, TTBR0_EL1 and TTBR1_EL1.
    package static var system: Self { Self(rawValue: 2) }
    /// x86: `struct kvm_xsave`.
    package static var floatingPoint: Self { Self(rawValue: 4) }
    /// x86: `struct kvm_debugregs`.
    package static var debug: Self { Self(rawValue: 8) }
    /// x86: the values of `X86.modelSpecificRegisters`, 8 bytes each.
    package static var modelSpecific: Self { Self(rawValue: 16) }
    /// x86: XCR0, 8 bytes.
    package static var extendedControl: Self { Self(rawValue: 32) }
    /// arm64: V0 to V31, FPSR and FPCR.
    package static var vector: Self { Self(rawValue: 64) }
    /// arm64: the system registers that no stop needs.
    package static var control: Self { Self(rawValue: 128) }
    package static var all: Self { Self(rawValue: .max) }
    /// What a stop brings along.
    package static var ofEveryExit: Self { Self(rawValue: 3) }

    /// Its blocks, one by one.
    package var each: [Self] { (0..<8).map { Self(rawValue: 1 << $0) }.filter(contains) }
}

/// One register as a client sees it.
package struct Register: Sendable {
    package let name: String
    /// Its number in the remote protocol: its row.
    package let number: Int
    /// Width on the wire, a multiple of 8.
    package let bits: Int
    package let block: RegisterBlocks
    /// Where its storage begins in a `RegisterFile`, in bytes.
    package let offset: Int
    /// Bytes of its storage. The value is zero-extended to `bits`.
    package let width: Int
    package let form: Form
    /// gdb's type for it, in target.xml.
    package let type: String
    /// gdb's feature it belongs to, in target.xml.
    package let feature: String
    /// gdb's register group, where the default does not serve.
    package let group: String?

    /// How the value follows from the storage.
    package enum Form: Sendable {
        case plain
        /// x86: the storage is an offset in CS; clients see the linear address.
        case programCounter
        /// x86: the storage is a selector, whose segment's structure begins at this offset. In real mode a write
        /// moves the base along.
        case selector(segment: Int)
        /// x86: type, S, DPL, P, AVL, L, D/B, G and "unusable", gathered from the bytes of `struct kvm_segment` into
        /// one number (Intel SDM volume 3, table 25-2).
        case attributes
        /// x87: the full tag word, made from the abridged one (Intel SDM volume 1, section 10.5.1.1).
        case tagWord
        /// x86: XSAVE state beyond SSE: `component` is its bit in XSTATE_BV, without which all of `area` means zero.
        case extended(component: Int, area: Range<Int>)
        /// arm64: the stack pointer in use: the storage is SP_EL0; SP_EL1 is at `own`.
        case bankedStackPointer(own: Int)
    }
}

/// A table of registers, its row being the register's number, with what a client wants to know about the table.
package struct RegisterLayout: Sendable {
    package let registers: [Register]
    package let architecture: Architecture
    /// gdb's name of the architecture.
    package let architectureName: String
    /// Registers from the first to this one, exclusive, make up the `g` packet. Those after it are read one by one:
    /// they live in blocks that cost a request, which a stop should not pay for.
    package let countInG: Int
    /// What every stop reply carries: program counter, stack and frame pointer, flags.
    package let expedited: [Int]
    package let programCounter: Int
    /// The whole `target.xml`.
    package let targetDescription: [UInt8]

    init(
        _ rows: [Row], types: String, architecture: Architecture, architectureName: String, expedited: [String],
        programCounter: String
    ) {
        self.architecture = architecture
        registers = rows.enumerated().map { $1.numbered($0) }
        self.architectureName = architectureName
        countInG = rows.firstIndex { !RegisterBlocks.ofEveryExit.contains($0.block) } ?? rows.count
        let names = registers.map(\.name)
        self.expedited = expedited.map { name in names.firstIndex(of: name)! }
        self.programCounter = names.firstIndex(of: programCounter)!
        targetDescription = Array(
            describe(registers, types: types, architectureName: architectureName).utf8)
    }

    /// Registers whose storage follows from what other registers hold: where several are written, these come last.
    package var relative: [Register] {
        registers.filter { register in
            if case .bankedStackPointer = register.form { return true }
            return register.number == programCounter
        }
    }

    package subscript(name name: String) -> Register? { registers.first { $0.name == name } }

    /// A row as the tables write it.
    struct Row {
        var name: String
        var bits: Int
        var block: RegisterBlocks
        var offset: Int
        var width: Int?
        var form: Register.Form = .plain
        var type: String
        var feature: String
        var group: String?

        func numbered(_ number: Int) -> Register {
            Register(
                name: name, number: number, bits: bits, block: block, offset: offset, width: width ?? bits / 8,
                form: form, type: type, feature: feature, group: group)
        }
    }
}
