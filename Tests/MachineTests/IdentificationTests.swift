import Architecture
import Interrupts
import KVM
import Testing

@testable import Machine

/// CPUID as guests see it.
@Suite struct IdentificationTests {
    private func entry(_ leaf: UInt32, eax: UInt32 = 0, ecx: UInt32 = 0, edx: UInt32 = 0) -> CPUIDEntry {
        CPUIDEntry(leaf: leaf, subleaf: 0, flags: 0, eax: eax, ebx: 0, ecx: ecx, edx: edx)
    }

    @Test("nothing is offered that only the kernel's local APICs do", arguments: [true, false])
    func kernelAPICs(localAPIC: Bool) {
        let host = [
            entry(1, ecx: .max, edx: .max), entry(6, eax: .max), entry(0x4000_0001, eax: .max),
            entry(0x8000_0001, edx: .max),
        ]
        let offered = offer(host, localAPIC: localAPIC ? LocalAPIC.Features() : nil)
        // Asynchronous page faults, EOI, kicks, IPIs, polling, yields, wide destinations: cpuid.rst.
        for bit in [4, 6, 7, 10, 11, 12, 13, 14, 15] { #expect(offered[2].eax >> bit & 1 == 0, "bit \(bit)") }
        // The clock, steal time and flushes need none.
        for bit in [0, 3, 5, 9, 24] { #expect(offered[2].eax >> bit & 1 == 1, "bit \(bit)") }
        #expect(offered[0].edx >> 9 & 1 == (localAPIC ? 1 : 0) && offered[3].edx >> 9 & 1 == (localAPIC ? 1 : 0))
        #expect(offered[1].eax >> 2 & 1 == (localAPIC ? 1 : 0), "the timer that always runs")
        for bit in [21, 24] { #expect(offered[0].ecx >> bit & 1 == (localAPIC ? 1 : 0)) }
    }

    @Test(
        "x2APIC mode and the deadline timer are offered each where it is had", arguments: [true, false], [true, false])
    func features(x2APIC: Bool, deadline: Bool) {
        var features = LocalAPIC.Features()
        (features.hasX2APIC, features.hasDeadlineTimer) = (x2APIC, deadline)
        let offered = offer([entry(1, ecx: deadline ? 0 : .max)], localAPIC: features)[0]
        #expect(offered.ecx >> 21 & 1 == (x2APIC ? 1 : 0) && offered.ecx >> 24 & 1 == (deadline ? 1 : 0))
    }

    @Test("a processor without a name gets one, and a name stays")
    func brand() {
        let nameless = [entry(0x8000_0000, eax: 0x8000_0001), entry(0x8000_0002), entry(0x8000_0003)]
        let named = name(nameless)
        #expect(named.first { $0.leaf == 0x8000_0000 }?.eax == 0x8000_0004)
        var text: [UInt8] = []
        for leaf in 0x8000_0002...0x8000_0004 as ClosedRange<UInt32> {
            let found = named.filter { $0.leaf == leaf }
            #expect(found.count == 1)
            for word in [found[0].eax, found[0].ebx, found[0].ecx, found[0].edx] {
                text += (0..<4).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
            }
        }
        #expect(String(decoding: text.prefix { $0 != 0 }, as: UTF8.self) == "stubvisor virtual processor")
        #expect(text.last == 0)
        let own = [entry(0x8000_0000, eax: 0x8000_0008), entry(0x8000_0002, eax: 0x4131)]
        #expect(name(own) == own)
    }
}

@Suite struct ProcessorChoiceMachineTests {
    private let entries = [
        CPUIDEntry(leaf: 1, subleaf: 0, flags: 0, eax: 0, ebx: 0, ecx: .max, edx: .max),
        CPUIDEntry(leaf: 7, subleaf: 0, flags: 1, eax: 1, ebx: .max, ecx: .max, edx: .max),
        CPUIDEntry(leaf: 7, subleaf: 1, flags: 1, eax: .max, ebx: 0, ecx: 0, edx: 0),
    ]

    @Test("A feature that is taken away is no longer among the CPUID answers, and nothing else is")
    func removes() throws {
        let answers = restrict(entries, to: try X86ProcessorChoice(parsing: "host,-smap,-cx16"), forced: [])
        #expect(answers.count == 3)
        #expect(answers[0].ecx == ~(1 << 13))
        #expect(answers[1].ebx == ~(1 << 20))
        #expect(answers[2] == entries[2])
    }

    @Test("One that the host shows whatever it is told goes with its leaf")
    func forced() throws {
        let smap = X86Feature(named: "smap")!
        let choice = try X86ProcessorChoice(parsing: "host,-smap")
        #expect(restrict(entries, to: choice, forced: [smap]).map(\.leaf) == [1])
        #expect(restrict(entries, to: try X86ProcessorChoice(parsing: "host"), forced: [smap]) == entries)
    }
}
