import Testing

extension Live {
    @Suite("guests that die, halt or handle their own traps") struct Faults {
        @Test(
            "a triple fault stops with the registers of the fault and an explanation of it",
            .needs(.kvm, .faultRegisters))
        func tripleFault() throws {
            let symbols = try Symbols(guest: "faulty")
            let stubvisor = try Stubvisor(guest: "faulty")
            let guest = try stubvisor.attach()
            #expect(try guest.resume().kind == "T0b")
            let touch = try symbols["touch_unmapped"]
            #expect((touch..<touch + 64).contains(try guest.register("rip")))
            #expect(try guest.register("cr2") == 0x40_0000_0000)
            #expect(try guest.register("cs") != 0xf000, "not a reset's")
            #expect(try guest.register("cr0") & 1 == 1)
            for text in [guest.console, try guest.monitor("why")] {
                #expect(text.contains("triple fault on vCPU 0 at 0x" + String(try guest.register("rip"), radix: 16)))
                #expect(text.contains("page fault"))
                #expect(text.contains("0x4000000000"))
                #expect(text.contains("double fault"))
            }
            #expect(try guest.memory(at: touch, count: 16).contains { $0 != 0 }, "memory can still be read")
        }

        @Test(
            "where KVM resets the processor at a triple fault, that is said, and memory is as it was",
            .needs(.kvm, .resetByFault))
        func tripleFaultReset() throws {
            let symbols = try Symbols(guest: "faulty")
            let guest = try Stubvisor(guest: "faulty").attach()
            #expect(try guest.resume().kind == "T0b")
            for text in [guest.console, try guest.monitor("why")] {
                #expect(text.contains("triple fault on vCPU 0") && text.contains("has reset the processor"), "\(text)")
            }
            #expect(try guest.memory(at: symbols["touch_unmapped"], count: 16).contains { $0 != 0 })
        }

        @Test("gdb shows the faulting line and its caller", .needs(.kvm, .gdb, .faultRegisters))
        func tripleFaultInGDB() throws {
            let gdb = try GDB.run(
                Stubvisor(guest: "faulty"), symbols: Guest.symbols("faulty"),
                ["continue", "backtrace", "print/x $cr2", "info line", "print/x address"])
            #expect(gdb["continue"].contains("SIGSEGV"))
            #expect(gdb["continue"].contains("return *there;"))
            #expect(gdb["continue"].contains("page fault"))
            #expect(gdb["backtrace"].contains("touch_unmapped (address=274877906944)"))
            #expect(gdb["backtrace"].contains(" main ()"))
            #expect(gdb["print/x $cr2"].hasSuffix("= 0x4000000000"))
        }

        @Test(
            "without a debugger a triple fault ends with status 70 and the explanation on standard error", .needs(.kvm),
            arguments: [["--gdb", "none"], ["--gdb", "127.0.0.1:0", "--running"]])
        func tripleFaultAlone(options: [String]) throws {
            let end = try Program.run([Places.stubvisor, "run"] + options + [Guest.path("faulty")])
            #expect(end.status == 70)
            #expect(end.errors.contains("stubvisor: triple fault on vCPU 0"))
            #expect(end.errors.contains(Need.faultRegisters.missing == nil ? "page fault" : "has reset the processor"))
            #expect(end.output == "about to fault\n", "the guest's console is all there is on standard output")
        }

        @Test("a guest that halts with interrupts off is reported", .needs(.kvm))
        func haltedForGood() throws {
            let guest = try Stubvisor(flat: [0xfa, 0xf4]).attach()  // cli; hlt
            #expect(try guest.resume().kind == "T05")
            #expect(guest.console.contains("vCPU 0 halted for good"))
            #expect(try guest.monitor("why").contains("halted for good"))
            #expect(try guest.register("eip") == 0x7c02)
        }

        @Test("halting for good without a debugger is status 70", .needs(.kvm))
        func haltedAlone() throws {
            let file = try Places.file("halt.bin", [0xfa, 0xf4])
            let end = try Program.run([Places.stubvisor, "run", "--gdb", "none", "--format", "flat", file])
            #expect(end.status == 70)
            #expect(end.errors.contains("halted for good"))
        }

        @Test("a halt with interrupts on is none of the debugger's business", .needs(.kvm))
        func haltedForNow() throws {
            let guest = try Stubvisor(flat: [0xfb, 0xf4, 0xeb, 0xfd]).attach()  // sti; 1: hlt; jmp 1b
            guest.send("vCont;c")
            // Longer than it takes to notice a halt for good.
            #expect(throws: LiveError.self) { try guest.reply(within: 2) }
            guest.interrupt()
            #expect(try guest.stop().kind == "T02")
        }

        @Test(
            "the guest's own INT3, INT n and UD2 reach its handlers, with and without a debugger", .needs(.kvm),
            arguments: [true, false])
        func ownTraps(withDebugger: Bool) throws {
            let end: Program.Result
            if withDebugger {
                let stubvisor = try Stubvisor(guest: "traps")
                let guest = try stubvisor.attach()
                #expect(try guest.insert(0, at: Symbols(guest: "traps")["main"]) == "OK")
                #expect(try guest.resume().kind == "T05")
                #expect(try guest.resume().kind == "W00", "no stop for what is the guest's")
                end = try stubvisor.program.end()
            } else {
                end = try Program.run([Places.stubvisor, "run", "--gdb", "none", Guest.path("traps")])
            }
            #expect(end.status == 0)
            #expect(end.output == "breakpoints 3\ncalls 5\nundefined 2\n")
        }

        @Test("a breakpoint in the guest's handler is hit by its own INT3", .needs(.kvm, .gdb))
        func breakInHandler() throws {
            let gdb = try GDB.run(
                Stubvisor(guest: "traps"), symbols: Guest.symbols("traps"),
                [
                    "break on_breakpoint", "break on_call", "continue", "backtrace", "continue", "continue", "continue",
                    "delete",
                    "continue",
                ])
            for occurrence in 1...3 {
                #expect(gdb["continue", occurrence].contains("Breakpoint 1, on_breakpoint"), "\(gdb.transcript)")
            }
            #expect(gdb["continue", 4].contains("Breakpoint 2, on_call"))
            #expect(gdb["continue", 5].contains("exited normally"))
        }

        @Test("real mode's INT3 and INT n go through the vector table", .needs(.kvm))
        func realModeTraps() throws {
            let stubvisor = try Stubvisor(flat: RealMode.traps)
            let guest = try stubvisor.attach()
            // Both handlers ran: bits 0 and 1, through the debug-exit port.
            #expect(try guest.resume().kind == "W07")
            #expect(try stubvisor.program.end().status == 7)
        }

        @Test("a step over INT3 or INT n ends behind it, not in the handler", .needs(.kvm))
        func stepOverTraps() throws {
            let guest = try Stubvisor(flat: RealMode.traps).attach()
            let place = 0x7c00 + UInt64(try #require(RealMode.traps.firstIndex(of: 0xcc)))
            // The instruction before: 3 bytes.
            #expect(try guest.insert(0, at: place - 3) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.resume("s").kind == "T05")
            #expect(try guest.register("eip") == place)
            #expect(try guest.resume("s").kind == "T05")
            #expect(try guest.register("eip") == place + 1, "behind INT3")
            #expect(try guest.memory(at: 0x500, count: 1) == [1], "its handler ran")
            #expect(try guest.resume("s").kind == "T05")
            #expect(try guest.register("eip") == place + 3, "behind INT 42")
            #expect(try guest.memory(at: 0x500, count: 1) == [3])
        }

        @Test(
            "a breakpoint on the guest's own INT3 stops before it, and then the INT3 is the guest's", .needs(.kvm),
            arguments: [0, 1], ["c", "s"])
        func breakpointOnTrap(kind: Int, resume: String) throws {
            let guest = try Stubvisor(flat: RealMode.traps).attach()
            let place = 0x7c00 + UInt64(try #require(RealMode.traps.firstIndex(of: 0xcc)))
            #expect(try guest.insert(kind, at: place) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("eip") == place)
            #expect(try guest.memory(at: 0x500, count: 1) == [0], "the handler did not run yet")
            let stop = try guest.resume(resume)
            guard resume == "s" else {
                #expect(stop.kind == "W07")
                return
            }
            #expect(stop.kind == "T05")
            #expect(try guest.register("eip") == place + 1)
            #expect(try guest.memory(at: 0x500, count: 1) == [1])
        }

        @Test("a breakpoint of either kind on HLT is passed by going on", .needs(.kvm), arguments: [0, 1])
        func breakpointOnHalt(kind: Int) throws {
            // cli; hlt: it comes back, to halt for good.
            let guest = try Stubvisor(flat: [0xfa, 0xf4]).attach()
            #expect(try guest.insert(kind, at: 0x7c01) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("eip") == 0x7c01)
            _ = try guest.resume()
            #expect(try guest.register("eip") == 0x7c02)
            #expect(try guest.monitor("why").contains("halted for good"))
        }

        /// `mov rax, 0x4000000000; mov cr2, rax; lidt [rip + after the code]` in 64-bit code: an old page fault's address
        /// in CR2, and an interrupt table that has no gate.
        private static let stale: [UInt8] = [
            0x48, 0xb8, 0, 0, 0, 0, 0x40, 0, 0, 0, 0x0f, 0x22, 0xd0, 0x0f, 0x01, 0x1d, 0x40, 0, 0, 0,
        ]

        @Test(
            "a triple fault's explanation names what began it, and not an old page fault",
            .needs(.kvm, .faultRegisters),
            arguments: [
                ([0x31, 0xc9, 0xf7, 0xf1], 2, "#DE (0, divide error): a division by zero"),
                (
                    [0x48, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x48, 0x8b, 0x03], 10,
                    "0x8000000000000000, is not canonical"
                ),
                (
                    [0x48, 0xbb, 0, 0, 0, 0, 0x50, 0, 0, 0, 0x48, 0x8b, 0x43, 0x08], 10,
                    "#PF (14, page fault): 0x5000000008"
                ),
                ([0xcd, 0x80], 0, "INT 128"), ([0xcc], 0, "#BP (3, breakpoint): an INT3"),
                ([0x0f, 0x0b], 0, "#UD (6, invalid opcode): a UD2"),
                (
                    [0xb8, 0x78, 0, 0, 0, 0x8e, 0xd8], 5,
                    "with #GP (13, general protection): MOV of selector 0x0078 to DS"
                ),
                ([0x31, 0xc0, 0x0f, 0x00, 0xd8], 2, "LTR of selector 0x0000: it is null"),
                ([0x31, 0xc0, 0x0f, 0x22, 0xe0], 2, "to CR4: long mode needs PAE"),
                (
                    [0xb9, 0x34, 0x12, 0, 0, 0x0f, 0x32], 5,
                    "with probably #GP (13, general protection): RDMSR of 0x1234"
                ),
            ] as [([UInt8], UInt64, String)])
        func explanation(_ code: [UInt8], _ offset: UInt64, _ words: String) throws {
            let image = Self.stale + code + [0xf4] + [UInt8](repeating: 0, count: 0x80)
            let guest = try Stubvisor(flat: image, mode: "long", name: "explanation\(words)").attach()
            #expect(try guest.resume().kind == "T0b")
            #expect(guest.console.contains(words), "\(guest.console)")
            #expect(try guest.register("rip") == 0x10_0000 + UInt64(Self.stale.count) + offset)
        }
    }
}

extension Live {
    @Suite("triple faults by interrupts") struct InterruptedTripleFault {
        /// sti; a: nop; jmp a
        private static let code: [UInt8] = [0xfb, 0x90, 0xeb, 0xfd]

        @Test("one that an NMI began is explained by it, with what continue does", .needs(.kvm, .faultRegisters))
        func nonMaskable() throws {
            let guest = try Stubvisor(flat: Self.code, mode: "long").attach()
            // A table of empty gates.
            #expect(try guest.set("idtr_base", to: 0x21_0000 as UInt64) == "OK")
            #expect(try guest.set("idtr_limit", to: 0xfff as UInt64) == "OK")
            _ = try guest.monitor("inject-nmi")
            #expect(try guest.resume().kind == "T0b")
            #expect(guest.console.contains("it began with a non-maskable interrupt"), "\(guest.console)")
            #expect(guest.console.contains("continue goes on at this instruction, without the interrupt"))
        }

        @Test("one that an interrupt began is explained by it", .needs(.kvm, .faultRegisters))
        func interrupt() throws {
            // mov $0xfee000f0,%eax; movl $0x1ff,(%rax): the local APIC is on
            let enable: [UInt8] = [0xb8, 0xf0, 0x00, 0xe0, 0xfe, 0xc7, 0x00, 0xff, 0x01, 0x00, 0x00]
            let guest = try Stubvisor(flat: enable + Self.code, mode: "long").attach()
            #expect(try guest.set("idtr_base", to: 0x21_0000 as UInt64) == "OK")
            #expect(try guest.set("idtr_limit", to: 0xfff as UInt64) == "OK")
            for _ in 0..<2 { #expect(try guest.resume("vCont;s:p1.1").kind == "T05") }
            _ = try guest.monitor("inject-vector 0x42")
            #expect(try guest.resume().kind == "T0b")
            #expect(guest.console.contains("it began with an interrupt, vector 0x42"), "\(guest.console)")
        }

        @Test("one that an instruction began says that continue executes it again", .needs(.kvm, .faultRegisters))
        func instruction() throws {
            // ud2
            let guest = try Stubvisor(flat: [0x0f, 0x0b], mode: "long").attach()
            #expect(try guest.set("idtr_limit", to: 0 as UInt64) == "OK")
            #expect(try guest.resume().kind == "T0b")
            #expect(guest.console.contains("continue executes this instruction again"), "\(guest.console)")
        }
    }
}
