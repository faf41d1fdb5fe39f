import Testing

extension Live {
    @Suite("gdb: stepping") struct Stepping {
        private func hello(_ commands: [String]) throws -> GDB {
            try GDB.run(Stubvisor(guest: "hello"), symbols: Guest.symbols("hello"), commands)
        }

        @Test("stepi 1000 ends where a thousand single steps end", .needs(.kvm, .gdb))
        func thousandSteps() throws {
            let show = "printf \"%lx %lx %lx\", $rip, $rsp, $rax"
            let gdb = try hello(["break *greet", "continue", "delete", "stepi 1000", show])

            let guest = try Stubvisor(guest: "hello").attach()
            let greet = try Symbols(guest: "hello")["greet"]
            #expect(try guest.insert(0, at: greet) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.remove(0, at: greet) == "OK")
            for _ in 0..<1000 { #expect(try guest.resume("vCont;s:p1.1").kind == "T05") }
            let place = try ["rip", "rsp", "rax"].map { String(try guest.register($0), radix: 16) }
            #expect(gdb[show] == place.joined(separator: " "))
        }

        @Test(
            "step enters a function, next goes over it, until leaves a loop, finish shows its value", .needs(.kvm, .gdb)
        )
        func sourceSteps() throws {
            let gdb = try hello([
                "break main", "continue", "next", "next", "step", "finish", "tbreak factorial if n == 3", "continue",
                "finish", "tbreak tick", "continue", "finish", "until", "until", "print counter",
            ])
            #expect(gdb["next"].contains("machine.state = RUNNING;"))
            #expect(gdb["next", 2].contains("greet(machine.name);"))
            #expect(gdb["step"].contains("greet (name=0x"))
            #expect(gdb["finish"].contains("main () at "))
            #expect(gdb["continue", 2].contains("factorial (n=3)"))
            #expect(gdb["finish", 2].contains("Value returned is $1 = 6"))
            #expect(gdb["continue", 3].contains("tick ()"))
            #expect(gdb["finish", 3].contains("main ()"))
            #expect(gdb["print counter"].hasSuffix("= 10"), "until went to the end of the loop:\n\(gdb.transcript)")
        }

        @Test("up, down and locals work in a recursion", .needs(.kvm, .gdb))
        func frames() throws {
            let gdb = try hello([
                "break factorial if n == 1", "continue", "up", "info locals", "up", "print n", "down", "print n",
            ])
            #expect(gdb["up"].contains("factorial (n=2)"))
            #expect(gdb["info locals"].contains("smaller ="))
            #expect(gdb["print n"].hasSuffix("= 3"))
            #expect(gdb["print n", 2].hasSuffix("= 2"))
        }

        @Test("x/8i $pc shows the code the guest runs, without planted breakpoints", .needs(.kvm, .gdb))
        func disassembly() throws {
            let gdb = try hello(["x/8i factorial", "break *factorial", "continue", "x/8i $pc"])
            let lines = gdb["x/8i $pc"].split(separator: "\n")
            #expect(lines.count == 8)
            #expect(lines.first?.hasPrefix("=> ") == true)
            #expect(!gdb["x/8i $pc"].contains("int3"))
            #expect(
                gdb["x/8i $pc"].dropFirst(3)
                    == gdb["x/8i factorial"].dropFirst(gdb["x/8i factorial"].hasPrefix("=>") ? 3 : 0))
        }

        @Test("set var changes the guest, and print shows structs with their names", .needs(.kvm, .gdb))
        func variables() throws {
            let stubvisor = try Stubvisor(guest: "hello")
            let gdb = try GDB.run(
                stubvisor, symbols: Guest.symbols("hello"),
                [
                    "print machine", "set var counter = 32", "break checksum", "continue",
                    "set var machine.ports.power = 7",
                    "print *m", "print/x machine.ports", "continue",
                ])
            #expect(gdb["print machine"].contains("state = STARTING"))
            #expect(gdb["print machine"].contains("name = 0x"))
            #expect(gdb["print *m"].contains("power = 7"))
            #expect(gdb["print/x machine.ports"].contains("console = 0x3f8"))
            #expect(gdb["continue", 2].contains("exited normally"))
            #expect(try stubvisor.program.end().output.contains("counter = 42\n"))
        }

        @Test("a function of the guest can be called", .needs(.kvm, .gdb))
        func call() throws {
            let gdb = try hello(["break greet", "continue", "print factorial(6)", "print fibonacci(9)", "backtrace 1"])
            #expect(gdb["print factorial(6)"].hasSuffix("= 720"))
            #expect(gdb["print fibonacci(9)"].hasSuffix("= 34"))
            #expect(gdb["backtrace 1"].contains("#0  greet"))
        }

        @Test("a thousand raw steps each execute one instruction", .needs(.kvm))
        func rawSteps() throws {
            let guest = try Stubvisor(guest: "loop32").attach()
            // loop32: seven instructions before the loop at most; then each round is 7 instructions, one INC of EAX each.
            for _ in 0..<20 { #expect(try guest.resume("s").kind == "T05") }
            var places: [UInt64] = []
            let before = try guest.register("eax")
            for _ in 0..<1000 {
                #expect(try guest.resume("s").kind == "T05")
                places.append(try guest.register("eip"))
            }
            #expect(zip(places, places.dropFirst()).allSatisfy { $0 != $1 }, "every step moves")
            let period = try #require((1...20).first { places[$0] == places[0] })
            #expect(period == 7, "inc, add, call, inc, ret, inc, jmp")
            #expect((0..<1000 - period).allSatisfy { places[$0] == places[$0 + period] })
            let rounds = try guest.register("eax") - before
            #expect((142...143).contains(rounds), "1000 steps of 7 a round")
        }

        @Test("a range step ends outside of its range, or at a breakpoint in it", .needs(.kvm))
        func rangeStep() throws {
            let symbols = try Symbols(guest: "hello")
            let guest = try Stubvisor(guest: "hello").attach()
            let factorial = try symbols["factorial"]
            #expect(try guest.insert(0, at: factorial) == "OK")
            #expect(try guest.resume().kind == "T05")
            let range = String(factorial, radix: 16) + "," + String(factorial + 0x40, radix: 16)
            let stop = try guest.resume("vCont;r\(range):p1.1")
            #expect(stop.kind == "T05")
            #expect(try guest.register("rip") == factorial, "the recursion comes back to the breakpoint")
            #expect(try guest.register("rdi") == 4)
        }

        @Test("a watched page that the stepped code writes changes no step", .needs(.kvm))
        func stepsOnWatchedPage() throws {
            let symbols = try Symbols(guest: "hello")
            func places(watching: Bool) throws -> [UInt64] {
                let guest = try Stubvisor(guest: "hello").attach()
                #expect(try guest.insert(0, at: symbols["main"]) == "OK")
                #expect(try guest.resume().kind == "T05")
                #expect(try guest.remove(0, at: symbols["main"]) == "OK")
                // The stack's page, far below what is used of it: every push exits, none is reported.
                let stack = try guest.register("rsp") & ~0xfff
                if watching { #expect(try guest.insert(2, at: stack, length: 4) == "OK") }
                return try (0..<400).map { _ in
                    #expect(try guest.resume("vCont;s:p1.1").kind == "T05")
                    return try guest.register("rip")
                }
            }
            #expect(try places(watching: true) == places(watching: false))
        }
    }
}
