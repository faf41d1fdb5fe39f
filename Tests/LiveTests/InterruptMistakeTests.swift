import Foundation
import Interrupts
import Testing

extension Live.Interrupts {
    /// The guest `wrongirq`, which does wrong what can be done wrong, and `monitor irq warnings`.
    @Suite("mistakes") struct Mistakes {
        private struct Warning: Decodable {
            let kind: String
            let count: Int
            let text: String
            let pc: String
        }

        /// All of a PC's. That no local APIC accepted a message, without the reason, is recorded under `--irqchip split` only.
        private static let kinds = GuestMistake.Kind.allCases.filter {
            !GuestMistake.Kind.ofGIC.contains($0) && $0 != .nobodyAccepted
        }

        /// The warnings that the guest got, all its mistakes made, and where its functions are.
        private func warnings() throws -> (all: [Warning], text: String, symbols: Symbols) {
            let symbols = try Symbols(guest: "wrongirq")
            let guest = try Stubvisor(guest: "wrongirq").attach()
            #expect(try guest.insert(0, at: symbols["power_off"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            let json = Data(try guest.monitor("irq warnings --json").utf8)
            return (try JSONDecoder().decode([Warning].self, from: json), try guest.monitor("irq warnings"), symbols)
        }

        @Test("every kind of mistake is reported once, with the place in the guest where it was made", .needs(.kvm))
        func everyKind() throws {
            let (warnings, text, symbols) = try warnings()
            for kind in Self.kinds {
                let found = warnings.filter { $0.kind == kind.rawValue }
                guard found.count == 1, let warning = found.first else {
                    Issue.record("\(kind): \(found)")
                    continue
                }
                let place = UInt64(warning.pc.dropFirst(2), radix: 16) ?? 0
                // The guest's functions are named as the kinds are.
                let function = symbols.name(before: place)?.filter { $0 != "_" } ?? ""
                #expect(function.hasPrefix(kind.rawValue.lowercased()), "\(warning)")
                #expect(warning.count == 1, "\(warning)")
                #expect(text.contains("1 x  \(warning.text), last at \(warning.pc)"), "\(text)")
            }
            #expect(warnings.count == Self.kinds.count)
        }

        @Test("a guest that does everything wrong goes on", .needs(.kvm))
        func survived() throws {
            let end = try Program.run([Places.stubvisor, "run", "--gdb", "none", Guest.path("wrongirq")], within: 120)
            #expect(end.status == 0)
            #expect(end.output.hasSuffix("survived \(Self.kinds.count) mistakes and 3 faults\n"))
        }

        @Test("what a debugger is refused is no mistake of the guest's", .needs(.kvm))
        func debuggersMistakes() throws {
            let guest = try Stubvisor(guest: "counting").attach()
            #expect(try guest.monitor("msr read 0x802").contains("error"))
            #expect(try guest.monitor("msr write 0x1b 0xfee00400").contains("error"))
            #expect(try guest.monitor("irq warnings").contains("no mistakes"))
        }
    }
}
