// The arm64 register table: one row a register. Names, types and the numbers of the first 68 as gdb's own aarch64
// features have them (GDB manual, section G.5.1); the rest is a feature of our own.

private let core = "org.gnu.gdb.aarch64.core"
private let fpu = "org.gnu.gdb.aarch64.fpu"
private let system = "org.stubvisor.arm64.system"

extension Arm64 {
    private typealias Row = RegisterLayout.Row

    private static func word(
        _ name: String, _ offset: Int, _ block: RegisterBlocks = .general, bits: Int = 64, type: String = "uint64",
        feature: String = system, group: String? = "system"
    ) -> Row {
        Row(
            name: name, bits: bits, block: block, offset: offset, type: type, feature: feature,
            group: feature == core ? nil : group)
    }

    private static let coreRows: [Row] = {
        var rows = (0...30).map { word("x\($0)", Storage.general + $0 * 8, type: "int64", feature: core) }
        rows.append(
            Row(
                name: "sp", bits: 64, block: .general, offset: Field.stackPointerEL0,
                form: .bankedStackPointer(own: Field.stackPointerEL1), type: "data_ptr", feature: core))
        rows.append(word("pc", Field.programCounter, type: "code_ptr", feature: core))
        rows.append(word("cpsr", Field.state, bits: 32, type: "arm64_state", feature: core))
        return rows
    }()

    private static let vectorRows: [Row] = {
        var rows = (0...31).map {
            Row(
                name: "v\($0)", bits: 128, block: .vector, offset: Storage.vectors + $0 * 16, type: "aarch64v",
                feature: fpu)
        }
        let status = Storage.vectors + 32 * 16
        rows.append(word("fpsr", status, .vector, bits: 32, type: "arm64_fpsr", feature: fpu, group: "float"))
        rows.append(word("fpcr", status + 4, .vector, bits: 32, type: "arm64_fpcr", feature: fpu, group: "float"))
        return rows
    }()

    /// The stack pointers by their own names, what an exception saves, and the system registers.
    private static let systemRows: [Row] = {
        var rows = [
            word("sp_el0", Field.stackPointerEL0, type: "data_ptr"),
            word("sp_el1", Field.stackPointerEL1, type: "data_ptr"),
            word("elr_el1", Field.link, type: "code_ptr"),
            // As with cr0: gdb takes a plain number for flags of an int's width only, and all the flags are there.
            word("spsr_el1", Field.savedState, bits: 32, type: "arm64_state"),
        ]
        let pointers: Set = ["vbar_el1", "far_el1"]
        rows += systemRegisters.enumerated().map { index, register in
            let type = pointers.contains(register.name) ? "data_ptr" : "uint64"
            return word(register.name, Storage.system + index * 8, register.block, type: type)
        }
        return rows
    }()

    /// The table, the same on every host.
    package static let layout = RegisterLayout(
        coreRows + vectorRows + systemRows, types: typeDefinitions, architecture: .arm64,
        architectureName: "aarch64", expedited: ["x29", "sp", "pc"], programCounter: "pc")
}
