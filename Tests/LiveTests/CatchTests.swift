import Testing

extension Live {
    /// `monitor catch` for what a processor does by itself.
    @Suite("monitor catch") struct Catches {
        @Test("exception by name, by number and all: before the handler runs, with an explanation", .needs(.kvm))
        func exceptions() throws {
            let symbols = try Symbols(guest: "user")
            let stubvisor = try Stubvisor(guest: "user")
            let guest = try stubvisor.attach()
            for variable in ["divides_wanted", "touches_wanted", "traps_wanted"] {
                #expect(try guest.write([1, 0, 0, 0], at: symbols[variable]) == "OK")
            }
            // The table must be there: where nothing exits between it and the exception, nobody has seen it.
            #expect(try guest.insert(1, at: symbols["enter_user"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.monitor("catch exception divide-error") == "1: exception #DE (0, divide error)\n")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("rip") == symbols["on_divide"])
            let divide = try guest.monitor("why")
            #expect(divide.contains("takes #DE (0, divide error) at 0x23:0x") && divide.contains("CPL3"), "\(divide)")
            #expect(try guest.word(at: symbols["divides"]) == 0)
            _ = try guest.monitor("uncatch 1")
            _ = try guest.monitor("catch exception 14")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("rip") == symbols["on_page_fault"])
            let fault = try guest.monitor("why")
            #expect(fault.contains("error code 0x4: read from a not-present page from CPL3; CR2 0x1f0000"), "\(fault)")
            _ = try guest.monitor("uncatch 2")
            #expect(try guest.monitor("catch exception all") == "3: every exception\n")
            for name in ["on_breakpoint", "on_divide", "on_page_fault", "on_breakpoint"] {
                #expect(try guest.resume().kind == "T05")
                #expect(try guest.register("rip") == symbols[name])
                // What watches the handler is seen by nobody.
                #expect(try guest.memory(at: symbols[name], count: 1) != [0xcc])
            }
            _ = try guest.monitor("uncatch 3")
            #expect(try guest.resume().kind == "W00")
            #expect(try stubvisor.program.end().output.contains("breakpoints 3\ndebugs 0\ndivides 3\nfaults 3\n"))
        }

        @Test(
            "an exception of kernel mode is caught too, and a breakpoint on its handler stays one", .needs(.kvm, .gdb))
        func kernelException() throws {
            let gdb = try GDB.run(
                Stubvisor(guest: "traps"), symbols: Guest.symbols("traps"),
                [
                    // The table must be there: where nothing exits between it and the exception, nobody has seen it.
                    "tbreak on_breakpoint", "continue", "monitor catch exception ud", "continue", "monitor why",
                    "print undefined", "continue",
                    "print undefined", "monitor uncatch 1", "break *on_undefined", "monitor catch exception #UD",
                    "delete", "continue",
                ])
            #expect(gdb["monitor why"].contains("takes #UD (6, invalid opcode) at 0x"))
            #expect(gdb["monitor why"].contains("CPL0"))
            #expect(gdb["continue", 2].contains("on_undefined"))
            #expect(gdb["print undefined"].hasSuffix("= 0") && gdb["print undefined", 2].hasSuffix("= 1"))
            #expect(gdb["continue", 4].contains("exited normally"))
        }

        @Test("real mode's exceptions go through the vector table", .needs(.kvm))
        func realMode() throws {
            // mov word [0], handler; mov word [2], 0; xor cx, cx; div cx; handler: hlt
            let code: [UInt8] = [
                0xc7, 0x06, 0x00, 0x00, 0x10, 0x7c, 0xc7, 0x06, 0x02, 0x00, 0x00, 0x00, 0x31, 0xc9, 0xf7, 0xf1, 0xf4,
            ]
            let guest = try Stubvisor(flat: code).attach()
            #expect(try guest.monitor("catch exception #DE").hasPrefix("1:"))
            // Its table is the guest's own only after this.
            #expect(try guest.insert(1, at: 0x7c0c) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("eip") == 0x7c10)
            #expect(try guest.monitor("why").contains("takes #DE (0, divide error) at 0x0:0x7c0e, real mode"))
        }

        @Test("msr reports what was written and read, and the guest goes on with it", .needs(.kvm))
        func registers() throws {
            let symbols = try Symbols(guest: "user")
            let stubvisor = try Stubvisor(guest: "user")
            let guest = try stubvisor.attach()
            #expect(try guest.monitor("catch msr 0xc0000082") == "1: MSR 0xc0000082\n")
            _ = try guest.monitor("catch msr 0xc0000080")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.monitor("why").contains("read 0x500 from MSR 0xc0000080 at 0x"))
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.monitor("why").contains("wrote 0x501 to MSR 0xc0000080 at 0x"))
            #expect(try guest.resume().kind == "T05")
            let entry = String(try symbols["system_call_entry"], radix: 16)
            #expect(try guest.monitor("why").contains("wrote 0x\(entry) to MSR 0xc0000082 at 0x"))
            #expect(try guest.memory(at: guest.register("rip") - 2, count: 2) == [0x0f, 0x30])
            _ = try guest.monitor("uncatch 1")
            _ = try guest.monitor("uncatch 2")
            #expect(try guest.resume().kind == "W00")
            #expect(try stubvisor.program.end().output.contains("system calls 4\n"))
        }

        @Test("hlt stops behind the HLT that the processor sleeps at", .needs(.kvm))
        func halt() throws {
            // cli; nop; hlt; jmp back
            let guest = try Stubvisor(flat: [0xfa, 0x90, 0xf4, 0xeb, 0xfb]).attach()
            #expect(try guest.monitor("catch hlt") == "1: HLT or WFI\n")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("eip") == 0x7c03)
            let why = try guest.monitor("why")
            #expect(why.contains("halted at 0x7c02 with interrupts off"), "\(why)")
            _ = try guest.monitor("uncatch 1")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.monitor("why").contains("halted for good"))
        }

        @Test("a reset brings registers back that no client sees", .needs(.kvm))
        func reset() throws {
            // mov ecx, IA32_MTRR_PHYSBASE0; rdmsr; nop; mov eax, 6; xor edx, edx; wrmsr; rdmsr; nop; hlt
            let code: [UInt8] = [
                0xb9, 0x00, 0x02, 0, 0, 0x0f, 0x32, 0x90, 0xb8, 6, 0, 0, 0, 0x31, 0xd2, 0x0f, 0x30, 0x0f, 0x32, 0x90,
                0xf4,
            ]
            let guest = try Stubvisor(flat: code, mode: "long").attach()
            let origin = try guest.register("rip")
            for offset in [7, 19] as [UInt64] { #expect(try guest.insert(0, at: origin + offset) == "OK") }
            for _ in 0..<2 {
                #expect(try guest.resume().kind == "T05")
                #expect(try guest.register("rax") == 0)
                #expect(try guest.resume().kind == "T05")
                #expect(try guest.register("rip") == origin + 19)
                #expect(try guest.register("rax") == 6)
                _ = try guest.monitor("reset")
            }
        }

        @Test("what cannot be caught is refused in words", .needs(.kvm))
        func refused() throws {
            let guest = try Stubvisor(guest: "hello").attach()
            #expect(try guest.monitor("catch exception frog").hasPrefix("error: frog is no exception"))
            #expect(try guest.monitor("catch msr 0x830").contains("x2APIC"))
            #expect(try guest.monitor("catch hlt 5").hasPrefix("error: expected: catch hlt"))
            for index in 0..<20 { _ = try guest.monitor("catch msr \(index + 0x200)") }
            #expect(try guest.monitor("catch msr 0x300").contains("MSRs can be caught at once"))
            #expect(try guest.monitor("catch list").split(separator: "\n").count >= 15)
        }
    }
}
