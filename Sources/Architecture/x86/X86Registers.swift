// The x86 register tables: one row a register (names and types as gdb's own i386 and amd64 features have them,
// GDB manual, section G.5.5; structures as in the kernel's arch/x86/include/uapi/asm/kvm.h). AVX and AVX-512 are in
// X86VectorRegisters.

private let core = "org.gnu.gdb.i386.core"
private let sse = "org.gnu.gdb.i386.sse"
private let segments = "org.gnu.gdb.i386.segments"
private let system = "org.stubvisor.x86.system"

extension X86 {
    /// Model-specific registers that clients see, in the order of their storage.
    package static let modelSpecificRegisters: [(name: String, index: UInt32)] = [
        ("k_gs_base", 0xc000_0102), ("star", 0xc000_0081), ("lstar", 0xc000_0082), ("cstar", 0xc000_0083),
        ("fmask", 0xc000_0084), ("sysenter_cs", 0x174), ("sysenter_esp", 0x175), ("sysenter_eip", 0x176),
        ("pat", 0x277),
    ]

    /// `struct kvm_regs`, in its own order, with the 32-bit halves' names.
    private static let generalOffsets: [(name: String, half: String, offset: Int)] = [
        ("rax", "eax", 0), ("rbx", "ebx", 8), ("rcx", "ecx", 16), ("rdx", "edx", 24), ("rsi", "esi", 32),
        ("rdi", "edi", 40), ("rsp", "esp", 48), ("rbp", "ebp", 56), ("r8", "", 64), ("r9", "", 72), ("r10", "", 80),
        ("r11", "", 88), ("r12", "", 96), ("r13", "", 104), ("r14", "", 112), ("r15", "", 120),
    ]

    /// `struct kvm_segment`s in `struct kvm_sregs`.
    private static let segmentOffsets: [(name: String, offset: Int)] = [
        ("cs", 0), ("ss", 120), ("ds", 24), ("es", 48), ("fs", 72), ("gs", 96), ("tr", 144), ("ldtr", 168),
    ]

    private typealias Row = RegisterLayout.Row

    private static func general(_ name: String, as shown: String? = nil, bits: Int, type: String) -> Row {
        let offset = generalOffsets.first { $0.name == name }!.offset
        return Row(
            name: shown ?? name, bits: bits, block: .general, offset: Storage.general + offset, type: type,
            feature: core)
    }

    private static func selector(_ name: String, feature: String = core) -> Row {
        let offset = Storage.system + segmentOffsets.first { $0.name == name }!.offset
        return Row(
            name: name, bits: 32, block: .system, offset: offset + 12, width: 2, form: .selector(segment: offset),
            type: "int32", feature: feature, group: feature == core ? nil : "system")
    }

    private static func programCounter(_ name: String, bits: Int, feature: String = core) -> Row {
        Row(
            name: name, bits: bits, block: .general, offset: Field.instructionPointer, width: bits / 8,
            form: .programCounter, type: bits == 64 && feature == system ? "uint64" : "code_ptr", feature: feature)
    }

    private static let flags = Row(
        name: "eflags", bits: 32, block: .general, offset: Field.flags, type: "x86_eflags", feature: core)

    /// `struct kvm_sregs` beyond the selectors.
    private static let systemRows: [Row] = {
        var rows: [Row] = []
        for (name, offset) in segmentOffsets where name != "fs" && name != "gs" {
            rows += segmentDetails(name, offset, base: (name + "_base", system))
        }
        for (name, offset) in segmentOffsets where name == "fs" || name == "gs" {
            rows += segmentDetails(name, offset, base: nil)
        }
        rows += [selector("tr", feature: system), selector("ldtr", feature: system)]
        let words: [(String, Int, Int, String, String?)] = [
            ("gdtr_base", 192, 8, "data_ptr", "system"), ("gdtr_limit", 200, 2, "int32", "system"),
            ("idtr_base", 208, 8, "data_ptr", "system"), ("idtr_limit", 216, 2, "int32", "system"),
            // gdb takes `$cr0 = 0` for flags of an int's width only, and all their flags are in the lower half; but for
            // CR4.FRED, the lowest bit of cr4_high.
            ("cr0", 224, 4, "x86_cr0", nil), ("cr2", 232, 8, "data_ptr", nil), ("cr3", 240, 8, "uint64", nil),
            ("cr4", 248, 4, "x86_cr4", nil), ("cr4_high", 252, 4, "uint32", "system"), ("cr8", 256, 8, "uint64", nil),
            ("efer", 264, 4, "x86_efer", nil), ("apic_base", 272, 8, "uint64", "system"),
        ]
        rows += words.map { name, offset, width, type, group in
            Row(
                name: name, bits: max(width * 8, 32), block: .system, offset: Storage.system + offset, width: width,
                type: type, feature: system, group: group)
        }
        return rows
    }()

    private static func segmentDetails(_ name: String, _ offset: Int, base: (String, String)?) -> [Row] {
        let start = Storage.system + offset
        var rows: [Row] = []
        if let (baseName, feature) = base {
            rows.append(
                Row(
                    name: baseName, bits: 64, block: .system, offset: start, type: "data_ptr", feature: feature,
                    group: "system"))
        }
        rows.append(
            Row(
                name: name + "_limit", bits: 32, block: .system, offset: start + 8, type: "uint32", feature: system,
                group: "system"))
        rows.append(
            Row(
                name: name + "_attr", bits: 32, block: .system, offset: start + 14, width: 9, form: .attributes,
                type: "x86_attributes", feature: system, group: "system"))
        return rows
    }

    /// FS and GS have their bases in a feature of gdb's, so that `$fs_base` means the same as everywhere.
    private static func threadBases(_ type: String) -> [Row] {
        [("fs_base", 72), ("gs_base", 96)].map { name, offset in
            Row(
                name: name, bits: 64, block: .system, offset: Storage.system + offset, type: type, feature: segments)
        }
    }

    /// x87 registers, and its control registers as gdb splits them, 32 bits each.
    private static let x87Rows: [Row] = {
        var rows = (0..<8).map {
            Row(
                name: "st\($0)", bits: 80, block: .floatingPoint, offset: ExtendedState.x87 + $0 * 16,
                type: "i387_ext", feature: core)
        }
        let control: [(String, Int, Int, Register.Form)] = [
            ("fctrl", ExtendedState.controlWord, 2, .plain), ("fstat", ExtendedState.statusWord, 2, .plain),
            ("ftag", ExtendedState.tagWord, 1, .tagWord), ("fiseg", ExtendedState.instructionPointer + 4, 2, .plain),
            ("fioff", ExtendedState.instructionPointer, 4, .plain), ("foseg", ExtendedState.dataPointer + 4, 2, .plain),
            ("fooff", ExtendedState.dataPointer, 4, .plain), ("fop", ExtendedState.opcode, 2, .plain),
        ]
        rows += control.map { name, offset, width, form in
            Row(
                name: name, bits: 32, block: .floatingPoint, offset: offset, width: width, form: form, type: "int",
                feature: core, group: "float")
        }
        return rows
    }()

    private static func vectorRows(_ count: Int) -> [Row] {
        (0..<count).map {
            Row(
                name: "xmm\($0)", bits: 128, block: .floatingPoint, offset: ExtendedState.xmm + $0 * 16,
                type: "vec128", feature: sse)
        } + [
            Row(
                name: "mxcsr", bits: 32, block: .floatingPoint, offset: ExtendedState.mxcsr, type: "i386_mxcsr",
                feature: sse, group: "vector")
        ]
    }

    /// The registers that the guest itself debugs with, and the model-specific ones.
    private static let rareRows: [Row] = {
        let debug = [("dr0", 0), ("dr1", 8), ("dr2", 16), ("dr3", 24), ("dr6", 32), ("dr7", 40)]
        return debug.map { name, offset in
            Row(
                name: name, bits: 64, block: .debug, offset: Storage.debug + offset, type: "uint64", feature: system,
                group: "system")
        }
            + modelSpecificRegisters.enumerated().map { index, register in
                Row(
                    name: register.name, bits: 64, block: .modelSpecific, offset: Storage.modelSpecific + index * 8,
                    type: "uint64", feature: system, group: register.name == "k_gs_base" ? nil : "system")
            }
            + [
                Row(
                    name: "xcr0", bits: 64, block: .extendedControl, offset: Storage.extendedControl, type: "uint64",
                    feature: system, group: "system")
            ]
    }()

    private static let coreSelectors = ["cs", "ss", "ds", "es", "fs", "gs"].map { selector($0) }

    /// Which of gdb's architectures a session is in. It does not change when the processor changes its mode.
    package enum Width: Sendable, CaseIterable {
        /// 32-bit registers under gdb's 16-bit architecture, for guests that start in real mode: gdb then disassembles
        /// what the processor runs.
        case bits16
        /// For 32-bit kernels: gdb takes no 64-bit description beside a 32-bit symbol file.
        case bits32
        /// For 64-bit and 32-bit kernels.
        case bits64
    }

    /// The table for a host with `state`. What depends on the host comes last, so that all other numbers are the same
    /// everywhere.
    package static func layout(_ width: Width, _ state: X86ExtendedState) -> RegisterLayout {
        switch width {
        case .bits16: narrow("i8086", state)
        case .bits32: narrow("i386", state)
        case .bits64: wide(state)
        }
    }

    /// The tables of a host without AVX.
    package static let layout64 = layout(.bits64, .legacy)
    package static let layout32 = layout(.bits32, .legacy)
    package static let layout16 = layout(.bits16, .legacy)

    private static func wide(_ state: X86ExtendedState) -> RegisterLayout {
        var rows = generalRows64
        rows += [programCounter("rip", bits: 64), flags]
        rows += coreSelectors + threadBases("data_ptr")
        rows += systemRows + x87Rows + vectorRows(16) + rareRows
        rows += state.rows(registers: 16)
        return RegisterLayout(
            rows, types: typeDefinitions, architecture: .x86_64, architectureName: "i386:x86-64",
            expedited: ["rbp", "rsp", "rip"], programCounter: "rip")
    }

    private static let generalRows64: [Row] = {
        let pointers: Set = ["rsp", "rbp"]
        let order = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"] + (8...15).map { "r\($0)" }
        return order.map { general($0, bits: 64, type: pointers.contains($0) ? "data_ptr" : "int64") }
    }()

    /// 32-bit registers as gdb's i386 has them. `eip` is the linear address, `ip` the offset in CS; `rip` is there
    /// for scripts that know nothing else.
    private static func narrow(_ architectureName: String, _ state: X86ExtendedState) -> RegisterLayout {
        let order = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"]
        var rows = order.map { name in
            let half = generalOffsets.first { $0.name == name }!.half
            return general(name, as: half, bits: 32, type: name == "rsp" || name == "rbp" ? "data_ptr" : "int")
        }
        rows += [programCounter("eip", bits: 32), flags] + coreSelectors + threadBases("uint64")
        rows += [
            programCounter("rip", bits: 64, feature: system),
            Row(
                name: "ip", bits: 32, block: .general, offset: Field.instructionPointer, width: 4, type: "uint32",
                feature: system),
        ]
        // gdb's pointers have 4 bytes here, whatever size a register says.
        rows += systemRows.map { row in
            var row = row
            if row.bits == 64, row.type == "data_ptr" { row.type = "uint64" }
            return row
        }
        rows += x87Rows + vectorRows(8) + rareRows
        rows += state.rows(registers: 8)
        return RegisterLayout(
            rows, types: typeDefinitions, architecture: .x86_64, architectureName: architectureName,
            expedited: ["ebp", "esp", "eip"], programCounter: "eip")
    }
}
