import Testing

extension Live {
    /// gdb on the guest "hello": what people do first.
    @Suite("gdb: breakpoints and watchpoints") struct Breakpoints {
        private func hello(_ commands: [String]) throws -> GDB {
            try GDB.run(Stubvisor(guest: "hello"), symbols: Guest.symbols("hello"), commands)
        }

        @Test("break by name stops there with its source lines", .needs(.kvm, .gdb))
        func breakByName() throws {
            let gdb = try hello(["break greet", "continue", "list", "backtrace", "info breakpoints"])
            #expect(gdb["continue"].contains("Breakpoint 1, greet (name="))
            #expect(gdb["continue"].contains("\"stubvisor\""))
            #expect(gdb["list"].contains("void greet(const char *name) {"))
            #expect(gdb["backtrace"].contains("#0  greet"))
            #expect(gdb["backtrace"].contains("#1 ") && gdb["backtrace"].contains(" in main ()"))
            #expect(gdb["info breakpoints"].contains("breakpoint already hit 1 time"))
        }

        @Test("hbreak stops there, and the processor's debug registers do it", .needs(.kvm, .gdb))
        func hardwareBreak() throws {
            let gdb = try hello(["hbreak checksum", "continue", "print m->ticks", "monitor breakpoints"])
            #expect(gdb["hbreak checksum"].contains("Hardware assisted breakpoint 1"))
            #expect(gdb["continue"].contains("Breakpoint 1, checksum (m=0x"))
            #expect(gdb["print m->ticks"].hasSuffix("= 20"))
        }

        @Test("a condition and an ignore count are met", .needs(.kvm, .gdb))
        func condition() throws {
            let gdb = try hello([
                "break factorial if n == 2", "break tick", "ignore 2 6", "continue", "backtrace", "continue",
                "print counter",
            ])
            #expect(gdb["continue"].contains("Breakpoint 1, factorial (n=2)"))
            #expect(gdb["backtrace"].contains("#3 "), "2 is reached from 5, by way of 4 and 3")
            #expect(gdb["continue", 2].contains("Breakpoint 2, tick ()"))
            #expect(gdb["print counter"].hasSuffix("= 6"))
        }

        @Test("watch reports each change of a counter, with the line after it", .needs(.kvm, .gdb))
        func watch() throws {
            let gdb = try hello(["watch counter", "continue", "continue", "backtrace", "delete", "continue"])
            for (command, old, new) in [(gdb["continue"], 0, 1), (gdb["continue", 2], 1, 2)] {
                #expect(command.contains("watchpoint 1: counter"))
                #expect(command.contains("Old value = \(old)"))
                #expect(command.contains("New value = \(new)"))
                #expect(command.contains("machine.ticks += 2;"))
            }
            #expect(gdb["backtrace"].contains("#0  tick ()"))
            #expect(gdb["continue", 3].contains("exited normally"))
        }

        @Test("watching an array sees a write to any of its bytes", .needs(.kvm, .gdb))
        func watchStruct() throws {
            let gdb = try hello(["watch machine", "continue", "continue", "print machine.ticks"])
            #expect(gdb["continue"].contains("state = RUNNING"))
            #expect(gdb["continue", 2].contains("ticks = 2"))
            #expect(gdb["print machine.ticks"].hasSuffix("= 2"))
        }

        @Test("writes beside a watched variable, on the same page, pass unseen", .needs(.kvm, .gdb))
        func watchNeighbours() throws {
            // The struct is written to before the counter is for the first time, and between its changes.
            let gdb = try hello(["watch counter", "continue", "print machine.state", "continue", "print machine.ticks"])
            #expect(gdb["print machine.state"].hasSuffix("= RUNNING"))
            #expect(gdb["continue", 2].contains("New value = 2"))
            #expect(gdb["print machine.ticks"].hasSuffix("= 2"))
        }

        @Test("a breakpoint deleted is gone, one disabled waits", .needs(.kvm, .gdb))
        func deleteAndDisable() throws {
            let gdb = try hello([
                "break fibonacci", "break tick", "continue", "delete 1", "disable 2", "break checksum", "continue",
                "print counter",
            ])
            #expect(gdb["continue"].contains("Breakpoint 1, fibonacci"))
            #expect(gdb["continue", 2].contains("Breakpoint 3, checksum"))
            #expect(gdb["print counter"].hasSuffix("= 10"))
        }

        @Test("more hardware breakpoints than there are registers are refused in words", .needs(.kvm))
        func tooMany() throws {
            let symbols = try Symbols(guest: "hello")
            let guest = try Stubvisor(guest: "hello").attach()
            for name in ["factorial", "fibonacci", "tick", "checksum"] {
                #expect(try guest.insert(1, at: symbols[name]) == "OK")
            }
            let answer = try guest.insert(1, at: symbols["greet"])
            #expect(answer.hasPrefix("E.") && answer.contains("debug registers are in use"), "\(answer)")
            // A software breakpoint has room, and one removed makes room.
            #expect(try guest.insert(0, at: symbols["greet"]) == "OK")
            #expect(try guest.remove(1, at: symbols["tick"]) == "OK")
            #expect(try guest.insert(1, at: symbols["main"]) == "OK")
            for name in ["main", "greet", "factorial"] {
                #expect(try guest.resume().kind == "T05")
                #expect(try guest.register("rip") == symbols[name])
            }
        }

        @Test("gdb says that a hardware breakpoint could not be set, and goes on without it", .needs(.kvm, .gdb))
        func tooManyInGDB() throws {
            let names = ["factorial", "fibonacci", "tick", "checksum", "greet"]
            let gdb = try hello(names.map { "hbreak \($0)" } + ["continue", "delete 5", "continue"])
            #expect(gdb["continue"].contains("insert hardware breakpoint"), "\(gdb["continue"])")
            #expect(gdb["continue", 2].contains("Breakpoint 1, factorial"))
        }
    }
}
