import Primitives
import Testing

@testable import Architecture

@Suite("Values that no processor has")
struct RegisterRuleTests {
    private let layout = X86.layout64

    private func objection(_ name: String, _ value: UInt64, cr4: UInt64 = 0) -> String? {
        var old = RegisterFile.protected
        old["eflags", in: layout] = 2
        old["cr4", in: layout] = cr4
        var new = old
        new[name, in: layout] = value
        return X86.objection(to: new, insteadOf: old)
    }

    @Test(
        "reserved bits are refused by the register's name",
        arguments: [
            ("eflags", 0x8002), ("eflags", 0xa), ("eflags", 0x40_0002), ("eflags", 0), ("cr0", 0x41),
            ("cr0", 0x1000_0001), ("efer", 2), ("efer", 0x1_0000), ("cr8", 0x10),
        ] as [(String, UInt64)])
    func reserved(name: String, value: UInt64) { #expect(objection(name, value)?.hasPrefix(name) == true) }

    @Test(
        "what a processor has is taken",
        arguments: [
            ("eflags", 0x3f_7fd7), ("eflags", 0x202), ("cr0", 0xe005_003f), ("efer", 0xd01), ("efer", 0x1501),
            ("cr8", 0xf), ("fs_base", 0xffff_8000_0000_0000), ("gs_base", 0x7fff_ffff_ffff), ("cs_base", 0xffff_0000),
            ("idtr_base", 0xffff_ffff_ffff_f000), ("cr2", 0x1234_5678_9abc_def0),
        ] as [(String, UInt64)])
    func possible(name: String, value: UInt64) { #expect(objection(name, value) == nil) }

    @Test(
        "bases must be canonical, those of CS, SS, DS and ES below 4 GiB",
        arguments: ["fs", "gs", "tr", "ldtr", "gdtr", "idtr", "cs", "ss", "ds", "es"])
    func bases(segment: String) {
        let name = segment + "_base"
        #expect(objection(name, 0x8000_0000_0000)?.contains(name) == true)
        #expect((objection(name, 0xffff_8000_0000_0000) == nil) == !["cs", "ss", "ds", "es"].contains(segment))
    }

    @Test("five-level paging widens addresses to 57 bits")
    func fiveLevels() {
        #expect(objection("gs_base", 0x00ff_ffff_ffff_ffff, cr4: 0x1000) == nil)
        #expect(objection("gs_base", 0x00ff_ffff_ffff_ffff) != nil)
        #expect(objection("gs_base", 0x0100_0000_0000_0000, cr4: 0x1000) != nil)
    }

    @Test("a value that was there already is no objection to another register's change")
    func unchanged() {
        var old = RegisterFile.protected
        old.storage.store(1 << 60 as UInt64, at: X86.Field.gdtBase, count: 8)
        var new = old
        new["rax", in: layout] = 1
        #expect(X86.objection(to: new, insteadOf: old) == nil)
    }
}
