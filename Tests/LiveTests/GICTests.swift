import Foundation
import Testing

extension Live {
    /// The guest `gicdemo` on the board with a GICv2 for x86 guests, and the commands that show and drive it.
    @Suite("gic") struct GIC {
        private static let options = ["--irqchip", "gicv2"]

        private static func expected(_ cpus: Int) -> String {
            func each(_ count: Int) -> String { String(repeating: " \(count)", count: cpus) }
            return """
                processors \(cpus)
                timers\(each(100))
                (sent by interrupts)
                uart 21
                messages\(each(100))
                broadcasts\(each(10))
                nested 1234
                split ends 10
                held off 3
                too early 0

                """
        }

        @Test(
            "timers, the UART's line, messages between vCPUs and nesting all arrive", .needs(.kvm),
            arguments: [1, 2, 8])
        func counts(cpus: Int) throws {
            let arguments = ["run"] + Self.options + ["--gdb", "none", "--cpus", "\(cpus)"]
            let end = try Program.run([Places.stubvisor] + arguments + [Guest.path("gicdemo")], within: 120)
            #expect(end.output == Self.expected(cpus), "\(end.errors)")
            #expect(end.status == 0)
        }

        /// A machine that stands in one of the guest's situations.
        private func guest(in situation: UInt8, cpus: Int = 1) throws -> (guest: RemoteClient, Symbols) {
            let symbols = try Symbols(guest: "gicdemo")
            let guest = try Stubvisor(
                guest: "gicdemo", Self.options + ["--cpus", "\(cpus)", "--output", Places.scratch]
            ).attach()
            #expect(try guest.write([situation, 0, 0, 0], at: symbols["situation"]) == "OK")
            #expect(try guest.insert(0, at: symbols["in_situation"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.remove(0, at: symbols["in_situation"]) == "OK")
            return (guest, symbols)
        }

        @Test("an injected SPI is taken by the guest's handler", .needs(.kvm), arguments: [1, 2])
        func injected(cpus: Int) throws {
            let (guest, symbols) = try guest(in: 1, cpus: cpus)
            let before = try guest.word(at: symbols["line_hits"])
            #expect(try guest.monitor("inject-irq 33").contains("will deliver on resume"))
            #expect(try guest.insert(0, at: symbols["on_uart"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("rip") == symbols["on_uart"])
            #expect(try guest.word(at: symbols["line_hits"]) == before)
            #expect(try guest.monitor("irq show 33").contains("GICD_ISACTIVER1.1   = 1"))
        }

        @Test("catch irq stops on the handler's first instruction, before anything is acknowledged", .needs(.kvm))
        func caught() throws {
            let (guest, symbols) = try guest(in: 1, cpus: 2)
            let interrupted = try guest.register("rip")
            #expect(try guest.monitor("catch irq 33").contains("interrupt 33"))
            _ = try guest.monitor("inject-irq 33")
            #expect(try guest.resume().kind == "T05")
            #expect(guest.console.contains("interrupt 33 (vector 0x20) reached its handler"))
            #expect(try guest.register("rip") == symbols["on_irq"])
            let stack = try guest.register("rsp")
            let place = try guest.word(at: stack)
            #expect(place >= interrupted & ~0xfff && place < (interrupted & ~0xfff) + 0x2000)
            #expect(try guest.word(at: stack + 16) & 0x200 != 0, "interrupts were on")
            #expect(try guest.monitor("info irqs pending").contains("33"))
            #expect(try guest.monitor("info gic").contains("(idle)"))
        }

        @Test("irq break stops at each event", .needs(.kvm))
        func events() throws {
            let (guest, symbols) = try guest(in: 1)
            for (event, words) in [("pend", "became pending"), ("ack", "was acknowledged"), ("eoi", "was ended")] {
                #expect(try guest.monitor("irq break 33 on \(event)").contains("interrupt 33, \(event)"))
                _ = try guest.monitor("inject-irq 33")
                #expect(try guest.resume().kind == "T05")
                #expect(guest.console.contains("interrupt 33 \(words)"), "\(event)")
                let list = try guest.monitor("catch list")
                _ = try guest.monitor("uncatch \(list.prefix { $0 != ":" })")
                // To where nothing is under way.
                #expect(try guest.insert(0, at: symbols["relax"]) == "OK")
                repeat {
                    #expect(try guest.resume().kind == "T05")
                } while try guest.monitor("info irqs active") != "none\n"
                #expect(try guest.remove(0, at: symbols["relax"]) == "OK")
            }
        }

        private struct Event: Decodable {
            struct Arguments: Decodable { let irq: String? }
            let name: String
            let ph: String
            let ts: Double?
            let dur: Double?
            let args: Arguments?
        }

        @Test("the trace is switched off and on, and emptied", .needs(.kvm))
        func traceSwitches() throws {
            let (guest, _) = try guest(in: 1)
            #expect(try guest.monitor("irq trace clear") == "the trace is empty\n")
            #expect(try !guest.monitor("irq trace").contains("pend"))
            #expect(try guest.monitor("irq trace off") == "the trace is off\n")
            _ = try guest.monitor("inject-irq 33")
            #expect(try !guest.monitor("irq trace").contains("pend"), "nothing is recorded")
            #expect(try guest.monitor("irq trace on") == "the trace is on\n")
            _ = try guest.monitor("clear-irq 33")
            _ = try guest.monitor("inject-irq 33")
            #expect(try guest.monitor("irq trace").contains("pend"))
        }

        @Test("pending, delivered, acknowledged, ended: in order, with times that add up", .needs(.kvm))
        func timeline() throws {
            let (guest, symbols) = try guest(in: 1)
            #expect(try guest.monitor("irq trace clear").contains("empty"))
            let start = try guest.word(at: symbols["line_hits"])
            #expect(try guest.insert(0, at: symbols["relax"]) == "OK")
            for round in 1...20 as ClosedRange<UInt64> {
                _ = try guest.monitor("inject-irq 33")
                repeat {
                    #expect(try guest.resume().kind == "T05")
                } while try guest.word(at: symbols["line_hits"])
                    < start + round
            }
            let file = Places.scratch + "/gic-timeline.json"
            #expect(try guest.monitor("irq timeline gic-timeline.json").contains("events in"))
            struct Trace: Decodable { let traceEvents: [Event] }
            let trace = try JSONDecoder().decode(Trace.self, from: Data(Places.bytes(file))).traceEvents
            let line = trace.filter { $0.args?.irq == "33" && $0.ph == "i" }
            #expect(
                line.map { String($0.name.prefix { $0 != " " }) }
                    == [[String]](repeating: ["pend", "deliver", "ack", "eoi"], count: 20).flatMap { $0 })
            #expect(line.compactMap(\.ts) == line.compactMap(\.ts).sorted())
            let services = trace.filter { $0.args?.irq == "33" && $0.ph == "X" }
            #expect(services.count == 20)
            for (i, service) in services.enumerated() {
                let (ack, eoi) = (line[4 * i + 2], line[4 * i + 3])
                #expect(abs((eoi.ts ?? 0) - (ack.ts ?? 0) - (service.dur ?? -1)) < 0.01)
            }
        }

        private static let obstacles: [(situation: UInt8, reason: String)] = [
            (2, "notEnabled"), (3, "distributorDisabled"), (4, "interfaceDisabled"), (5, "priorityMask"),
            (6, "runningPriority"), (7, "interruptsDisabled"), (8, "notAddressed"), (9, "interfaceDisabled"),
            (10, "alreadyActive"),
        ]

        @Test(
            "irq why names the reason for which an interrupt does not come", .needs(.kvm), arguments: obstacles.indices)
        func why(index: Int) throws {
            let (situation, reason) = Self.obstacles[index]
            // With one vCPU there is no other to send it to.
            let (guest, _) = try guest(in: situation, cpus: reason == "notAddressed" ? 2 : 1)
            let answer = try guest.monitor("inject-irq 33")
            #expect(answer.contains("BLOCKED: ") || reason == "notAddressed")
            let text = try guest.monitor("irq why 33 cpu 0 --json")
            #expect(text.contains("\"obstacle\":\"\(reason)\""), "\(text)")
        }

        @Test("one that was never set up is blocked by the priority mask first of all", .needs(.kvm))
        func reset() throws {
            let guest = try Stubvisor(guest: "gicdemo", Self.options).attach()
            let text = try guest.monitor("irq why 33")
            #expect(text.contains("PMR"))
            #expect(text.split(separator: "\n").first?.contains("BLOCKED") == true, "\(text)")
        }

        @Test("an SGI by hand comes to every vCPU that it is sent to, with its sender", .needs(.kvm))
        func software() throws {
            let (guest, symbols) = try guest(in: 1, cpus: 2)
            #expect(try guest.monitor("inject-sgi 1 from 1 to 0x1").contains("from cpu 1"))
            #expect(try guest.monitor("info irqs pending").contains("SGI"))
            #expect(try guest.insert(0, at: symbols["on_irq"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.monitor("info gic --json").contains("\"hppir\":1025"))
        }

        @Test("what a GIC has not is refused with what it has instead", .needs(.kvm))
        func refusals() throws {
            let (guest, _) = try guest(in: 1)
            for (command, words) in [
                ("inject-nmi", "GICv2 has no NMI"), ("nmi", "GICv2 has no NMI"),
                ("inject-msi 0xfee00000 0", "no messages"),
                ("inject-vector 0x40", "no vectors"), ("info lapic", "info gic"), ("irq route 27 1", "only SPIs"),
                ("inject-irq 1024", "0 to 255"), ("inject-sgi 16 from 0 to self", "0 to 15"),
                ("catch irq 256", "0 to 255"), ("inject-irq 33 cpu 1", "no vCPU"), ("irq group 33 2", "0 and 1"),
            ] {
                let text = try guest.monitor(command)
                #expect(text.contains("error: ") && text.contains(words), "\(command): \(text)")
            }
        }

        @Test("its registers are read as memory, without side effects", .needs(.kvm))
        func memory() throws {
            let (guest, _) = try guest(in: 1)
            _ = try guest.monitor("inject-irq 33")
            #expect(try guest.memory(at: 0xfd00_0204, count: 4) == [2, 0, 0, 0])
            #expect(try guest.memory(at: 0xfd01_000c, count: 4) == [33, 0, 0, 0])
            #expect(try guest.memory(at: 0xfd01_000c, count: 4) == [33, 0, 0, 0])
            #expect(try guest.monitor("info mtree").contains("GICv2 Distributor"))
        }
    }
}
