import Testing

extension Live {
    /// The guest "user": a kernel whose program runs in user mode, under a real gdb and over the bare protocol.
    @Suite("user mode") struct UserMode {
        private func user(_ commands: [String], _ options: [String] = []) throws -> GDB {
            try GDB.run(Stubvisor(guest: "user", options), symbols: Guest.symbols("user"), commands)
        }

        /// What the guest prints at its end.
        private func end(_ stubvisor: Stubvisor) throws -> String { try stubvisor.program.end().output }

        @Test("the guest runs undisturbed: SYSCALL and INT 0x80 get to its kernel", .needs(.kvm))
        func undisturbed() throws {
            let stubvisor = try Stubvisor(guest: "user")
            #expect(try stubvisor.attach().resume().kind == "W00")
            let output = try end(stubvisor)
            #expect(output.contains("system calls 4\ncalls 3\nbreakpoints 0\ndebugs 0\n"), "\(output)")
            #expect(output.contains("sum 3\n"))
        }

        @Test("break in a user function stops there, in user mode, with the guest none the wiser", .needs(.kvm, .gdb))
        func breakpoint() throws {
            let gdb = try user([
                "break mix", "continue", "backtrace", "print $cs", "print $ss", "print/x $eflags & 0x100",
                "x/2i $pc", "print breakpoints", "print debugs", "continue", "print b", "delete", "continue",
            ])
            #expect(gdb["continue"].contains("Breakpoint 1, mix (a=0, b=0)"))
            #expect(gdb["backtrace"].contains("in user_main ()"))
            #expect(gdb["print $cs"].hasSuffix("= 35"))
            #expect(gdb["print $ss"].hasSuffix("= 27"))
            #expect(gdb["print/x $eflags & 0x100"].hasSuffix("= 0x0"))
            #expect(!gdb["x/2i $pc"].contains("int3"))
            #expect(gdb["print breakpoints"].hasSuffix("= 0") && gdb["print debugs"].hasSuffix("= 0"))
            #expect(gdb["print b"].hasSuffix("= 1"))
            #expect(gdb["continue", 3].contains("exited normally"))
        }

        @Test("hbreak stops there too, and a temporary one once", .needs(.kvm, .gdb))
        func hardwareBreakpoint() throws {
            let gdb = try user(["break ready", "continue", "hbreak mix", "continue", "continue", "info breakpoints"])
            #expect(gdb["continue", 2].contains("Breakpoint 2, mix (a=0, b=0)"))
            #expect(gdb["continue", 3].contains("Breakpoint 2, mix (a="))
            #expect(gdb["info breakpoints"].contains("breakpoint already hit 2 times"))
        }

        @Test("hbreak set before its page is the user's stops there once it is", .needs(.kvm, .gdb))
        func hardwareBreakpointBeforePaging() throws {
            // Where debug registers see nothing of user mode, the page is looked after now and then.
            let gdb = try user([
                "set var rounds = 1000000", "hbreak mix", "continue", "print $cs", "print breakpoints",
                "info breakpoints", "continue", "print $pc == mix", "delete", "set var rounds = 0", "continue",
            ])
            #expect(gdb["continue"].contains("Breakpoint 1, mix (a="))
            #expect(gdb["print $cs"].hasSuffix("= 35"))
            #expect(gdb["print breakpoints"].hasSuffix("= 0"))
            #expect(gdb["info breakpoints"].contains("breakpoint already hit 1 time"))
            #expect(gdb["continue", 2].contains("Breakpoint 1, mix (a="))
            #expect(gdb["continue", 3].contains("exited normally"))
        }

        @Test(
            "two breakpoints and a condition are hit exactly as often as they are reached", .needs(.kvm, .gdb),
            arguments: ["1", "2"])
        func hits(processors: String) throws {
            let gdb = try user(
                [
                    "set var rounds = 40", "break mix if b % 10 == 9", "break look_at_flags", "ignore 2 1000",
                    "continue",
                    "continue", "continue", "continue", "print b", "info breakpoints", "print breakpoints", "delete",
                    "continue",
                ], ["--cpus", processors])
            #expect(gdb["continue"].contains("mix (a="))
            #expect(gdb["print b"].hasSuffix("= 39"))
            #expect(gdb["info breakpoints"].contains("breakpoint already hit 4 times"))
            #expect(gdb["info breakpoints"].contains("breakpoint already hit 39 times"))
            #expect(gdb["print breakpoints"].hasSuffix("= 0"))
            #expect(gdb["continue", 5].contains("exited normally"))
        }

        @Test("next, step and finish go through user functions", .needs(.kvm, .gdb))
        func lines() throws {
            let gdb = try user([
                "break mix", "continue", "next", "print sum", "next", "print sum", "finish", "next", "step",
                "info breakpoints",
            ])
            #expect(gdb["next"].contains("sum = sum * 3;"))
            #expect(gdb["print sum"].hasSuffix("= 0"))
            #expect(gdb["finish"].contains("in user_main ()") && gdb["finish"].contains("Value returned is"))
            #expect(gdb["next", 3].contains("system_call(ADD_UP"))
            #expect(gdb["step"].contains("system_call (number=0, argument=0)"))
        }

        @Test("a step is one instruction, and the guest sees no debug exception", .needs(.kvm))
        func steps() throws {
            let symbols = try Symbols(guest: "user")
            let guest = try Stubvisor(guest: "user").attach()
            #expect(try guest.insert(0, at: symbols["mix"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            var places: [UInt64] = []
            for _ in 0..<12 {
                #expect(try guest.resume("vCont;s:p1.1").kind == "T05")
                places.append(try guest.register("rip"))
                #expect(try guest.register("eflags") & 0x100 == 0)
            }
            let start = try symbols["mix"]
            #expect(places.allSatisfy { $0 > start && $0 < start + 0x40 })
            #expect(zip(places, places.dropFirst()).allSatisfy { $0 < $1 && $1 - $0 <= 8 }, "straight code")
            #expect(try guest.word(at: symbols["debugs"]) == 0)
            #expect(try guest.word(at: symbols["breakpoints"]) == 0)
        }

        /// The address of the first instruction with these bytes in a function.
        private func place(_ bytes: [UInt8], in name: String, _ guest: RemoteClient) throws -> UInt64 {
            let start = try Symbols(guest: "user")[name]
            let code = try guest.memory(at: start, count: 0x60)
            let found = code.indices.first { code[$0...].starts(with: bytes) }
            return start + UInt64(try #require(found, "\(name) has no such instruction"))
        }

        /// Steps once from the first instruction with these bytes in `name`, `setting` variables before.
        private func step(
            over bytes: [UInt8], in name: String, setting: [String] = []
        ) throws -> (guest: RemoteClient, from: UInt64, to: UInt64) {
            let symbols = try Symbols(guest: "user")
            let guest = try Stubvisor(guest: "user").attach()
            for variable in setting { #expect(try guest.write([1, 0, 0, 0], at: symbols[variable]) == "OK") }
            let place = try place(bytes, in: name, guest)
            #expect(try guest.insert(0, at: place) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("rip") == place)
            #expect(try guest.resume("vCont;s:p1.1").kind == "T05")
            return (guest, place, try guest.register("rip"))
        }

        @Test("a step over SYSCALL or INT 0x80 ends behind it, and the kernel has done its part", .needs(.kvm))
        func calls() throws {
            let symbols = try Symbols(guest: "user")
            let call = try step(over: [0x0f, 0x05], in: "system_call")
            #expect(call.to == call.from + 2)
            #expect(try call.guest.word(at: symbols["system_calls"]) == 1)
            #expect(try call.guest.register("cs") == 0x23)
            let interrupt = try step(over: [0xcd, 0x80], in: "software_interrupt")
            #expect(interrupt.to == interrupt.from + 2)
            #expect(try interrupt.guest.word(at: symbols["calls"]) == 1)
            #expect(try interrupt.guest.word(at: symbols["saved_flags"]) & 0x100 == 0)
        }

        @Test("a step over the guest's own INT3 ends behind it, and its handler has counted", .needs(.kvm))
        func ownBreakpoint() throws {
            let symbols = try Symbols(guest: "user")
            let (guest, from, to) = try step(over: [0xcc], in: "trap", setting: ["traps_wanted"])
            #expect(to == from + 1)
            #expect(try guest.word(at: symbols["breakpoints"]) == 1)
            #expect(try guest.remove(0, at: from) == "OK")
            #expect(try guest.resume().kind == "W00")
        }

        @Test(
            "a breakpoint on the guest's own INT3 stops before it each time, and then it is the guest's", .needs(.kvm))
        func breakpointOnOwn() throws {
            let symbols = try Symbols(guest: "user")
            let stubvisor = try Stubvisor(guest: "user")
            let guest = try stubvisor.attach()
            #expect(try guest.write([1, 0, 0, 0], at: symbols["traps_wanted"]) == "OK")
            let place = try place([0xcc], in: "trap", guest)
            #expect(try guest.insert(0, at: place) == "OK")
            for count in 0..<3 as Range<UInt64> {
                #expect(try guest.resume().kind == "T05")
                #expect(try guest.register("rip") == place)
                #expect(try guest.word(at: symbols["breakpoints"]) == count)
            }
            #expect(try guest.resume().kind == "W00")
            #expect(try end(stubvisor).contains("breakpoints 3\n"))
        }

        @Test("a step over PUSHF stores no trap flag", .needs(.kvm))
        func pushFlags() throws {
            let (guest, from, to) = try step(over: [0x9c], in: "look_at_flags")
            #expect(to == from + 1)
            #expect(try guest.word(at: guest.register("rsp")) & 0x100 == 0)
        }

        @Test("a step over an instruction that faults ends on the handler's first instruction", .needs(.kvm))
        func fault() throws {
            let symbols = try Symbols(guest: "user")
            let (guest, from, to) = try step(over: [0x48, 0x8b, 0x00], in: "touch", setting: ["touches_wanted"])
            let handler = try symbols["on_page_fault"]
            #expect(to == handler)
            #expect(try guest.word(at: symbols["faults"]) == 0)
            // The handler mends it, and the trap flag of the step is nowhere.
            #expect(try guest.remove(0, at: from) == "OK")
            #expect(try guest.insert(0, at: from + 3) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("rip") == from + 3)
            #expect(try guest.register("rax") == 42)
            #expect(try guest.word(at: symbols["faults"]) == 1)
            #expect(try guest.word(at: symbols["debugs"]) == 0)
        }

        @Test("a step to a fault that is caught reports the exception", .needs(.kvm))
        func caughtFault() throws {
            let symbols = try Symbols(guest: "user")
            let guest = try Stubvisor(guest: "user").attach()
            #expect(try guest.write([1, 0, 0, 0], at: symbols["touches_wanted"]) == "OK")
            let place = try place([0x48, 0x8b, 0x00], in: "touch", guest)
            #expect(try guest.insert(0, at: place) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.remove(0, at: place) == "OK")
            _ = try guest.monitor("catch exception #PF")
            #expect(try guest.resume("vCont;s:p1.1").kind == "T05")
            #expect(try guest.register("rip") == symbols["on_page_fault"])
            #expect(try guest.monitor("why").contains("#PF"))
        }

        @Test("IRET into user mode under the guest's own trap flag leads to its #DB handler", .needs(.kvm))
        func returnUnderTrapFlag() throws {
            let symbols = try Symbols(guest: "user")
            let guest = try Stubvisor(guest: "user").attach()
            let enter = try symbols["enter_user_return"]
            #expect(try guest.insert(0, at: enter) == "OK")
            #expect(try guest.resume().kind == "T05")
            let flags = try guest.register("eflags")
            #expect(try guest.set("eflags", to: flags | 0x100) == "OK")
            #expect(try guest.resume("vCont;s:p1.1").kind == "T05")
            #expect(try guest.register("rip") == symbols["on_debug"])
            #expect(try guest.word(at: guest.register("rsp")) == symbols["user_main"])
            #expect(try guest.register("dr6") & 0x4000 != 0)
        }

        @Test("a breakpoint whose instruction faults is hit once for each time it is executed", .needs(.kvm))
        func faultingBreakpoint() throws {
            let symbols = try Symbols(guest: "user")
            let stubvisor = try Stubvisor(guest: "user")
            let guest = try stubvisor.attach()
            #expect(try guest.write([1, 0, 0, 0], at: symbols["touches_wanted"]) == "OK")
            let place = try place([0x48, 0x8b, 0x00], in: "touch", guest)
            #expect(try guest.insert(0, at: place) == "OK")
            for count in 0..<3 as Range<UInt64> {
                #expect(try guest.resume().kind == "T05")
                #expect(try guest.register("rip") == place)
                #expect(try guest.word(at: symbols["faults"]) == count)
            }
            #expect(try guest.resume().kind == "W00")
            #expect(try end(stubvisor).contains("debugs 0\ndivides 0\nfaults 3\n"))
        }

        @Test("a step over IRET or SYSRET into user mode ends on the first user instruction", .needs(.kvm))
        func returns() throws {
            let symbols = try Symbols(guest: "user")
            let guest = try Stubvisor(guest: "user").attach()
            let enter = try symbols["enter_user_return"]
            #expect(try guest.insert(0, at: enter) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.resume("vCont;s:p1.1").kind == "T05")
            #expect(try guest.register("rip") == symbols["user_main"])
            #expect(try guest.register("cs") == 0x23)
            let entry = try symbols["system_call_entry"]
            let code = try guest.memory(at: entry, count: 0x60)
            let back =
                entry + UInt64(try #require(code.indices.first { code[$0...].starts(with: [0x48, 0x0f, 0x07]) }))
            #expect(try guest.insert(0, at: back) == "OK")
            #expect(try guest.resume().kind == "T05")
            let target = try guest.register("rcx")
            #expect(try guest.resume("vCont;s:p1.1").kind == "T05")
            #expect(try guest.register("rip") == target)
            #expect(try guest.register("cs") == 0x23)
        }

        @Test("a breakpoint in the guest's own #BP handler and one in user mode are both reported", .needs(.kvm, .gdb))
        func handler() throws {
            let gdb = try user([
                "set var traps_wanted = 1", "break *on_breakpoint", "break mix", "continue", "continue",
                "print breakpoints", "continue", "print breakpoints", "delete", "continue",
            ])
            #expect(gdb["continue"].contains("Breakpoint 2, mix (a="))
            #expect(gdb["continue", 2].contains("Breakpoint 1, on_breakpoint"))
            #expect(gdb["continue", 3].contains("Breakpoint 2, mix (a="))
            #expect(gdb["print breakpoints"].hasSuffix("= 0") && gdb["print breakpoints", 2].hasSuffix("= 1"))
            #expect(gdb["continue", 4].contains("exited normally"))
        }

        @Test("a reset forgets where the handlers were, and the next run is the same", .needs(.kvm))
        func reset() throws {
            let symbols = try Symbols(guest: "user")
            let stubvisor = try Stubvisor(guest: "user")
            let guest = try stubvisor.attach()
            #expect(try guest.insert(0, at: symbols["mix"]) == "OK")
            for _ in 0..<2 {
                #expect(try guest.resume().kind == "T05")
                #expect(try guest.register("rip") == symbols["mix"])
                _ = try guest.monitor("reset")
            }
            #expect(try guest.remove(0, at: symbols["mix"]) == "OK")
            #expect(try guest.resume().kind == "W00")
            #expect(try end(stubvisor).contains("breakpoints 0\ndebugs 0\n"))
        }
    }
}
