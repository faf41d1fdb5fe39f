import Testing

extension Live {
    @Suite("gdb: running, interrupting, leaving") struct RunControl {
        @Test("Ctrl-C stops a running guest where it loops, and it goes on to its end", .needs(.kvm, .gdb))
        func controlC() throws {
            let stubvisor = try Stubvisor(guest: "hello")
            let gdb = try GDB(
                stubvisor, symbols: Guest.symbols("hello"),
                [
                    "break checksum", "continue", "set var spin = 1", "echo GO\\n", "continue", "print spins > 0",
                    "backtrace",
                    "set var spin = 0", "continue",
                ])
            try gdb.wait(for: "GO")
            // The loop is near once the guest has printed the line before it.
            #expect(stubvisor.program.read { $0.output.contains("checksum =") })
            gdb.interrupt()
            try gdb.finish()
            #expect(gdb["continue", 2].contains("received signal SIGINT, Interrupt."), "\(gdb.transcript)")
            #expect(gdb["backtrace"].contains("main ()"))
            #expect(gdb["continue", 3].contains("exited normally"))
            #expect(try stubvisor.program.end().status == 0)
        }

        @Test("0x03 stops a guest that no exit of its own would stop", .needs(.kvm))
        func rawInterrupt() throws {
            let guest = try Stubvisor(guest: "loop32").attach()
            // Into the loop: EAX counts from there on.
            let target = try Symbols(guest: "loop32")["step_target"]
            #expect(try guest.insert(0, at: target) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.remove(0, at: target) == "OK")
            for _ in 0..<20 {
                guest.send("vCont;c")
                guest.interrupt()
                #expect(try guest.stop().kind == "T02")
            }
            let rounds = try guest.register("eax")
            guest.send("c")
            guest.interrupt()
            #expect(try guest.stop().kind == "T02")
            #expect(try guest.register("eax") >= rounds)
        }

        @Test("signals that its parent blocked do not keep 0x03 from the guest", .needs(.kvm))
        func blockedSignals() throws {
            let guest = try Stubvisor([Guest.path("loop32")], blockingSignals: true).attach()
            guest.send("c")
            guest.interrupt()
            #expect(try guest.stop().kind == "T02")
        }

        @Test("after detach the guest runs to its end on its own", .needs(.kvm, .gdb))
        func detach() throws {
            let stubvisor = try Stubvisor(guest: "hello")
            let gdb = try GDB.run(stubvisor, symbols: Guest.symbols("hello"), ["break tick", "continue", "detach"])
            #expect(gdb["detach"].contains("detached"))
            let end = try stubvisor.program.end()
            #expect(end.status == 0)
            #expect(end.output.hasSuffix("goodbye\n"), "no breakpoint of gdb's was left behind")
        }

        @Test("a second gdb attaches to the guest that the first one left running", .needs(.kvm, .gdb))
        func secondAttach() throws {
            let stubvisor = try Stubvisor(guest: "hello")
            let symbols = try Guest.symbols("hello")
            let first = try GDB.run(
                stubvisor, symbols: symbols, ["break checksum", "continue", "set var spin = 1", "detach"])
            #expect(first["continue"].contains("Breakpoint 1, checksum"))
            #expect(stubvisor.program.read { $0.output.contains("checksum =") })
            let second = try GDB.run(
                stubvisor, symbols: symbols,
                [
                    "backtrace", "print spin", "set var spin = 0", "break power_off", "continue", "print machine.state",
                    "continue",
                ])
            #expect(second["backtrace"].contains("main ()"), "\(second.transcript)")
            #expect(second["print spin"].hasSuffix("= 1"))
            #expect(second["continue"].contains("Breakpoint 1, power_off"))
            #expect(second["print machine.state"].hasSuffix("= DONE"))
            #expect(try stubvisor.program.end().status == 0)
        }

        @Test("gdb that quits after detaching in a breakpoint leaves no trap behind", .needs(.kvm))
        func detachAtBreakpoint() throws {
            let symbols = try Symbols(guest: "hello")
            let stubvisor = try Stubvisor(guest: "hello")
            let guest = try stubvisor.attach()
            #expect(try guest.insert(0, at: symbols["tick"]) == "OK")
            #expect(try guest.insert(1, at: symbols["checksum"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.request("D;1") == "OK")
            #expect(try stubvisor.program.end().status == 0)
        }

        @Test("kill ends machine and server", .needs(.kvm, .gdb), arguments: ["kill", "monitor quit"])
        func kill(command: String) throws {
            let stubvisor = try Stubvisor(guest: "hello")
            _ = try GDB.run(stubvisor, symbols: Guest.symbols("hello"), ["break greet", "continue", command])
            let end = try stubvisor.program.end()
            #expect(end.status == 0)
            #expect(!end.output.contains("hello, stubvisor"), "it ended where it stood")
        }

        @Test("a kill packet needs no answer, vKill gets one", .needs(.kvm))
        func killPackets() throws {
            let one = try Stubvisor(guest: "hello")
            try one.attach().send("k")
            #expect(try one.program.end().status == 0)
            let other = try Stubvisor(guest: "hello")
            let client = try other.attach()
            #expect(try client.request("vKill;1") == "OK")
            #expect(try other.program.end().status == 0)
        }

        @Test("with --running the guest starts at once, and attaching stops it", .needs(.kvm, .gdb))
        func running() throws {
            let stubvisor = try Stubvisor(guest: "loop32", ["--running"])
            let gdb = try GDB.run(
                stubvisor, symbols: Guest.symbols("loop32"),
                ["print $eip >= &_start", "print (int) rounds", "break step_target", "continue"])
            #expect(gdb["continue"].contains("Breakpoint 1, step_target"), "\(gdb.transcript)")
            let client = try stubvisor.connect()
            try client.open()
            #expect(try client.request("?").hasPrefix("T"))
            #expect(try client.request("?").hasPrefix("T"), "asking does not move it")
        }

        @Test("attaching again and again finds a running guest a little further each time", .needs(.kvm))
        func runningProgress() throws {
            let stubvisor = try Stubvisor(guest: "loop32", ["--running"])
            let target = try Symbols(guest: "loop32")["step_target"]
            var last: UInt64 = 0
            for _ in 0..<5 {
                let client = try stubvisor.attach()
                #expect(try client.insert(0, at: target) == "OK")
                // The first stop may be in the round that the guest was in already; before it EAX may be the boot loader's.
                #expect(try client.resume().kind == "T05")
                let count = try client.register("eax")
                #expect(count >= last)
                #expect(try client.resume().kind == "T05")
                last = try client.register("eax")
                #expect(last > count)
                #expect(try client.request("D") == "OK")
            }
        }
    }
}
