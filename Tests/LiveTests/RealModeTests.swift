import Testing

/// The guest "realmode", and images of bytes.
enum RealMode {
    static func start() throws -> Stubvisor {
        try Stubvisor(
            guest: "realmode",
            ["--format", "flat", "--load-address", "0x7c00", "--entry", "0x7c00", "--cpu-mode", "real"])
    }

    /// Sets vectors 3 and 0x42 to handlers that set bits 0 and 1 at 0x500, calls both, exits with what is there.
    static let traps: [UInt8] = [
        0x31, 0xc0,  // xor ax, ax
        0x8e, 0xd8,  // mov ds, ax
        0x8e, 0xd0,  // mov ss, ax
        0xbc, 0x00, 0x7c,  // mov sp, 0x7c00
        0xa2, 0x00, 0x05,  // mov [0x500], al
        0xc7, 0x06, 0x0c, 0x00, 0x2f, 0x7c,  // mov word [0x0c], 0x7c2f
        0xa3, 0x0e, 0x00,  // mov [0x0e], ax
        0xc7, 0x06, 0x08, 0x01, 0x35, 0x7c,  // mov word [0x108], 0x7c35
        0xa3, 0x0a, 0x01,  // mov [0x10a], ax
        0xcc,  // 7c1e: int3
        0xcd, 0x42,  // int 0x42
        0xa0, 0x00, 0x05,  // mov al, [0x500]
        0xe6, 0xf4,  // out 0xf4, al
        0xeb, 0xfe,  // jmp to itself
        0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,  // up to 7c2f
        0x80, 0x0e, 0x00, 0x05, 0x01, 0xcf,  // 7c2f: or byte [0x500], 1; iret
        0x80, 0x0e, 0x00, 0x05, 0x02, 0xcf,  // 7c35: or byte [0x500], 2; iret
    ]
}

extension Live {
    @Suite("real mode") struct RealModes {
        private func run(_ commands: [String]) throws -> GDB {
            try GDB.run(
                RealMode.start(), symbols: Guest.symbols("realmode"), before: ["set architecture i8086"], commands)
        }

        @Test("break at an address, stepi and x/i $pc show the code that runs", .needs(.kvm, .gdb))
        func addresses() throws {
            let square = "0x" + String(try Symbols(guest: "realmode")["square"], radix: 16)
            let gdb = try run([
                "break *\(square)", "continue", "x/i $pc", "stepi", "x/2i $pc", "info registers eip cs ip", "csip",
            ])
            #expect(gdb["continue"].contains("Breakpoint 1, "))
            #expect(gdb["continue"].contains("square"))
            #expect(gdb["x/i $pc"].hasPrefix("=> \(square) <square>:"))
            #expect(gdb["x/i $pc"].contains("mov") && gdb["x/i $pc"].contains("%ax"), "16-bit code: \(gdb["x/i $pc"])")
            #expect(gdb["x/2i $pc"].contains("imul") && gdb["x/2i $pc"].contains("ret"))
            let line = gdb["csip"].split(separator: "\n").first ?? ""
            #expect(line.hasPrefix("CS:IP 0000:7c"), "\(gdb["csip"])")
            #expect(gdb["csip"].contains("SS:SP 0000:"))
        }

        @Test("in another segment $pc is linear, and CS:IP still visible", .needs(.kvm, .gdb))
        func segments() throws {
            let gdb = try run([
                "tbreak square", "continue", "break far_sum", "continue", "csip", "x/i $pc", "print/x $cs", "backtrace",
                "finish",
            ])
            #expect(gdb["csip"].contains("CS:IP 1000:0000  linear 10000"), "\(gdb.transcript)")
            #expect(gdb["x/i $pc"].contains("<far_sum>"))
            #expect(gdb["print/x $cs"].hasSuffix("= 0x1000"))
            #expect(gdb["backtrace"].contains("#1 ") && gdb["backtrace"].contains("_start"))
            #expect(gdb["finish"].contains("_start"))
        }

        @Test("break by name, step by source line, watch a word, run to power-off", .needs(.kvm, .gdb))
        func sources() throws {
            let stubvisor = try RealMode.start()
            let gdb = try GDB.run(
                stubvisor, symbols: Guest.symbols("realmode"), before: ["set architecture i8086"],
                [
                    "break square", "continue", "next", "finish", "delete",
                    "watch *(short *) &counter",
                    "continue", "delete", "continue",
                ])
            #expect(gdb["continue"].contains("square"))
            #expect(gdb["next"].contains("imulw"))
            #expect(gdb["continue", 2].contains("New value = 2"), "\(gdb.transcript)")
            #expect(gdb["continue", 3].contains("exited normally"))
            #expect(try stubvisor.program.end().output == "hello from real mode\nthe far routine agrees\n")
        }

        @Test("raw steps follow a far call and come back", .needs(.kvm))
        func farCall() throws {
            // call 0x1000:0; jmp to itself; and at 0x10000: retf
            let guest = try Stubvisor(flat: [0x9a, 0x00, 0x00, 0x00, 0x10, 0xeb, 0xfe]).attach()
            #expect(try guest.write([0xcb], at: 0x1_0000) == "OK")
            #expect(try guest.set("esp", to: 0x7000) == "OK")
            #expect(try guest.resume("s").kind == "T05")
            #expect(try guest.register("eip") == 0x1_0000)
            #expect(try guest.register("cs") == 0x1000)
            #expect(try guest.register("ip") == 0)
            #expect(try guest.resume("s").kind == "T05")
            #expect(try guest.register("eip") == 0x7c05)
            #expect(try guest.register("cs") == 0)
        }
    }
}
