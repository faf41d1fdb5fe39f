import Testing

extension Live {
    /// Guests that step themselves by the trap flag, and breakpoints on handlers.
    @Suite("a guest that steps itself") struct SelfStepping {
        private static let origin: UInt64 = 0x10_0000
        private static let table: UInt64 = 0x21_0000
        /// The handler's count, and DR6 as it found it.
        private static let count: UInt64 = 0x22_0000
        private static let handler = origin + 0x40
        /// mov %dr6,%rax; or %rax,(count + 8); incq (count); iretq
        private static let handlerCode: [UInt8] = [
            0x0f, 0x21, 0xf0, 0x48, 0x09, 0x04, 0x25, 0x08, 0x00, 0x22, 0x00, 0x48, 0xff, 0x04, 0x25, 0x00, 0x00, 0x22,
            0x00, 0x48, 0xcf,
        ]

        /// A flat guest of `code` with that handler for `vector`.
        private func start(_ code: [UInt8], handling vector: UInt64, name: String) throws -> RemoteClient {
            let padding = [UInt8](repeating: 0x90, count: 0x40 - code.count)
            let guest = try Stubvisor(flat: code + padding + Self.handlerCode, mode: "long", name: name).attach()
            let selector = try guest.register("cs")
            let low = Self.handler & 0xffff | selector << 16 | 0x8e << 40 | (Self.handler >> 16 & 0xffff) << 48
            let gate = (0..<8).map { UInt8(truncatingIfNeeded: low >> ($0 * 8)) } + [UInt8](repeating: 0, count: 8)
            #expect(try guest.write(gate, at: Self.table + vector * 16) == "OK")
            #expect(try guest.set("idtr_base", to: Self.table) == "OK")
            #expect(try guest.set("idtr_limit", to: 0xfff as UInt64) == "OK")
            #expect(try guest.set("rsp", to: 0x20_0000 as UInt64) == "OK")
            return guest
        }

        /// pushfq; orq $0x100,(%rsp); popfq; nop; nop; cpuid; pushfq; andq $~0x100,(%rsp); popfq; end: jmp end
        private static let stepped: [UInt8] = [
            0x9c, 0x48, 0x81, 0x0c, 0x24, 0x00, 0x01, 0x00, 0x00, 0x9d, 0x90, 0x90, 0x0f, 0xa2, 0x9c, 0x48, 0x81, 0x24,
            0x24, 0xff, 0xfe, 0xff, 0xff, 0x9d, 0xeb, 0xfe,
        ]
        private static let (secondNop, end) = (origin + 11, origin + 24)
        /// NOP, NOP, CPUID, PUSHF, AND, POPF.
        private static let traps: UInt64 = 6

        private func checkTraps(_ guest: RemoteClient) throws {
            #expect(try guest.word(at: Self.count) == Self.traps)
            #expect(try guest.word(at: Self.count + 8) & 0x4000 != 0, "DR6.BS")
        }

        @Test("the debugger steps through it: the guest gets each #DB", .needs(.kvm))
        func steps() throws {
            let guest = try start(Self.stepped, handling: 1, name: "selfsteps")
            var places: [UInt64] = []
            while places.last != Self.end, places.count < 200 {
                #expect(try guest.resume("vCont;s:p1.1").kind == "T05")
                places.append(try guest.register("rip"))
            }
            #expect(places.last == Self.end)
            #expect(places.filter { $0 == Self.handler }.count == Int(Self.traps))
            try checkTraps(guest)
        }

        @Test("a breakpoint in it is passed: the guest gets each #DB", .needs(.kvm), arguments: [0, 1])
        func breakpoint(kind: Int) throws {
            let guest = try start(Self.stepped, handling: 1, name: "selfbreak\(kind)")
            for place in [Self.secondNop, Self.end] { #expect(try guest.insert(kind, at: place) == "OK") }
            for place in [Self.secondNop, Self.end] {
                #expect(try guest.resume().kind == "T05")
                #expect(try guest.register("rip") == place)
            }
            try checkTraps(guest)
        }

        @Test("gdb's way over a breakpoint in it loses no #DB", .needs(.kvm))
        func overBreakpoint() throws {
            let guest = try start(Self.stepped, handling: 1, name: "selfover")
            #expect(try guest.insert(0, at: Self.secondNop) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("eflags") & 0x100 != 0, "the guest's own flag is seen")
            #expect(try guest.remove(0, at: Self.secondNop) == "OK")
            #expect(try guest.resume("vCont;s:p1.1").kind == "T05")
            #expect(try guest.insert(0, at: Self.secondNop) == "OK")
            #expect(try guest.insert(1, at: Self.end) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("rip") == Self.end)
            try checkTraps(guest)
        }

        @Test(
            "a breakpoint on a handler that a step leads to is reported when the guest goes on", .needs(.kvm),
            arguments: [0, 1])
        func handlerBreakpoint(kind: Int) throws {
            // ud2
            let guest = try start([0x0f, 0x0b], handling: 6, name: "handlerbreak\(kind)")
            #expect(try guest.insert(kind, at: Self.handler) == "OK")
            let step = try guest.resume("vCont;s:p1.1")
            #expect(step.kind == "T05" && step.field("swbreak") == nil && step.field("hwbreak") == nil, "\(step.text)")
            #expect(try guest.register("rip") == Self.handler)
            for count in 0..<3 as Range<UInt64> {
                let stop = try guest.resume()
                #expect(stop.field(kind == 0 ? "swbreak" : "hwbreak") != nil, "\(stop.text)")
                #expect(try guest.register("rip") == Self.handler)
                #expect(try guest.word(at: Self.count) == count, "none was executed past")
            }
        }
    }
}
