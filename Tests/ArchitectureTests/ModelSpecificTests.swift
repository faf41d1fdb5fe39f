import Testing

@testable import Architecture

@Suite("Model-specific registers by name")
struct ModelSpecificTests {
    @Test(
        "names are found in any case and with the manuals' prefixes",
        arguments: [
            ("EFER", 0xc000_0080), ("lstar", 0xc000_0082), ("MSR_FS_BASE", 0xc000_0100), ("ia32_pat", 0x277),
            ("IA32_APIC_BASE", 0x1b),
        ] as [(String, UInt32)])
    func named(name: String, index: UInt32) { #expect(X86ModelSpecific.index(named: name) == index) }

    @Test("no name and no number is there twice; a name leads to its number and back")
    func unique() {
        #expect(Set(X86ModelSpecific.names.map(\.name)).count == X86ModelSpecific.names.count)
        #expect(Set(X86ModelSpecific.names.map(\.index)).count == X86ModelSpecific.names.count)
        for (name, index) in X86ModelSpecific.names { #expect(X86ModelSpecific.name(of: index) == name) }
        #expect(X86ModelSpecific.index(named: "0x10") == nil)
        #expect(X86ModelSpecific.name(of: 0x12345) == nil)
    }
}
