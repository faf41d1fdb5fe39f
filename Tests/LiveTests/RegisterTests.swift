import Testing

extension Live {
    @Suite("registers") struct Registers {
        @Test(
            "a register written is read back, after steps too", .needs(.kvm),
            arguments: [
                "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r15", "fs_base", "gs_base", "k_gs_base",
                "cr2", "lstar", "dr0",
            ])
        func writeAndRead(name: String) throws {
            let guest = try Stubvisor(guest: "hello").attach()
            let value: UInt64 = 0x0000_7654_3210_8765
            #expect(try guest.register(name) != value)
            #expect(try guest.set(name, to: value) == "OK")
            #expect(try guest.register(name) == value)
            // The guest's first instructions are CLD and two that set RSP and RBP.
            #expect(try guest.resume("s").kind == "T05")
            #expect(try guest.register(name) == value)
        }

        @Test("vector registers and their control word are written and read back", .needs(.kvm))
        func vectors() throws {
            let guest = try Stubvisor(guest: "hello").attach()
            for name in ["xmm0", "xmm15"] {
                let value = (0..<16).map { UInt8(0xa0 + $0) }
                #expect(try guest.set(name, to: value) == "OK")
                #expect(try guest.bytes(of: name) == value)
                #expect(try guest.resume("s").kind == "T05")
                #expect(try guest.bytes(of: name) == value)
            }
            #expect(try guest.set("mxcsr", to: 0x1fa0) == "OK")
            #expect(try guest.register("mxcsr") == 0x1fa0)
            #expect(try guest.set("st0", to: [0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f]) == "OK")
            #expect(try guest.bytes(of: "st0") == [0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f])
        }

        @Test("flags written are what the guest then branches by", .needs(.kvm))
        func flags() throws {
            // 0: jc +2 (to 4); 2: jmp to itself; 4: jmp to itself.
            let image: [UInt8] = [0x72, 0x02, 0xeb, 0xfe, 0xeb, 0xfe]
            for (carry, place) in [(1, 0x7c04), (0, 0x7c02)] {
                let guest = try Stubvisor(flat: image).attach()
                let flags = try guest.register("eflags") & ~1 | UInt64(carry)
                #expect(try guest.set("eflags", to: flags) == "OK")
                #expect(try guest.register("eflags") == flags)
                #expect(try guest.resume("s").kind == "T05")
                #expect(try guest.register("eip") == UInt64(place))
            }
        }

        @Test("a value the processor cannot have is refused, and changes nothing", .needs(.kvm))
        func refused() throws {
            let guest = try Stubvisor(guest: "hello").attach()
            let old = try guest.register("cr0")
            // Paging without protection.
            let answer = try guest.set("cr0", to: 0x8000_0000)
            #expect(answer.hasPrefix("E"), "\(answer)")
            #expect(answer.contains("not accept"))
            #expect(try guest.register("cr0") == old)
            #expect(try guest.resume("s").kind == "T05")
        }

        @Test(
            "what the host's KVM would take and a processor refuses is refused, and changes nothing", .needs(.kvm),
            arguments: [
                ("efer", 2), ("fs_base", 0x0100_0000_0000_0000), ("idtr_base", 0x8000_0000_0000_0000), ("cr8", 0x1f),
                ("eflags", 0), ("ds_attr", 0xfff), ("cr4", 1 << 15), ("dr7", 1 << 40), ("mxcsr", 0x1_0000),
                ("xcr0", 6), ("lstar", 1 << 60),
            ] as [(String, UInt64)])
        func impossible(name: String, value: UInt64) throws {
            let guest = try Stubvisor(guest: "hello").attach()
            let old = try guest.register(name)
            let answer = try guest.set(name, to: value)
            #expect(answer.hasPrefix("E.") && answer.count > 10, "\(answer)")
            #expect(try guest.register(name) == old)
            #expect(try guest.resume("s").kind == "T05")
        }

        @Test("AVX registers are written and read back, and stay over a step; a reset clears them", .needs(.kvm))
        func advancedVectors() throws {
            let guest = try Stubvisor(guest: "hello").attach()
            guard let rows = guest.registers, rows["ymm0h"] != nil else { return }
            #expect(rows["ymm15h"]?.bits == 128)
            let (low, high) = ((0..<16).map { UInt8($0) }, (0..<16).map { UInt8(0xf0 - $0) })
            #expect(try guest.set("xmm5", to: low) == "OK")
            #expect(try guest.set("ymm5h", to: high) == "OK")
            #expect(try guest.resume("s").kind == "T05")
            #expect(try guest.bytes(of: "xmm5") == low && guest.bytes(of: "ymm5h") == high)
            #expect(try guest.bytes(of: "ymm6h") == [UInt8](repeating: 0, count: 16))
            #expect(try guest.set("xcr0", to: 7) == "OK")
            _ = try guest.monitor("reset")
            #expect(try guest.register("ymm5h") == 0)
            #expect(try guest.register("xcr0") == 1)
        }

        @Test("monitor msr reads and writes what p shows, and refuses what is none", .needs(.kvm))
        func modelSpecific() throws {
            let guest = try Stubvisor(guest: "hello").attach()
            #expect(try guest.monitor("msr write LSTAR 0xffffffff81800000").contains("0xffffffff81800000"))
            #expect(try guest.register("lstar") == 0xffff_ffff_8180_0000)
            #expect(try guest.monitor("msr write 0xc0000100 0x7654").contains("FS_BASE"))
            #expect(try guest.register("fs_base") == 0x7654)
            #expect(try guest.set("gs_base", to: 0x4321) == "OK")
            #expect(try guest.monitor("msr read GS_BASE").hasSuffix("0x0000000000004321\n"))
            #expect(try guest.monitor("msr write LSTAR 0x8000000000000000").contains("not accept"))
            #expect(try guest.register("lstar") == 0xffff_ffff_8180_0000)
            #expect(try guest.monitor("msr read 0x12345678").contains("no MSR"))
            #expect(try guest.resume("s").kind == "T05")
            #expect(try guest.register("fs_base") == 0x7654)
        }

        @Test("all registers in one packet come back as they were sent", .needs(.kvm))
        func allAtOnce() throws {
            let guest = try Stubvisor(guest: "hello").attach()
            let before = try guest.request("g")
            var changed = RemoteClient.bytes(hex: before.utf8)
            // RAX and RBX, the first two of the layout.
            for i in 0..<16 { changed[i] = UInt8(i + 1) }
            #expect(try guest.request("G" + RemoteClient.hex(changed)) == "OK")
            #expect(try guest.request("g") == RemoteClient.hex(changed))
            #expect(try guest.register("rax") == 0x0807_0605_0403_0201)
            #expect(try guest.register("rbx") == 0x100f_0e0d_0c0b_0a09)
        }

        @Test("stop replies carry the registers that p gives", .needs(.kvm))
        func expedited() throws {
            let guest = try Stubvisor(guest: "hello").attach()
            let stop = try guest.resume("s")
            for name in ["rip", "rsp", "rbp"] {
                let number = try #require(guest.registers?[name]?.number)
                let key = number < 16 ? "0" + String(number, radix: 16) : String(number, radix: 16)
                #expect(try stop.field(key) == RemoteClient.hex(guest.bytes(of: name)))
            }
            #expect(stop.field("thread") == "p1.1")
        }

        @Test("gdb puts ymm registers together from their halves", .needs(.kvm, .gdb))
        func advancedVectorsInGDB() throws {
            let stubvisor = try Stubvisor(guest: "hello")
            let hasAVX = try stubvisor.attach().registers?["ymm0h"] != nil
            let gdb = try GDB.run(
                stubvisor, symbols: Guest.symbols("hello"),
                [
                    "print $ymm2.v8_int32 = {1, 2, 3, 4, 5, 6, 7, 8}", "stepi", "print $ymm2.v8_int32",
                    "print/x $xmm2.uint128",
                ])
            guard hasAVX else { return }
            #expect(gdb["print $ymm2.v8_int32"].hasSuffix("= {1, 2, 3, 4, 5, 6, 7, 8}"))
            #expect(gdb["print/x $xmm2.uint128"].hasSuffix("= 0x4000000030000000200000001"))
        }

        @Test("in gdb: general, vector, flag and system registers by name", .needs(.kvm, .gdb))
        func inGDB() throws {
            let gdb = try GDB.run(
                Stubvisor(guest: "hello"), symbols: Guest.symbols("hello"),
                [
                    "print $rax = 0x1122334455667788", "print/x $eax", "print $xmm3.v4_int32 = {1, 2, 3, 4}",
                    "print $xmm3.v4_int32", "print $eflags |= 1", "print $eflags", "print $cr0", "print $efer",
                    "print $cr0 = 0x80000000", "print $cr8 = 5", "print $cr0 |= 8", "print $cr0", "print/x $cs",
                    "info registers rip", "sysregs", "print $st0 = 1.5", "print $st0",
                ])
            #expect(gdb["print/x $eax"].hasSuffix("= 0x55667788"))
            #expect(gdb["print $xmm3.v4_int32"].hasSuffix("= {1, 2, 3, 4}"))
            #expect(gdb["print $eflags"].contains(" CF "))
            #expect(gdb["print $cr0"].contains("PG") && gdb["print $cr0"].contains("PE"))
            #expect(!gdb["print $cr0"].contains("TS") && gdb["print $cr0", 2].contains("TS"))
            #expect(gdb["print $cr8 = 5"].hasSuffix("= 5"))
            #expect(gdb["print $efer"].contains("LMA"))
            #expect(gdb["print $cr0 = 0x80000000"].contains("Could not write register \"cr0\""))
            #expect(gdb["sysregs"].contains("[ LME LMA ]") && gdb["sysregs"].contains("lstar"))
            #expect(gdb["info registers rip"].contains("<_start>"))
            #expect(gdb["print $st0"].hasSuffix("= 1.5"))
        }
    }
}
