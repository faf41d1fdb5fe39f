import Testing

extension Live {
    /// Breakpoints at a program counter that the client has set.
    @Suite("a changed program counter") struct ChangedPlace {
        /// xor %eax,%eax; a: inc %rax; b: add $0x100,%rax; nop; jmp a
        private static let code: [UInt8] = [
            0x31, 0xc0, 0x48, 0xff, 0xc0, 0x48, 0x05, 0, 1, 0, 0, 0x90, 0xeb, 0xf4,
        ]
        private static let (a, b, behind): (UInt64, UInt64, UInt64) = (0x10_0002, 0x10_0005, 0x10_000b)

        private func stopped(at kind: Int) throws -> RemoteClient {
            let guest = try Stubvisor(flat: Self.code, mode: "long", name: "changed\(kind)").attach()
            #expect(try guest.insert(kind, at: Self.b) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("rip") == Self.b)
            return guest
        }

        /// Resumes: the breakpoint at b is reported before anything is executed.
        private func stopsAtOnce(_ guest: RemoteClient, _ packet: String = "vCont;c") throws {
            let before = try guest.register("rax")
            #expect(try guest.resume(packet).kind == "T05")
            #expect(try guest.register("rip") == Self.b)
            #expect(try guest.register("rax") == before, "the instruction under the breakpoint was not executed")
            // From there it goes on.
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("rax") == before + 0x101)
        }

        @Test("P away from a breakpoint and back: it stops there at once", .needs(.kvm), arguments: [0, 1])
        func oneRegister(kind: Int) throws {
            let guest = try stopped(at: kind)
            #expect(try guest.set("rip", to: Self.a) == "OK")
            #expect(try guest.set("rip", to: Self.b) == "OK")
            try stopsAtOnce(guest)
        }

        @Test("G away from a breakpoint and back: it stops there at once", .needs(.kvm), arguments: [0, 1])
        func allRegisters(kind: Int) throws {
            let guest = try stopped(at: kind)
            let all = try guest.request("g")
            #expect(try guest.set("rip", to: Self.a) == "OK")
            #expect(try guest.request("G" + all) == "OK")
            try stopsAtOnce(guest)
        }

        @Test("c with the address of a breakpoint stops there at once", .needs(.kvm), arguments: [0, 1])
        func continueAtAddress(kind: Int) throws {
            let guest = try stopped(at: kind)
            #expect(try guest.resume("vCont;s:p1.1").kind == "T05")
            #expect(try guest.register("rip") == Self.behind)
            try stopsAtOnce(guest, "c" + String(Self.b, radix: 16))
        }

        @Test(
            "LLDB's restored registers lead to a breakpoint: it stops there at once", .needs(.kvm), arguments: [0, 1])
        func restored(kind: Int) throws {
            let guest = try stopped(at: kind)
            let state = try guest.request("QSaveRegisterState")
            #expect(try guest.set("rip", to: Self.a) == "OK")
            #expect(try guest.request("QRestoreRegisterState:\(state)") == "OK")
            try stopsAtOnce(guest)
        }

        @Test("jump onto a breakpoint stops there, under gdb", .needs(.kvm, .gdb))
        func jump() throws {
            let server = try Stubvisor(flat: Self.code, mode: "long")
            let gdb = try GDB.run(
                server, symbols: Guest.symbols("hello"),
                [
                    "break *0x100005", "continue", "stepi", "print $rax", "jump *0x100005", "print $rax", "print/x $pc",
                ])
            #expect(gdb["print $rax"] == gdb["print $rax", 2].replacing("$2", with: "$1"), "\(gdb.transcript)")
            #expect(gdb["print/x $pc"].hasSuffix("0x100005"))
        }
    }
}
