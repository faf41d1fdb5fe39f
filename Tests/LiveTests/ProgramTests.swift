import Testing

extension Live {
    /// Conditions and commands that run in the target.
    @Suite("breakpoint programs") struct BreakpointPrograms {
        /// `const8 0; end`: never.
        private static let never = ";X3,220027"

        private func smp(_ cpus: Int, rounds: UInt64) throws -> (server: Stubvisor, guest: RemoteClient, Symbols) {
            let symbols = try Symbols(guest: "smp")
            let server = try Stubvisor(guest: "smp", ["--cpus", "\(cpus)"])
            let guest = try server.attach()
            let bytes = (0..<8).map { UInt8(truncatingIfNeeded: rounds >> ($0 * 8)) }
            #expect(try guest.write(bytes, at: symbols["rounds"]) == "OK")
            return (server, guest, symbols)
        }

        @Test("a false condition costs no packet, and no vCPU loses a round by it", .needs(.kvm), arguments: [1, 2, 4])
        func falseCondition(cpus: Int) throws {
            let (server, guest, symbols) = try smp(cpus, rounds: 1000)
            let place = try String(symbols["work"], radix: 16)
            #expect(try guest.request("Z0,\(place),1\(Self.never)") == "OK")
            // The next packet is the end: nothing came between.
            #expect(try guest.resume(within: 120).kind == "W00")
            #expect(guest.console.isEmpty)
            let output = try server.program.end().output
            for cpu in 0..<cpus { #expect(output.contains("cpu \(cpu) counted 1000\n"), "\(output)") }
        }

        @Test("a condition that becomes true stops, with the value that made it so", .needs(.kvm))
        func trueCondition() throws {
            let (_, guest, symbols) = try smp(1, rounds: 1000)
            let counters = try symbols["counters"]
            // ref64 of counters[0] == 700
            let address = (0..<8).reversed().map { UInt8(truncatingIfNeeded: counters >> ($0 * 8)) }
            let program = [0x25] + address + [0x1a, 0x23, 0x02, 0xbc, 0x13, 0x27]
            let condition = ";X\(String(program.count, radix: 16)),\(RemoteClient.hex(program))"
            #expect(try guest.request("Z0,\(String(symbols["work"], radix: 16)),1\(condition)") == "OK")
            #expect(try guest.resume(within: 120).kind == "T05")
            #expect(try guest.word(at: counters) == 700)
            #expect(try guest.register("rip") == symbols["work"])
        }

        @Test("a dprintf that runs in the target prints each time, and stops never", .needs(.kvm, .gdb))
        func agentPrintf() throws {
            let gdb = try GDB.run(
                Stubvisor(guest: "hello"), symbols: Guest.symbols("hello"),
                [
                    "set dprintf-style agent", #"dprintf factorial,"factorial of %lu in %s\n",n,machine.name"#,
                    "continue",
                ])
            for n in 1...5 {
                #expect(gdb["continue"].contains("factorial of \(n) in stubvisor\n"), "\(gdb.transcript)")
            }
            #expect(gdb["continue"].contains("exited normally"))
        }

        @Test("a program that cannot be read is refused, and nothing is set", .needs(.kvm))
        func refused() throws {
            let (_, guest, symbols) = try smp(1, rounds: 1)
            let place = try String(symbols["work"], radix: 16)
            for bad in [";X1,02", ";X2,2202", ";X5,220027", ";Y", ";cmds:0,X1,ff"] {
                #expect(try guest.request("Z0,\(place),1\(bad)").hasPrefix("E"), "\(bad)")
            }
            #expect(try guest.resume(within: 60).kind == "W00")
        }
    }
}
