import Testing

extension Live {
    @Suite("gdb: several vCPUs") struct Processors {
        private func smp(_ commands: [String]) throws -> GDB {
            try GDB.run(Stubvisor(guest: "smp", ["--cpus", "2"]), symbols: Guest.symbols("smp"), commands)
        }

        /// Stops where vCPU 0 begins to count while vCPU 1 counts already; neither ends.
        private let bothCounting = ["set var forever = 1", "tbreak count if cpu == 0", "continue"]

        @Test("info threads lists each vCPU with what it does", .needs(.kvm, .gdb))
        func threads() throws {
            let gdb = try smp(["info threads"] + bothCounting + ["info threads"])
            let before = gdb["info threads"].split(separator: "\n")
            #expect(before.count == 3)
            #expect(before.last?.contains("waiting for a start-up interrupt") == true)
            let after = gdb["info threads", 2].split(separator: "\n")
            #expect(after.filter { $0.contains("runnable, long mode CPL0") }.count == 2)
        }

        @Test("thread 2 shows the other vCPU's registers and stack", .needs(.kvm, .gdb))
        func otherThread() throws {
            let gdb = try smp(
                bothCounting + ["thread", "backtrace", "print $sp", "thread 2", "backtrace", "print $sp", "thread 1"])
            #expect(gdb["thread"].contains("Current thread is 1"))
            #expect(gdb["backtrace"].contains("#0  count (cpu=0)"))
            #expect(gdb["backtrace"].contains(" main ()"))
            #expect(gdb["thread 2"].contains("Switching to thread 2"))
            #expect(gdb["backtrace", 2].contains("ap_main (cpu=1)"), "\(gdb["backtrace", 2])")
            let stacks = [gdb["print $sp"], gdb["print $sp", 2]].map { $0.split(separator: "=").last }
            #expect(stacks[0] != stacks[1])
        }

        @Test("a breakpoint stops on the thread that ran into it", .needs(.kvm, .gdb))
        func rightThread() throws {
            let gdb = try smp(
                bothCounting + [
                    "break work if cpu == 1", "continue", "print cpu", "thread", "delete", "break work if cpu == 0",
                    "continue", "print cpu", "thread",
                ])
            #expect(gdb["continue", 2].contains("hit Breakpoint 2, work (cpu=1)"), "\(gdb.transcript)")
            #expect(gdb["thread"].contains("Current thread is 2"))
            #expect(gdb["continue", 3].contains("hit Breakpoint 3, work (cpu=0)"))
            #expect(gdb["thread", 2].contains("Current thread is 1"))
        }

        @Test("stepping one vCPU with the scheduler locked leaves the other where it is", .needs(.kvm, .gdb))
        func lockedStep() throws {
            let gdb = try smp(
                bothCounting + [
                    "set scheduler-locking on", "print counters[1]", "stepi 50", "print counters[1]",
                    "print counters[0] > 0",
                ])
            let counts = [gdb["print counters[1]"], gdb["print counters[1]", 2]].map { $0.split(separator: "=").last }
            #expect(counts[0] != nil && counts[0] == counts[1])
            #expect(gdb["print counters[0] > 0"].hasSuffix("= 1"))
        }

        @Test("both vCPUs count to the end with breakpoints hit on the way", .needs(.kvm, .gdb), arguments: [2, 4])
        func toTheEnd(cpus: Int) throws {
            let stubvisor = try Stubvisor(guest: "smp", ["--cpus", "\(cpus)"])
            let gdb = try GDB.run(
                stubvisor, symbols: Guest.symbols("smp"), within: 120,
                ["set var rounds = 60", "break work", "ignore 1 1000000", "continue", "info breakpoints"])
            let output = try stubvisor.program.end().output
            for cpu in 0..<cpus { #expect(output.contains("cpu \(cpu) counted 60\n"), "\(output)") }
            #expect(gdb["info breakpoints"].contains("already hit \(60 * cpus) times"), "\(gdb["info breakpoints"])")
        }

        @Test("Ctrl-C stops every vCPU of a running guest", .needs(.kvm))
        func interruptAll() throws {
            let symbols = try Symbols(guest: "smp")
            let stubvisor = try Stubvisor(guest: "smp", ["--cpus", "2"])
            let guest = try stubvisor.attach()
            #expect(try guest.write([1, 0, 0, 0], at: symbols["forever"]) == "OK")
            // Each vCPU comes by once: then both are counting, without end.
            #expect(try guest.insert(0, at: symbols["count"]) == "OK")
            let seen = try [guest.resume(), guest.resume()].map { $0.field("thread") }
            #expect(Set(seen) == ["p1.1", "p1.2"])
            #expect(try guest.remove(0, at: symbols["count"]) == "OK")
            for _ in 0..<20 {
                guest.send("vCont;c")
                guest.interrupt()
                #expect(try guest.stop().kind == "T02")
                let counters = try guest.memory(at: symbols["counters"], count: 16)
                #expect(try guest.memory(at: symbols["counters"], count: 16) == counters, "nobody counts while stopped")
            }
        }

        @Test("each thread is named, alive and on its core", .needs(.kvm))
        func threadQueries() throws {
            let guest = try Stubvisor(guest: "smp", ["--cpus", "3"]).attach()
            #expect(try guest.request("qfThreadInfo") == "mp1.1,p1.2,p1.3")
            #expect(try guest.request("qsThreadInfo") == "l")
            #expect(try guest.request("Tp1.3") == "OK")
            #expect(try guest.request("Tp1.4").hasPrefix("E"))
            #expect(try guest.request("qC") == "QCp1.1")
            #expect(try guest.request("Hgp1.2") == "OK")
            #expect(try guest.request("Hgp1.9").hasPrefix("E"))
            let extra = try guest.request("qThreadExtraInfo,p1.2")
            #expect(String(decoding: RemoteClient.bytes(hex: extra.utf8), as: UTF8.self).hasPrefix("vCPU 1, "))
        }
    }
}
