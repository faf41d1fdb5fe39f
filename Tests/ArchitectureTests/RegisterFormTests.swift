import Primitives
import TestSupport
import Testing

@testable import Architecture

@Suite("Registers that are no plain copy of their storage")
struct RegisterFormTests {
    private let layout = X86.layout64

    private static let segments = ["cs", "ss", "ds", "es", "fs", "gs"]

    // MARK: - Selectors

    @Test("in real mode a new selector moves the base along", arguments: segments)
    func realModeSelector(name: String) {
        var file = RegisterFile(size: X86.Storage.size)
        file[name, in: layout] = 0xf123
        #expect(file[name, in: layout] == 0xf123)
        #expect(file[name + "_base", in: layout] == 0xf1230)
    }

    @Test("in protected and long mode a new selector leaves the base alone", arguments: segments)
    func protectedSelector(name: String) {
        for efer in [0, 0x500] as [UInt64] {
            var file = RegisterFile.protected
            file["efer", in: layout] = efer
            file[name + "_base", in: layout] = 0x1234_5678
            file[name, in: layout] = 0x10
            #expect(file[name, in: layout] == 0x10)
            #expect(file[name + "_base", in: layout] == 0x1234_5678)
        }
    }

    // MARK: - The program counter

    @Test("the program counter is linear: CS's base plus RIP", arguments: NamedLayout.all)
    func linear(_ named: NamedLayout) {
        var file = RegisterFile(size: X86.Storage.size)
        file["cs", in: named.layout] = 0xf000
        file["cs_base", in: named.layout] = 0xffff_0000
        X86.setInstructionOffset(&file, to: 0xfff0)
        let counter = named.layout.registers[named.layout.programCounter]
        #expect(file.number(counter) == 0xffff_fff0)
        #expect(X86.programCounter(file) == VirtualAddress(0xffff_fff0))
        file.set(counter, to: 0xffff_0010)
        #expect(file.number(counter) == 0xffff_0010)
        #expect(file.field(X86.Field.instructionPointer) == 0x10)
    }

    @Test("64-bit code ignores CS's base; compatibility mode does not")
    func longMode() {
        var file = RegisterFile.protected
        file["efer", in: layout] = 0x500
        file["cs_base", in: layout] = 0x10_0000
        X86.setInstructionOffset(&file, to: 0x20)
        #expect(X86.mode(file) == .compatibility)
        #expect(file["rip", in: layout] == 0x10_0020)
        // CS.L.
        file["cs_attr", in: layout] = 0x209b
        #expect(X86.mode(file) == .long)
        #expect(file["rip", in: layout] == 0x20)
    }

    @Test(
        "in the narrow tables ip is the offset, eip and rip the linear address", arguments: NamedLayout.narrow)
    func narrow(_ named: NamedLayout) {
        let layout = named.layout
        var file = RegisterFile(size: X86.Storage.size)
        file["cs", in: layout] = 0x1000
        file["eip", in: layout] = 0x1_0123
        #expect(file["ip", in: layout] == 0x123)
        #expect(file["eip", in: layout] == 0x1_0123)
        #expect(file["rip", in: layout] == 0x1_0123)
        file["ip", in: layout] = 0x456
        #expect(file["eip", in: layout] == 0x1_0456)
        file["rip", in: layout] = 0x1_0789
        #expect(file["ip", in: layout] == 0x789)
    }

    // MARK: - Segment attributes

    /// `struct kvm_segment`: the byte of each field, and its bits in the access rights (Intel SDM volume 3, table 25-2).
    private static let attributeFields: [(byte: Int, shift: UInt64, width: UInt64)] = [
        (14, 0, 4),  // type
        (15, 7, 1),  // present
        (16, 5, 2),  // DPL
        (17, 14, 1),  // D/B
        (18, 4, 1),  // S
        (19, 13, 1),  // L
        (20, 15, 1),  // G
        (21, 12, 1),  // AVL
        (22, 16, 1),  // unusable
    ]

    @Test(
        "attributes are gathered from the structure and scattered back",
        arguments: ["cs", "ss", "ds", "es", "fs", "gs", "tr", "ldtr"])
    func attributes(name: String) {
        var random = Seeded(7)
        let selector = layout[name: name]!
        // `selector` stands at byte 12 of the structure.
        let start = selector.offset - 12
        for _ in 0..<50 {
            let value = random.next() & 0x1_f0ff
            var file = RegisterFile.protected
            file.storage = random.bytes(file.storage.count)
            let before = file.storage
            file[name + "_attr", in: layout] = value
            var expected = before
            for field in Self.attributeFields {
                let bits = value >> field.shift & (1 << field.width - 1)
                expected[start + field.byte] = UInt8(bits)
            }
            #expect(file.storage == expected)
            #expect(file[name + "_attr", in: layout] == value)
        }
    }

    @Test("base, limit and selector are where struct kvm_segment has them", arguments: segments + ["tr", "ldtr"])
    func segmentFields(name: String) {
        let start = layout[name: name]!.offset - 12
        var file = RegisterFile.protected
        file[name + "_base", in: layout] = 0x1122_3344_5566_7788
        file[name + "_limit", in: layout] = 0x99aa_bbcc
        file[name, in: layout] = 0xddee
        #expect(file.storage.number(at: start, count: 8) as UInt64 == 0x1122_3344_5566_7788)
        #expect(file.storage.number(at: start + 8, count: 4) as UInt64 == 0x99aa_bbcc)
        #expect(file.storage.number(at: start + 12, count: 2) as UInt64 == 0xddee)
    }

    // MARK: - Modes

    @Test(
        "the mode follows from CR0, EFER, RFLAGS and CS",
        arguments: [
            (0, 0, 0, 0, .real), (0, 0x500, 0, 0x209b, .real), (1, 0, 0, 0x9b, .protected16),
            (1, 0, 0, 0x409b, .protected32), (1, 0, 0x2_0000, 0x409b, .virtual8086),
            (0x8000_0001, 0x500, 0, 0x209b, .long), (0x8000_0001, 0x500, 0, 0x409b, .compatibility),
        ] as [(UInt64, UInt64, UInt64, UInt64, X86.Mode)])
    func modes(cr0: UInt64, efer: UInt64, flags: UInt64, code: UInt64, mode: X86.Mode) {
        var file = RegisterFile(size: X86.Storage.size)
        file["cr0", in: layout] = cr0
        file["efer", in: layout] = efer
        file["eflags", in: layout] = flags
        file["cs_attr", in: layout] = code
        #expect(X86.mode(file) == mode)
    }

    @Test("the privilege level is SS's; real mode has none and virtual-8086 mode the lowest", arguments: 0...3)
    func privilege(level: Int) {
        var file = RegisterFile(size: X86.Storage.size)
        file["ss_attr", in: layout] = 0x93 | UInt64(level) << 5
        #expect(X86.privilege(file) == 0)
        file["cr0", in: layout] = 1
        #expect(X86.privilege(file) == level)
        file["eflags", in: layout] = 0x2_0000
        #expect(X86.privilege(file) == 3)
    }
}
