import Primitives
import Testing

@testable import Debugger

@Suite("monitor catch and xp")
struct CatchTests {
    @Test("ports and device memory are armed until they are taken back, by number")
    func arming() throws {
        let target = SimulatedTarget()
        let client = Conversation(target)
        #expect(client.monitor("catch io 0x3f8") == "1: ports 0x3f8-0x3f8\n")
        #expect(client.monitor("catch mmio 0xd0000000-0xd0000fff") == "2: device memory 0xd0000000-0xd0000fff\n")
        let armed = try #require(target.arrangements.last).catches
        #expect(
            armed.map(\.kind) == [
                .ports(0x3f8...0x3f8), .memory(PhysicalAddress(0xd000_0000)...PhysicalAddress(0xd000_0fff)),
            ])
        #expect(client.monitor("catch list").split(separator: "\n").count == 2)
        #expect(client.monitor("uncatch 1") == "")
        #expect(target.arrangements.last?.catches.map(\.number) == [2])
        #expect(client.monitor("uncatch 1").hasPrefix("error: nothing is caught"))
        #expect(client.monitor("catch io 1016") == "3: ports 0x3f8-0x3f8\n", "numbers are not used again")
    }

    @Test(
        "exceptions go by number, mnemonic and name",
        arguments: [
            ("14", [14]), ("0xe", [14]), ("#PF", [14]), ("pf", [14]), ("page-fault", [14]), ("Divide-Error", [0]),
            ("3", [3]), ("#db", [1]),
        ] as [(String, Set<UInt8>)])
    func exceptions(_ word: String, _ vectors: Set<UInt8>) {
        let target = SimulatedTarget()
        #expect(Conversation(target).monitor("catch exception \(word)").hasPrefix("1: exception #"))
        #expect(target.armed.catches.map(\.kind) == [.exceptions(vectors)])
    }

    @Test("all exceptions, MSRs and HLT are armed")
    func others() throws {
        let target = SimulatedTarget()
        let client = Conversation(target)
        #expect(client.monitor("catch exception all") == "1: every exception\n")
        #expect(client.monitor("catch msr 0xc0000082") == "2: MSR 0xc0000082\n")
        #expect(client.monitor("catch hlt") == "3: HLT or WFI\n")
        guard case .exceptions(let all) = try #require(target.armed.catches.first).kind else {
            Issue.record("no exceptions are caught")
            return
        }
        #expect(all.isSuperset(of: [0, 1, 3, 6, 8, 13, 14]) && !all.contains(2), "an NMI is no exception")
        #expect(target.armed.catches.map(\.kind).suffix(2) == [.register(0xc000_0082), .halt])
        #expect(client.monitor("uncatch 3") == "" && client.monitor("uncatch 2") == "")
        #expect(client.monitor("catch hlt") == "4: HLT or WFI\n", "a number is never used again")
    }

    @Test("what the host refuses is not listed")
    func refusedByHost() {
        let target = SimulatedTarget()
        target.objection = { $0.catches.isEmpty ? nil : "not here" }
        let client = Conversation(target)
        #expect(client.monitor("catch hlt") == "error: not here\n")
        #expect(client.monitor("catch list") == "nothing is caught\n")
    }

    @Test("QEMU's step masks are taken where they can be done, and kept")
    func stepMasks() {
        let target = SimulatedTarget()
        let client = Conversation(target)
        for letter in ["q", "Q"] {
            #expect(client.ask(letter + "qemu.sstepbits") == "ENABLE=1,NOIRQ=2,NOTIMER=4")
            #expect(client.ask(letter + "qemu.sstep") == "0x7")
        }
        for (mask, holds) in [("1", false), ("3", true), ("7", true)] {
            #expect(client.ask("Qqemu.sstep=\(mask)") == "OK")
            #expect(client.ask("qqemu.sstep") == "0x\(mask)")
            #expect(target.armed.stepsHoldInterrupts == holds)
        }
        for mask in ["0", "2", "5", "6", "8"] { #expect(client.ask("Qqemu.sstep=\(mask)").hasPrefix("E")) }
        #expect(client.ask("qqemu.sstep") == "0x7")
    }

    @Test(
        "what cannot be caught is refused in words",
        arguments: [
            "", "exception", "exception frog", "exception 32", "exception 2", "msr", "msr 0x100000000", "hlt now", "io",
            "io 0x10000", "io 5-4", "io x", "mmio", "frogs 1", "io 1-2-3", "io 0x",
        ])
    func refused(_ words: String) {
        let target = SimulatedTarget()
        #expect(Conversation(target).monitor("catch " + words).hasPrefix("error: "))
        #expect(target.arrangements.allSatisfy { $0.catches.isEmpty })
    }

    @Test(
        "physical memory is shown in QEMU's formats",
        arguments: [
            ("xp 0x10", "0x0000000000000010: 0x13121110"),
            ("xp/2xg 16", "0x0000000000000010: 0x1716151413121110 0x1f1e1d1c1b1a1918"),
            ("xp/3xb 0x7f", "0x000000000000007f: 0x7f 0x80 0x81"), ("xp/1db 0x80", "0x0000000000000080: -128"),
            ("xp/1uh 0xfe", "0x00000000000000fe: 65534"), ("xp/4c 0x41", "0x0000000000000041: 'A' 'B' 'C' 'D'"),
            ("xp/1ob 8", "0x0000000000000008: 010"),
        ])
    func dump(_ command: String, _ expected: String) {
        let client = Conversation(SimulatedTarget(memory: (0..<0x1000).map { UInt8(truncatingIfNeeded: $0) }))
        #expect(client.monitor(command) == expected + "\n")
    }

    @Test(
        "a dump of nothing, outside of memory, or in no format is refused",
        arguments: ["xp", "xp 0x1000", "xp/0x 0", "xp/4y 0"])
    func badDump(_ command: String) {
        #expect(
            Conversation(SimulatedTarget(memory: [UInt8](repeating: 0, count: 0x1000))).monitor(command).hasPrefix(
                "error: "))
    }
}
