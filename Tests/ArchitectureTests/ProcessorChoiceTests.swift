import Testing

@testable import Architecture

@Suite struct ProcessorChoiceTests {
    @Test("A level of the psABI takes away what later ones brought, and what is added stays")
    func levels() throws {
        func removed(_ text: String) throws -> Set<String> {
            Set(try X86ProcessorChoice(parsing: text).removed.map(\.name))
        }
        #expect(try removed("host").isEmpty)
        #expect(try removed("host,-smap,-cx16") == ["smap", "cx16"])
        #expect(try removed("x86-64-v2").isSuperset(of: ["avx", "avx2", "avx512f", "bmi1"]))
        #expect(try removed("x86-64-v2").isDisjoint(with: ["cx16", "ssse3", "smap", "rdtscp"]))
        #expect(try removed("x86-64").isSuperset(of: ["cx16", "popcnt", "avx"]))
        #expect(try !removed("x86-64-v2,+avx").contains("avx"))
        #expect(try removed("x86-64-v2,+avx,-avx").contains("avx"))
        #expect(try removed("x86-64-v3").isSuperset(of: ["avx512f", "gfni"]))
    }

    @Test(
        "What cannot be read is said",
        arguments: ["", "pentium", "host,smap", "host,-nothing", "host,", "host,-", ",-smap"])
    func unreadable(text: String) {
        #expect(throws: X86ProcessorChoice.Unreadable.self) { try X86ProcessorChoice(parsing: text) }
    }

    @Test("No two features are one bit, or have one name")
    func table() {
        let places = X86Feature.table.map { "\($0.leaf) \($0.subleaf) \($0.register) \($0.bit)" }
        #expect(Set(places).count == places.count)
        #expect(Set(X86Feature.table.map(\.name)).count == places.count)
    }
}
