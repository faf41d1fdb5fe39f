import Foundation
import Testing

extension Live {
    /// The guest `apicdemo` under the built-in interrupt controllers, and the commands that show and drive them.
    @Suite("interrupts") struct Interrupts {
        static let kinds = ["apic", "kernel", "split"]

        /// Each kind of interrupt with its count, as many as there are processors where each has its own.
        private static func expected(_ cpus: Int, with kind: String) -> String {
            func each(_ count: Int) -> String { String(repeating: " \(count)", count: cpus) }
            // Some hosts let no program outside of the kernel have the guest's deadlines.
            let hasDeadline = kind != "apic" || Need.finding("filters_deadline", .yes).missing == nil
            return """
                processors \(cpus)
                periodic timer 100
                one-shot timer 10
                tsc deadline \(hasDeadline ? "10" : "not offered")
                (sent by interrupts)
                uart 21
                messages\(each(100))
                broadcasts\(each(10))
                nmis\(each(5))
                nested 1
                held off 2
                too early 0

                """
        }

        @Test("the same guest counts the same interrupts", .needs(.kvm), arguments: kinds, [1, 2, 8])
        func counts(kind: String, cpus: Int) throws {
            let arguments = ["run", "--irqchip", kind, "--gdb", "none", "--cpus", "\(cpus)"]
            let end = try Program.run([Places.stubvisor] + arguments + [Guest.path("apicdemo")], within: 120)
            #expect(end.output == Self.expected(cpus, with: kind), "\(end.errors)")
            #expect(end.status == 0)
        }

        @Test(
            "an MSR whose writes KVM does not hold back is refused as a catch",
            .needs(.finding("filters_deadline", .no)),
            arguments: kinds)
        func deadlineCaught(kind: String) throws {
            let guest = try Stubvisor(guest: "apicdemo", ["--irqchip", kind]).attach()
            #expect(try guest.monitor("catch msr 0x6e0").contains("cannot be caught"))
            #expect(try guest.monitor("catch msr 0x1b").contains("0x1b"))
        }

        /// A machine that stands in one of the guest's situations.
        func guest(in situation: UInt8, _ options: [String] = []) throws -> (guest: RemoteClient, Symbols) {
            let symbols = try Symbols(guest: "apicdemo")
            let guest = try Stubvisor(guest: "apicdemo", options).attach()
            #expect(try guest.write([situation, 0, 0, 0], at: symbols["situation"]) == "OK")
            // Nothing is counted but what a test injects.
            #expect(try guest.insert(0, at: symbols["in_situation"]) == "OK")
            let stop = try guest.resume()
            #expect(stop.kind == "T05", "\(stop.text): \(guest.console)")
            #expect(try guest.remove(0, at: symbols["in_situation"]) == "OK")
            return (guest, symbols)
        }

        @Test("INIT to the boot processor is a reset, which the debugger sees before it is done", .needs(.kvm))
        func initializeBootProcessor() throws {
            let (guest, symbols) = try guest(in: 1)
            #expect(try guest.monitor("inject-msi 0xfee00000 0x4500").contains("accepted"))
            #expect(try guest.resume().kind == "T06")
            #expect(try guest.monitor("why").contains("received INIT"))
            #expect(try guest.insert(0, at: symbols["main"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("rip") == symbols["main"])
        }

        @Test("in x2APIC mode too; nesting keeps to the priorities", .needs(.kvm), arguments: [0, 1] as [UInt8])
        func x2APIC(mode: UInt8) throws {
            let symbols = try Symbols(guest: "apicdemo")
            let guest = try Stubvisor(guest: "apicdemo", ["--cpus", "2"]).attach()
            #expect(try guest.write([mode, 0, 0, 0], at: symbols["use_x2apic"]) == "OK")
            #expect(try guest.insert(0, at: symbols["power_off"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.word(at: symbols["nesting"]) & 0xffff_ffff == 1234)
            let text = try guest.monitor("info lapic --json")
            #expect(text.contains("\"x2apic\":\(mode == 1)"), "\(text)")
            #expect(try guest.monitor("irq warnings").contains("no mistakes"))
        }

        @Test("an injected line is taken by the guest's handler", .needs(.kvm), arguments: kinds)
        func inject(kind: String) throws {
            let (guest, symbols) = try guest(in: 1, ["--irqchip", kind])
            let before = try guest.word(at: symbols["line_hits"])
            #expect(try guest.monitor("inject-irq 4").contains("will deliver on resume"))
            #expect(try guest.insert(0, at: symbols["on_uart"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("rip") == symbols["on_uart"])
            #expect(try guest.word(at: symbols["line_hits"]) == before)
            #expect(try guest.remove(0, at: symbols["on_uart"]) == "OK")
            #expect(try guest.monitor("irq show 4").contains("0x44"))
        }

        @Test("catch irq stops on the handler's first instruction", .needs(.kvm), arguments: kinds)
        func caught(kind: String) throws {
            let (guest, symbols) = try guest(in: 1, ["--irqchip", kind])
            let interrupted = try guest.register("rip")
            #expect(try guest.monitor("catch irq 4").contains("interrupt 4"))
            _ = try guest.monitor("inject-irq 4")
            #expect(try guest.resume().kind == "T05")
            #expect(guest.console.contains("interrupt 4 (vector 0x44) reached its handler"))
            #expect(try guest.register("rip") == symbols["on_uart"])
            // The processor has pushed SS, RSP, RFLAGS, CS and RIP.
            let stack = try guest.register("rsp")
            let place = try guest.word(at: stack)
            #expect(place >= interrupted & ~0xfff && place < (interrupted & ~0xfff) + 0x2000)
            #expect(try guest.word(at: stack + 16) & 0x200 != 0, "interrupts were on")
            if kind == "apic" { #expect(try guest.monitor("irq trace 3").contains("ack")) }
        }

        @Test("the kernel's controllers show the same views, and say what they cannot", .needs(.kvm))
        func kernel() throws {
            let (guest, _) = try guest(in: 1, ["--irqchip", "kernel"])
            #expect(try guest.monitor("info irqs enabled").contains("0x44"))
            #expect(try guest.monitor("info ioapic").contains("vec=68"))
            #expect(try guest.monitor("info lapic").contains("APIC enabled"))
            #expect(try guest.monitor("irq why 4").contains("pin 4 mask = 0"))
            for command in ["irq trace", "irq stats", "irq warnings", "irq timeline /dev/null"] {
                #expect(try guest.monitor(command).contains("n/a (kernel irqchip)"), "\(command)")
            }
            #expect(try guest.monitor("catch irq 4 pend").contains("--irqchip apic reports all"))
            #expect(try guest.monitor("irq mask 4").contains("is masked"))
            #expect(try guest.monitor("inject-irq 4").contains("BLOCKED: the guest has masked"))
        }

        /// A situation of the guest's, and what `irq why 4` must name.
        private static let obstacles: [(situation: UInt8, reason: String)] = [
            (2, "pinMasked"), (3, "apicSwitchedOff"), (4, "taskPriority"), (5, "inService"), (6, "interruptsDisabled"),
            (7, "nobodyAddressed"), (8, "remoteIRR"), (9, "illegalVector"), (10, "remoteIRR"),
            (11, "waitingForStartUp"),
        ]

        @Test(
            "irq why names the reason for which an interrupt does not come", .needs(.kvm),
            arguments: ["apic", "split"], obstacles.indices)
        func why(kind: String, index: Int) throws {
            let (situation, reason) = Self.obstacles[index]
            let (guest, symbols) = try guest(
                in: situation, ["--irqchip", kind, "--cpus", situation == 11 ? "2" : "1"])
            _ = try guest.monitor("inject-irq 4")
            if situation == 8 || situation == 10 {
                // Taken once: the line stays high, or no end comes.
                let handler = situation == 8 ? "on_uart" : "on_uart_without_end"
                #expect(try guest.insert(0, at: symbols[handler]) == "OK")
                #expect(try guest.resume().kind == "T05")
            }
            let text = try guest.monitor("irq why 4 --json")
            // A software KVM ends an interrupt when it is taken: nothing is in service then, and nothing is said to be.
            if reason == "inService", kind == "split",
                try guest.monitor("info lapic --json").contains("\"isr\":[]")
            {
                #expect(!text.contains(reason))
                return
            }
            #expect(text.contains("\"obstacle\":\"\(reason)\""), "\(text)")
            // In words as well.
            #expect(try guest.monitor("irq why 4").contains("BLOCKED: "))
        }

        /// Events of one kind of the timeline, in their order.
        private struct Event: Decodable {
            struct Arguments: Decodable {
                let irq: String?
                let seq: UInt64?
            }
            let name: String
            let ph: String
            let ts: Double?
            let dur: Double?
            let args: Arguments?
        }

        private struct Timeline: Decodable { let traceEvents: [Event] }

        @Test("every timer interrupt is pended, delivered, acknowledged and ended, in order", .needs(.kvm))
        func timeline() throws {
            let symbols = try Symbols(guest: "apicdemo")
            let name = "\(UUID()).json"
            let path = Places.scratch + "/" + name
            let guest = try Stubvisor(guest: "apicdemo", ["--output", Places.scratch]).attach()
            #expect(try guest.write([0xe8, 3, 0, 0], at: symbols["rounds"]) == "OK")
            #expect(try guest.insert(0, at: symbols["deadline"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.monitor("irq timeline \(name)").contains("ui.perfetto.dev"))
            let events = try JSONDecoder().decode(Timeline.self, from: Data(Places.bytes(path))).traceEvents
            let timer = events.filter { $0.ph == "i" && $0.args?.irq == "v112" }
            // A slow host lets the timer come again before the one before is taken.
            let words = timer.compactMap { $0.name.split(separator: " ").first.map(String.init) }
                .filter { $0 != "coalesce" }
            // From one acknowledgement to the next, that one's end and the next one's way, which may begin before the end.
            let rounds = words.drop { $0 != "ack" }.split(separator: "ack", omittingEmptySubsequences: false)
                .dropFirst().dropLast()
            let least = Patience.rounds(1000) > 700 ? 700 : 100
            #expect(rounds.count >= least, "\(rounds.count): the first ones may have come together")
            for (number, round) in rounds.enumerated() {
                let isInOrder = [["eoi", "pend", "deliver"], ["pend", "eoi", "deliver"]].contains(Array(round))
                #expect(isInOrder, "the interrupt number \(number): \(Array(round))")
            }
            #expect(zip(timer, timer.dropFirst()).allSatisfy { ($0.ts ?? 0) <= ($1.ts ?? 0) })
            // The time in service is that between the two events.
            let services = events.filter { $0.ph == "X" && $0.args?.irq == "v112" }
            let starts = timer.filter { $0.name.hasPrefix("ack") }.suffix(services.count)
            let ends = timer.filter { $0.name.hasPrefix("eoi") }.suffix(services.count)
            #expect(services.count >= least)
            for (service, (start, end)) in zip(services, zip(starts, ends)) {
                #expect(abs((end.ts ?? 0) - (start.ts ?? 0) - (service.dur ?? -1)) < 0.01)
            }
            let statistics = try guest.monitor("irq stats")
            #expect(statistics.contains("irq v112: pend"), "\(statistics)")
            for word in ["p50", "p99", "max"] { #expect(statistics.contains(word)) }
        }
    }
}
