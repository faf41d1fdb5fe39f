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

        @Test("in gdb: general, vector, flag and system registers by name", .needs(.kvm, .gdb))
        func inGDB() throws {
            let gdb = try GDB.run(
                Stubvisor(guest: "hello"), symbols: Guest.symbols("hello"),
                [
                    "print $rax = 0x1122334455667788", "print/x $eax", "print $xmm3.v4_int32 = {1, 2, 3, 4}",
                    "print $xmm3.v4_int32", "print $eflags |= 1", "print $eflags", "print $cr0", "print $efer",
                    "print $cr0 = 0x80000000UL", "print/x $cs", "info registers rip", "print $st0 = 1.5", "print $st0",
                ])
            #expect(gdb["print/x $eax"].hasSuffix("= 0x55667788"))
            #expect(gdb["print $xmm3.v4_int32"].hasSuffix("= {1, 2, 3, 4}"))
            #expect(gdb["print $eflags"].contains(" CF "))
            #expect(gdb["print $cr0"].contains("PG") && gdb["print $cr0"].contains("PE"))
            #expect(gdb["print $efer"].contains("LMA"))
            #expect(gdb["print $cr0 = 0x80000000UL"].contains("Could not write register \"cr0\""))
            #expect(gdb["info registers rip"].contains("<_start>"))
            #expect(gdb["print $st0"].hasSuffix("= 1.5"))
        }
    }
}
