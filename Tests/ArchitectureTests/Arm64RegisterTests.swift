import Foundation
import Primitives
import TestSupport
import Testing

@testable import Architecture

@Suite("arm64 registers")
struct Arm64RegisterTests {
    private static let layout = Arm64.layout

    private func file(state: UInt64) -> RegisterFile {
        var file = RegisterFile(size: Arm64.Storage.size)
        file["cpsr", in: Self.layout] = state
        file.changed = []
        return file
    }

    // MARK: - The table

    @Test("a value in one row is read back there, and in no other row but that of the same stack pointer")
    func rowsAlone() {
        var random = Seeded(64)
        let before = file(state: 0x3c5)
        for register in Self.layout.registers {
            // PSTATE chooses the stack pointer, and so stays in EL1h.
            var value = random.bytes(register.bits / 8)
            if register.name == "cpsr" { value[0] = 0xc5 }
            var file = before
            file.set(register, to: value)
            #expect(file.bytes(register) == value, "\(register.name)")
            #expect(file.changed == register.block, "\(register.name)")
            for other in Self.layout.registers
            where other.number != register.number && Set([register.name, other.name]) != ["sp", "sp_el1"] {
                if file.bytes(other) != before.bytes(other) { Issue.record("\(register.name) changed \(other.name)") }
            }
        }
    }

    @Test("every row holds its own value while all the others hold theirs", arguments: [1, 2, 3] as [UInt64])
    func rowsTogether(seed: UInt64) {
        var random = Seeded(seed)
        var file = file(state: 0x3c5)
        let rows = Self.layout.registers.filter { !["sp", "cpsr"].contains($0.name) }
        let values = rows.map { random.bytes($0.bits / 8) }
        for (row, value) in zip(rows, values) { file.set(row, to: value) }
        for (row, value) in zip(rows, values) { #expect(file.bytes(row) == value, "\(row.name)") }
    }

    @Test("clients that know only gdb's own table find it at gdb's numbers, and g is its general registers")
    func familiarNumbers() {
        var names = (0...30).map { "x\($0)" }
        names += ["sp", "pc", "cpsr"]
        names += (0...31).map { "v\($0)" }
        names += ["fpsr", "fpcr"]
        #expect(Self.layout.registers.prefix(68).map(\.name) == names)
        #expect(Self.layout.countInG == 34)
        let bits = Self.layout.registers[..<34].map(\.bits)
        #expect(bits == [Int](repeating: 64, count: 33) + [32])
        #expect(Self.layout.expedited.map { Self.layout.registers[$0].name } == ["x29", "sp", "pc"])
    }

    @Test(
        "sp is the stack pointer that PSTATE chooses",
        arguments: [(0x0, "sp_el0"), (0x4, "sp_el0"), (0x5, "sp_el1"), (0x3c5, "sp_el1"), (0x10, "sp_el0")]
            as [(UInt64, String)])
    func stackPointer(state: UInt64, name: String) {
        var file = file(state: state)
        file["sp", in: Self.layout] = 0x1234_5678_9abc_def0
        for bank in ["sp_el0", "sp_el1"] {
            #expect(file[bank, in: Self.layout] == (bank == name ? 0x1234_5678_9abc_def0 : 0), "\(bank)")
        }
        file[name, in: Self.layout] = 0x10
        #expect(file["sp", in: Self.layout] == 0x10)
    }

    @Test("what the manual asks for is there to be read and written")
    func systemRegisters() {
        let names = """
            sctlr_el1 ttbr0_el1 ttbr1_el1 tcr_el1 mair_el1 vbar_el1 esr_el1 far_el1 elr_el1 spsr_el1 sp_el0 sp_el1 \
            tpidr_el0 tpidrro_el0 tpidr_el1 contextidr_el1 cpacr_el1 mpidr_el1 par_el1 cntv_ctl_el0 cntv_cval_el0 \
            cntkctl_el1 afsr0_el1 afsr1_el1 amair_el1 mdscr_el1
            """
        for name in names.split(separator: " ") {
            #expect(Self.layout[name: String(name)]?.group == "system", "\(name)")
        }
    }

    // MARK: - KVM's numbers

    /// Documentation/virt/kvm/api.rst, the table in section 4.68, and the encodings of the Arm ARM packed by hand.
    private static let numbers: [(register: String, id: UInt64)] = [
        ("x0", 0x6030_0000_0010_0000), ("x30", 0x6030_0000_0010_003c), ("sp_el0", 0x6030_0000_0010_003e),
        ("pc", 0x6030_0000_0010_0040), ("cpsr", 0x6030_0000_0010_0042), ("sp_el1", 0x6030_0000_0010_0044),
        ("elr_el1", 0x6030_0000_0010_0046), ("spsr_el1", 0x6030_0000_0010_0048), ("v0", 0x6040_0000_0010_0054),
        ("v31", 0x6040_0000_0010_00d0), ("fpsr", 0x6020_0000_0010_00d4), ("fpcr", 0x6020_0000_0010_00d5),
        ("sctlr_el1", 0x6030_0000_0013_c080), ("ttbr0_el1", 0x6030_0000_0013_c100),
        ("ttbr1_el1", 0x6030_0000_0013_c101), ("tcr_el1", 0x6030_0000_0013_c102),
        ("esr_el1", 0x6030_0000_0013_c290), ("far_el1", 0x6030_0000_0013_c300), ("vbar_el1", 0x6030_0000_0013_c600),
        ("mpidr_el1", 0x6030_0000_0013_c005), ("mdscr_el1", 0x6030_0000_0013_8012),
        ("tpidr_el0", 0x6030_0000_0013_de82), ("cntv_ctl_el0", 0x6030_0000_0013_df19),
        // The two that KVM has swapped.
        ("cntv_cval_el0", 0x6030_0000_0013_df02), ("cntvct_el0", 0x6030_0000_0013_df1a),
    ]

    @Test("each register is fetched by the number that KVM documents for it", arguments: numbers)
    func kernelNumbers(register: String, id: UInt64) throws {
        let row = try #require(Self.layout[name: register])
        // The stack pointers' rows of their own stand for themselves.
        let kernel = try #require(Arm64.kernelRegisters.first { $0.offset == row.offset })
        #expect(kernel.id == id)
        #expect(kernel.block == row.block)
    }

    @Test("every byte that a row shows is fetched once, in the row's block")
    func kernelCoverage() {
        var owner = [RegisterBlocks?](repeating: nil, count: Arm64.Storage.size)
        for register in Arm64.kernelRegisters {
            for byte in register.offset..<register.offset + register.width {
                #expect(owner[byte] == nil)
                owner[byte] = register.block
            }
        }
        for row in Self.layout.registers {
            let owners = owner[row.offset..<row.offset + row.width]
            #expect(owners.allSatisfy { $0 == row.block }, "\(row.name)")
        }
        #expect(Set(Arm64.kernelRegisters.map(\.id)).count == Arm64.kernelRegisters.count)
    }

    @Test("a block's registers are its own, and a stop takes few of the system registers")
    func kernelBlocks() {
        #expect(Arm64.kernelRegisters(of: .general).count == 37)
        #expect(Arm64.kernelRegisters(of: .vector).count == 34)
        #expect(Arm64.kernelRegisters(of: .system).count == 4)
        #expect(Arm64.kernelRegisters(of: [.general, .system, .vector, .control]) == Arm64.kernelRegisters)
    }

    // MARK: - State

    @Test(
        "PSTATE says level, stack and masks",
        arguments: [
            (0x3c5, "EL1h", false), (0x305, "EL1h", true), (0x4, "EL1t", true), (0x6000_0080, "EL0t", false),
            (0x10, "AArch32 EL0", true),
        ] as [(UInt64, String, Bool)])
    func state(value: UInt64, name: String, takesInterrupts: Bool) {
        let file = file(state: value)
        #expect(Architecture.arm64.modeName(file) == name)
        #expect(Architecture.arm64.takesInterrupts(file) == takesInterrupts)
    }

    @Test(
        "a mode that KVM refuses is objected to in words",
        arguments: [(0x0, nil), (0x5, nil), (0x9, "EL1h"), (0x1, "EL1h"), (0x10, "AArch32")] as [(UInt64, String?)])
    func objections(state: UInt64, word: String?) {
        let objection = Arm64.objection(to: file(state: state))
        #expect((objection == nil) == (word == nil))
        if let word { #expect(objection?.contains(word) == true) }
    }

    // MARK: - gdb

    private static let gdb = ["/usr/bin/gdb-multiarch"].first { FileManager.default.isExecutableFile(atPath: $0) }

    @Test(
        "gdb takes the description: an aarch64 target with its flags, vectors and system registers",
        .enabled(if: gdb != nil, "gdb-multiarch is not installed"))
    func gdbTakesIt() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("arm64-\(UUID().uuidString).xml")
        try Data(Self.layout.targetDescription).write(to: path)
        defer { try? FileManager.default.removeItem(at: path) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(Self.gdb))
        let commands = [
            "set tdesc filename \(path.path)", "show architecture", "ptype $v0", "ptype $cpsr", "ptype $spsr_el1",
            "ptype $sctlr_el1", "whatis $d0", "whatis $w0", "whatis $vbar_el1", "whatis $sp",
        ]
        process.arguments = ["-nx", "-batch"] + commands.flatMap { ["-ex", $0] }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(text.contains("\"aarch64\""), "\(text)")
        #expect(text.contains("arm64_d d;") && text.contains("arm64_b b;"), "\(text)")
        #expect(text.contains("@28 V;") || text.contains("bool V @28"), "\(text)")
        // gdb's own names for parts of registers.
        #expect(text.components(separatedBy: "type = ").count == 9, "\(text)")
        #expect(!text.contains("warning") && !text.contains("= void\n"), "\(text)")
    }
}
