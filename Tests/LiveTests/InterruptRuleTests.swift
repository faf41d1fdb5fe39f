import Testing

extension Live.Interrupts {
    /// The guest `irqrules`, which checks rules of the manuals by itself, under each interrupt controller of a PC.
    @Suite("rules that a guest checks") struct Rules {
        /// Rules that this host's own KVM does not keep, by what it says under `--irqchip kernel`.
        private func failures(_ controller: String, of guest: String = "irqrules", processors: Int = 1) throws
            -> [String]
        {
            let end = try Program.run(
                [
                    Places.stubvisor, "run", "--gdb", "none", "--irqchip", controller, "--cpus", "\(processors)",
                    Guest.path(guest),
                ], within: 120)
            #expect(end.status == 0 && end.output.hasSuffix("done\n"), "\(end.output)\(end.errors)")
            return end.output.split(separator: "\n").map(String.init).filter { $0.hasPrefix("FAIL") }
        }

        @Test("CR8, clock, NMI, registers and CPUID keep the rules", .needs(.kvm))
        func builtIn() throws { #expect(try failures("apic") == []) }

        @Test(
            "what the kernel's local APICs have to do with them holds too", .needs(.kvm),
            arguments: ["kernel", "split"])
        func kernels(controller: String) throws {
            // A KVM that emulates kernel mode does not give its local APIC the CR8, or serves it late.
            let own = try failures(controller).filter { !$0.contains("CR8") && !$0.contains("an interrupt comes") }
            #expect(own == [])
        }

        @Test(
            "the local APIC, its base, timer, identity and messages, and registers keep the rules", .needs(.kvm),
            arguments: [1, 2])
        func localAPIC(processors: Int) throws {
            #expect(try failures("apic", of: "apicrules", processors: processors) == [])
        }

        @Test("the kernel's keep them too", .needs(.kvm), arguments: ["kernel", "split"])
        func kernelLocalAPIC(controller: String) throws {
            // Some KVMs keep two NMIs while one is handled.
            let own = try failures(controller, of: "apicrules", processors: 2).filter { !$0.contains("NMI's handler") }
            #expect(own == [])
        }

        @Test("two NMIs before the guest goes on are two", .needs(.kvm), arguments: ["apic", "kernel"])
        func twoNMIs(controller: String) throws {
            let symbols = try Symbols(guest: "irqrules")
            let guest = try Stubvisor(guest: "irqrules", ["--irqchip", controller]).attach()
            #expect(try guest.insert(1, at: symbols["before_nmis"]) == "OK")
            #expect(try guest.insert(1, at: symbols["after_nmis"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            _ = try guest.monitor("inject-nmi 0")
            _ = try guest.monitor("inject-nmi 0")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.word(at: symbols["nmis"]) == 2)
        }

        @Test("INIT to the boot processor is a reset", .needs(.kvm), arguments: ["apic", "kernel", "split"])
        func initToBoot(controller: String) throws {
            let symbols = try Symbols(guest: "irqrules")
            let guest = try Stubvisor(guest: "irqrules", ["--irqchip", controller]).attach()
            #expect(try guest.insert(1, at: symbols["main"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.write([1, 0, 0, 0], at: symbols["send_init"]) == "OK")
            _ = try guest.resume()
            let why = try guest.monitor("why")
            #expect(why.contains("INIT"), "\(why)")
            #expect(try guest.resume().kind == "T05", "it begins anew")
            #expect(try guest.register("rip") == symbols["main"])
        }

        @Test(
            "registers that are caught refuse what they refuse otherwise", .needs(.kvm), arguments: ["apic", "kernel"])
        func caughtRegisters(controller: String) throws {
            let symbols = try Symbols(guest: "irqrules")
            let guest = try Stubvisor(guest: "irqrules", ["--irqchip", controller]).attach()
            #expect(try guest.insert(1, at: symbols["task_priority"]) == "OK")
            for register in ["0x401", "0xda0", "0x345", "0x12345", "0xc0000082"] {
                _ = try guest.monitor("catch msr \(register)")
            }
            var stops: [String] = []
            while stops.count < 20 {
                guard try guest.resume().kind == "T05" else { break }
                let why = try guest.monitor("why")
                guard why.contains("MSR") else { break }
                stops.append(why)
            }
            #expect(stops.count == 6, "\(stops)")
            #expect(stops.dropLast().allSatisfy { $0.contains("general-protection fault") }, "\(stops)")
            #expect(stops.last?.contains("0xffffffff81000000") == true)
            #expect(try guest.word(at: symbols["faults"]) == 5)
        }
    }
}
