import Testing

extension Live {
    /// What a guest may do to a debugger that is attached to it.
    @Suite("guests that would end or hold the debugger") struct HostileGuests {
        // MARK: - Tables at the top of the address space

        /// UD2 in long mode, with descriptor tables that the client puts somewhere.
        private func faulting(_ registers: [(String, UInt64)]) throws -> RemoteClient {
            let guest = try Stubvisor(flat: [0x0f, 0x0b, 0xeb, 0xfe], mode: "long").attach()
            for (name, value) in registers { #expect(try guest.set(name, to: value) == "OK", "\(name)") }
            return guest
        }

        @Test(
            "descriptor tables that wrap around the top of the address space end in a stop reason", .needs(.kvm),
            arguments: [
                [("idtr_base", 0xffff_ffff_ffff_f800), ("idtr_limit", 0xfff)],
                [("idtr_base", 0xffff_ffff_ffff_ffff), ("idtr_limit", 0xffff)],
                [("idtr_base", 0xffff_ffff_ffff_f000), ("idtr_limit", 0xfff)],
                [("gdtr_base", 0xffff_ffff_ffff_fff8), ("gdtr_limit", 0xffff)],
                [("ldtr_base", 0xffff_ffff_ffff_fff0), ("ldtr_limit", 0xffff_ffff)],
                [("tr_base", 0xffff_ffff_ffff_ff98), ("tr_limit", 0xffff_ffff)],
            ] as [[(String, UInt64)]])
        func wrappingTables(registers: [(String, UInt64)]) throws {
            let guest = try faulting(registers)
            // A watched page makes sure that no table lies on it.
            #expect(try guest.insert(3, at: 0x20_0000, length: 8) == "OK")
            #expect(try guest.monitor("catch exception all").isEmpty == false)
            #expect(try guest.resume().kind == "T0b")
            #expect(try guest.monitor("why").contains("triple fault"))
            #expect(try guest.memory(at: 0x10_0000, count: 2) == [0x0f, 0x0b])
        }

        @Test("a watchpoint on the last byte there is, and a breakpoint, are set and taken away", .needs(.kvm))
        func lastAddress() throws {
            let guest = try faulting([])
            for kind in 0...4 {
                let answer = try guest.insert(kind, at: .max, length: 1)
                #expect(answer == "OK" || answer.hasPrefix("E"), "Z\(kind): \(answer)")
                if answer == "OK" { #expect(try guest.remove(kind, at: .max, length: 1) == "OK") }
            }
            #expect(try guest.resume("vCont;s").kind.hasPrefix("T"))
            #expect(try guest.request("vCont;rffffffffffffff00,ffffffffffffffff").hasPrefix("T"))
        }

        @Test("a timer that is due at the end of time is no reason to end", .needs(.kvm))
        func farthestDeadline() throws {
            // mov dword [0xfd020034], 0x0fffffff; [0xfd020030], -1 (CNTV_CVAL); [0xfd02003c], 1 (CNTV_CTL); 1: jmp 1b
            let code: [UInt8] = [
                0xc7, 0x05, 0x34, 0x00, 0x02, 0xfd, 0xff, 0xff, 0xff, 0x0f, 0xc7, 0x05, 0x30, 0x00, 0x02, 0xfd, 0xff,
                0xff,
                0xff, 0xff, 0xc7, 0x05, 0x3c, 0x00, 0x02, 0xfd, 0x01, 0x00, 0x00, 0x00, 0xeb, 0xfe,
            ]
            let file = try Places.file("farthest-deadline.bin", code)
            let stubvisor = try Stubvisor(["--irqchip", "gicv2", "--format", "flat", "--cpu-mode", "protected", file])
            let guest = try stubvisor.attach()
            #expect(try guest.insert(1, at: 0x10_001e) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.remove(1, at: 0x10_001e) == "OK")
            for _ in 0..<3 {
                guest.send("vCont;c")
                guest.interrupt()
                #expect(try guest.stop().kind == "T02")
            }
        }

        // MARK: - Exceptions without end

        /// Real mode: the handler of UD2 is UD2 itself, on a stack of 64 KiB of its own.
        private static let realLoop: [UInt8] =
            [
                0xb8, 0x00, 0x20, 0x8e, 0xd0,  // mov ax, 0x2000; mov ss, ax
                0x31, 0xc0, 0x8e, 0xd8,  // xor ax, ax; mov ds, ax
                0xbc, 0x00, 0x70,  // mov sp, 0x7000
                0xc7, 0x06, 0x18, 0x00, 0x20, 0x7c,  // mov word [0x18], 0x7c20
                0xa3, 0x1a, 0x00,  // mov [0x1a], ax
            ] + [UInt8](repeating: 0x90, count: 11) + [0x0f, 0x0b]

        @Test(
            "a breakpoint on a handler that faults at its first instruction leaves the debugger in reach, in real mode",
            .needs(.kvm), arguments: [0, 1])
        func endlessInRealMode(kind: Int) throws {
            let guest = try Stubvisor(flat: Self.realLoop).attach()
            #expect(try guest.insert(kind, at: 0x7c20) == "OK")
            #expect(try guest.resume().kind == "T05")
            try expectReach(guest, "eip", at: 0x7c20)
        }

        /// Long mode: an interrupt gate to UD2 itself, on a stack that each delivery begins anew (IST 1).
        private func longLoop() throws -> RemoteClient {
            let guest = try Stubvisor(flat: [0x0f, 0x0b], mode: "long").attach()
            let (idt, task, code) = (0x20_0000 as UInt64, 0x20_2000 as UInt64, try guest.register("cs"))
            // To 0x10_0000, whose lower half is 0: IST 1, present, a 64-bit interrupt gate.
            let gate = code << 16 | 1 << 32 | 0x8e << 40 | 0x10 << 48
            let bytes = { (value: UInt64) in (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
            #expect(try guest.write(bytes(gate) + bytes(0), at: idt + 6 * 16) == "OK")
            #expect(try guest.write(bytes(0x30_0000), at: task + 36) == "OK")
            for (name, value) in [
                ("idtr_base", idt), ("idtr_limit", 0xfff), ("tr", 0x18), ("tr_base", task), ("tr_limit", 0x67),
                ("tr_attr", 0x8b),
            ] {
                #expect(try guest.set(name, to: value) == "OK", "\(name)")
            }
            return guest
        }

        @Test("the same in long mode, on a stack that never ends", .needs(.kvm), arguments: [0, 1])
        func endlessInLongMode(kind: Int) throws {
            let guest = try longLoop()
            #expect(try guest.insert(kind, at: 0x10_0000) == "OK")
            // The first instruction has the breakpoint; what follows is the handler's.
            #expect(try guest.resume().kind == "T05")
            try expectReach(guest, "rip", at: 0x10_0000)
        }

        @Test("and where exceptions are caught, whose handlers have hidden breakpoints", .needs(.kvm))
        func endlessWhileCaught() throws {
            let guest = try longLoop()
            _ = try guest.monitor("catch exception #UD")
            for _ in 0..<3 {
                let stop = try resumeOrInterrupt(guest)
                #expect(["T05", "T0b", "T02"].contains(stop.kind), "\(stop.text)")
            }
            #expect(try guest.register("rip") == 0x10_0000)
        }

        /// Goes on, and asks for a stop where none comes by itself.
        private func resumeOrInterrupt(_ guest: RemoteClient) throws -> RemoteClient.Stop {
            guest.send("vCont;c")
            guest.interrupt()
            return try guest.stop()
        }

        /// Whatever comes of going on, the debugger answers afterwards, and can do it again.
        private func expectReach(_ guest: RemoteClient, _ counter: String, at place: UInt64) throws {
            for _ in 0..<3 {
                let stop = try resumeOrInterrupt(guest)
                #expect(["T05", "T0b", "T02"].contains(stop.kind), "\(stop.text)")
                if stop.kind == "T0b" { #expect(try guest.monitor("why").contains("exceptions without end")) }
                #expect(try guest.register(counter) == place)
            }
            #expect(try guest.monitor("status").contains("vCPU 0"))
        }
    }
}
