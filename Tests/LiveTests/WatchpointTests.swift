import TestSupport
import Testing

extension Live {
    /// Watchpoints of every kind, on a guest that touches memory in an order known beforehand.
    @Suite("watchpoints without limit") struct Watchpoints {
        typealias Touch = WatchGuest.Touch
        typealias Watchpoint = WatchGuest.Watchpoint

        /// 64 watchpoints of 1 byte to 1 MiB, none over another, in the order of their addresses.
        private func sixtyFour(from start: UInt64, _ random: inout Seeded) -> [Watchpoint] {
            var place = start
            return (0..<64).map { number in
                place += [8, 16, 100, 4096, 9000].randomElement(using: &random)!
                let count = [1, 2, 3, 4, 7, 8, 64, 4096, 5000, 1 << 16].randomElement(using: &random)!
                let size = number == 5 || number == 40 ? 1 << 20 : count
                defer { place += UInt64(size) }
                return Watchpoint(kind: Int.random(in: 2...4, using: &random), address: place, count: size)
            }
        }

        /// Touches in, at the ends of, and beside each.
        private func touches(of all: [Watchpoint], cpus: Int, _ random: inout Seeded) -> [Touch] {
            (all + all).shuffled(using: &random).map { watchpoint in
                let how = WatchGuest.How.allCases.randomElement(using: &random)!
                let size =
                    how.isRepeated ? Int.random(in: 1..<20, using: &random) : 1 << Int.random(in: 0...3, using: &random)
                let offset = [
                    -size - 8, 0, 0, Int.random(in: 0..<watchpoint.count, using: &random), watchpoint.count - 1,
                ]
                .randomElement(using: &random)!
                let address = UInt64(bitPattern: Int64(bitPattern: watchpoint.address) + Int64(offset))
                return Touch(cpu: Int.random(in: 0..<cpus, using: &random), how: how, address: address, size: size)
            }
        }

        @Test(
            "64 at once, of 1 byte to 1 MiB: each access is reported once, with its address and its vCPU", .needs(.kvm),
            arguments: [(1, 1), (2, 2), (2, 3)] as [(Int, UInt64)])
        func many(cpus: Int, seed: UInt64) throws {
            var random = Seeded(seed)
            let guest = try WatchGuest(cpus: cpus)
            let all = sixtyFour(from: guest.arena, &random)
            let touches = touches(of: all, cpus: cpus, &random)
            try guest.prepare(touches)
            try guest.takeRegisters()
            for watchpoint in all { #expect(try guest.insert(watchpoint) == "OK") }
            let expected = WatchGuest.expected(touches, all)
            #expect(expected.count > 50)
            #expect(try guest.reports(limit: expected.count + 1) == expected)
            #expect(try guest.server.program.end().output == "touched \(touches.count)\n")
        }

        @Test("atomic instructions of two vCPUs on a watched page stay atomic", .needs(.kvm), arguments: [2, 3, 4])
        func atomic(kind: Int) throws {
            let guest = try WatchGuest(cpus: 2)
            try guest.prepare([Touch(cpu: 1, how: .store, address: guest.arena + 64)])
            try guest.set("locked_place", to: guest.arena)
            try guest.set("locked_rounds", to: 3000)
            #expect(try guest.insert(Watchpoint(kind: kind, address: guest.arena + 0x800)) == "OK")
            #expect(try guest.next() == nil)
            #expect(try guest.server.program.end().output == "touched 1, counted 6000\n")
        }

        @Test("the guest stands behind an instruction that accessed it, a repeated one too", .needs(.kvm))
        func behind() throws {
            let guest = try WatchGuest()
            let place = guest.arena + 0x100
            try guest.prepare([
                Touch(how: .fill, address: place - 8, size: 64), Touch(how: .copyFrom, address: place - 8, size: 64),
                Touch(how: .add, address: place),
            ])
            #expect(try guest.insert(Watchpoint(kind: 4, address: place)) == "OK")
            for (left, byte) in [(0, 0x77), (0, 0x77), (nil, 0x78)] as [(UInt64?, UInt8)] {
                #expect(try guest.next()?.address == place)
                if let left { #expect(try guest.client.register("rcx") == left) }
                #expect(try guest.client.memory(at: place, count: 1) == [byte])
                // The next instruction is another one.
                #expect(try guest.client.memory(at: guest.client.register("rip"), count: 2) != [0xf3, 0xa4])
            }
            #expect(try guest.next() == nil)
        }

        @Test("what one instruction accesses besides is reported next, without running", .needs(.kvm))
        func second() throws {
            let guest = try WatchGuest()
            try guest.takeRegisters()
            let (low, high) = (guest.arena + 0x100, guest.arena + 0x104)
            try guest.prepare([Touch(how: .store, address: low), Touch(how: .store, address: low)])
            let watchpoints = [(2, low), (4, high), (2, low + 2)].map {
                Watchpoint(kind: $0.0, address: $0.1, count: 4)
            }
            for watchpoint in watchpoints { #expect(try guest.insert(watchpoint) == "OK") }
            #expect(try guest.next() == WatchGuest.Report(name: "watch", address: low, cpu: 0))
            let place = try guest.client.register("rip")
            #expect(try guest.next()?.address == low + 2)
            #expect(try guest.next()?.address == high)
            #expect(try guest.client.register("rip") == place)
            // What is removed before it is reported is not reported.
            #expect(try guest.next()?.address == low, "the second store")
            for watchpoint in watchpoints[1...] {
                #expect(try guest.client.remove(watchpoint.kind, at: watchpoint.address, length: 4) == "OK")
            }
            #expect(try guest.next() == nil)
        }

        @Test("a step over an access reports it, too", .needs(.kvm))
        func stepping() throws {
            let guest = try WatchGuest()
            try guest.prepare([Touch(how: .load, address: guest.arena)])
            #expect(try guest.client.insert(0, at: guest.symbols["do_touch"]) == "OK")
            #expect(try guest.client.resume().kind == "T05")
            #expect(try guest.insert(Watchpoint(kind: 3, address: guest.arena)) == "OK")
            var stop = try guest.client.resume("vCont;s")
            var steps = 1
            while stop.field("rwatch") == nil, steps < 200 {
                stop = try guest.client.resume("vCont;s")
                steps += 1
            }
            #expect(stop.field("rwatch") == String(guest.arena, radix: 16))
            #expect(try guest.next() == nil)
        }

        // MARK: - Pages that cannot be taken away so simply

        @Test("interrupts reach their handler on a stack whose page is watched", .needs(.kvm), arguments: [2, 3, 4])
        func interrupts(kind: Int) throws {
            let guest = try WatchGuest()
            try guest.set("interrupts_wanted", to: 40)
            #expect(try guest.client.insert(0, at: guest.symbols["interrupt_self"]) == "OK")
            #expect(try guest.client.resume().kind == "T05")
            let page = try (guest.client.register("rsp") - 64) & ~0xfff
            #expect(try guest.insert(Watchpoint(kind: kind, address: page, count: 1)) == "OK")
            #expect(try guest.next() == nil)
            #expect(try guest.server.program.end().output == "touched 0, interrupted 40\n")
        }

        @Test(
            "exceptions, INT3, INT n and LIDT work where the stack's page is watched", .needs(.kvm),
            arguments: [2, 3, 4])
        func exceptions(kind: Int) throws {
            let stubvisor = try Stubvisor(guest: "traps")
            let guest = try stubvisor.attach()
            #expect(try guest.insert(0, at: Symbols(guest: "traps")["main"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            let page = try (guest.register("rsp") - 64) & ~0xfff
            #expect(try guest.insert(kind, at: page) == "OK")
            #expect(try guest.resume().kind == "W00")
            #expect(try stubvisor.program.end().output == "breakpoints 3\ncalls 5\nundefined 2\n")
        }

        @Test("what an interrupt pushes onto a watched address is reported", .needs(.kvm, .deliveryReported))
        func pushed() throws {
            let guest = try WatchGuest()
            try guest.set("interrupts_wanted", to: 1)
            #expect(try guest.client.insert(0, at: guest.symbols["on_interrupt"]) == "OK")
            #expect(try guest.client.resume().kind == "T05")
            // Behind the frame: RIP, CS, RFLAGS, RSP, SS.
            let frame = try guest.client.register("rsp")
            try guest.set("interrupts_wanted", to: 2)
            #expect(try guest.client.remove(0, at: guest.symbols["on_interrupt"]) == "OK")
            #expect(try guest.insert(Watchpoint(kind: 2, address: frame, count: 8)) == "OK")
            var stop = try #require(try guest.next())
            // The handler's own pushes go below; what comes to this word is the next interrupt's RIP.
            while stop.address != frame { stop = try #require(try guest.next()) }
            // At most the handler's first instruction has been executed.
            #expect(try guest.client.register("rip") &- guest.symbols["on_interrupt"] < 8)
        }

        @Test("reads of a page that the guest runs code on are reported, and its breakpoints hit", .needs(.kvm))
        func code() throws {
            let symbols = try Symbols(guest: "hello")
            let stubvisor = try Stubvisor(guest: "hello")
            let guest = try stubvisor.attach()
            let found = try guest.request("qSearch:memory:100000;2000;hello, ")
            let text = try #require(UInt64(found.dropFirst(2), radix: 16))
            let greet = try symbols["greet"]
            #expect(text & ~0xfff == greet & ~0xfff)
            #expect(try guest.insert(3, at: text + 2) == "OK")
            #expect(try guest.insert(0, at: symbols["factorial"]) == "OK")
            // print() reads each byte to see whether it is the last, and to send it.
            for _ in 0..<2 { #expect(try guest.resume().field("rwatch") == String(text + 2, radix: 16)) }
            #expect(try guest.resume().field("swbreak") != nil)
            #expect(try guest.remove(3, at: text + 2) == "OK")
            #expect(try guest.remove(0, at: symbols["factorial"]) == "OK")
            #expect(try guest.resume().kind == "W00")
            #expect(try stubvisor.program.end().output.contains("hello, stubvisor\n"))
        }

        @Test("what cannot be watched is refused in words, and nothing of it stays", .needs(.kvm))
        func refused() throws {
            let guest = try Stubvisor(guest: "hello", ["--memory", "64M"]).attach()
            let tables = try guest.register("cr3") & ~0xfff
            try guest.takeDebugRegisters(at: 0x80_0000)
            let before = try guest.monitor("breakpoints")
            for (kind, address, length, reason) in [
                (3, tables, 8, "page tables"), (4, tables + 0xffc, 8, "page tables"),
                (2, 0xfee0_0000, 4, "is not memory"), (2, 64 << 20 - 4, 8, "is not memory"),
                (3, 64 << 20 - 4, 8, "is not memory"),
            ] as [(Int, UInt64, Int, String)] {
                let answer = try guest.insert(kind, at: address, length: length)
                #expect(answer.hasPrefix("E.") && answer.contains(reason), "\(answer)")
            }
            #expect(try guest.monitor("breakpoints") == before)
            #expect(try guest.insert(2, at: tables, length: 8) == "OK", "writes can be watched")
            #expect(try guest.resume().kind == "W00")
        }

        @Test("an address that is not mapped waits, and is watched where it comes to lead", .needs(.kvm))
        func waiting() throws {
            let symbols = try Symbols(guest: "hello")
            let guest = try Stubvisor(guest: "hello").attach()
            let counter = try symbols["counter"]
            let far: UInt64 = 0x1_0000_0000
            try guest.takeDebugRegisters(at: 0x80_0000)
            #expect(try guest.insert(4, at: far + counter) == "OK")
            #expect(try guest.insert(0, at: symbols["factorial"]) == "OK")
            #expect(try guest.resume().field("swbreak") != nil)
            #expect(try guest.monitor("breakpoints").contains("waiting for it to be mapped"))
            // The fifth GiB becomes what the first is: entry 4 of the second table, where entry 0 is.
            #expect(try guest.request("Qqemu.PhyMemMode:1") == "OK")
            let second = try guest.word(at: guest.register("cr3") & ~0xfff) & ~0xfff
            #expect(try guest.write(WatchGuest.bytes(guest.word(at: second)), at: second + 32) == "OK")
            #expect(try guest.request("Qqemu.PhyMemMode:0") == "OK")
            #expect(try guest.remove(0, at: symbols["factorial"]) == "OK")
            // The guest goes by the old address, which nobody watches, although it leads to the same memory.
            #expect(try guest.insert(0, at: symbols["fibonacci"]) == "OK")
            #expect(try guest.resume().field("swbreak") != nil)
            #expect(try guest.monitor("breakpoints").contains("removed page, hit 0, "))
            // mov rax, [far + counter]
            let load = [0x48, 0xa1] + WatchGuest.bytes(far + counter)
            #expect(try guest.write(load, at: symbols["factorial"]) == "OK")
            #expect(try guest.set("rip", to: symbols["factorial"]) == "OK")
            #expect(try guest.resume().field("awatch") == String(far + counter, radix: 16))
            #expect(try guest.monitor("breakpoints").contains("removed page, hit 1, "))
        }

        // MARK: - gdb

        private func hello(_ commands: [String]) throws -> GDB {
            try GDB.run(Stubvisor(guest: "hello"), symbols: Guest.symbols("hello"), commands)
        }

        @Test("rwatch stops at each read with the value, and not at writes", .needs(.kvm, .gdb))
        func rwatch() throws {
            let gdb = try hello(["rwatch machine.ports.console", "continue", "backtrace", "continue"])
            #expect(gdb["continue"].contains("Hardware read watchpoint 1: machine.ports.console"))
            #expect(gdb["continue"].contains("Value = 1016"))
            #expect(gdb["backtrace"].contains("#0  0x") && gdb["backtrace"].contains("checksum (m="))
            #expect(gdb["continue", 2].contains("exited normally"))
        }

        @Test("awatch stops at the read and at the write of a counter", .needs(.kvm, .gdb))
        func awatch() throws {
            let gdb = try hello(["awatch counter", "continue", "continue", "continue", "delete", "continue"])
            #expect(gdb["continue"].contains("Hardware access (read/write) watchpoint 1: counter"))
            #expect(gdb["continue"].contains("Value = 0"))
            #expect(gdb["continue", 2].contains("Old value = 0") && gdb["continue", 2].contains("New value = 1"))
            #expect(gdb["continue", 3].contains("Value = 1"))
            #expect(gdb["continue", 4].contains("exited normally"))
        }

        @Test("watch, rwatch and awatch at once, with a breakpoint between", .needs(.kvm, .gdb))
        func mixed() throws {
            let gdb = try hello([
                "watch machine.ticks", "rwatch machine.ports.power", "awatch spins", "break fibonacci", "continue",
                "delete 4", "continue", "delete 1", "continue", "continue",
            ])
            #expect(gdb["continue"].contains("Breakpoint 4, fibonacci"))
            #expect(gdb["continue", 2].contains("watchpoint 1: machine.ticks"))
            #expect(gdb["continue", 3].contains("read watchpoint 2: machine.ports.power"))
            #expect(gdb["continue", 4].contains("exited normally"))
        }
    }
}
