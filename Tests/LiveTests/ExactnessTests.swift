import Testing

extension Live {
    /// Large numbers of hits, of which every one counts.
    @Suite("exact hits") struct ExactHits {
        /// Each stop is checked against the guest's own counter: a stop that was lost or reported twice is off by one.
        @Test("two vCPUs that hit one breakpoint 10,000 times each stop 20,000 times", .needs(.kvm))
        func everyHitStops() throws {
            let rounds = UInt64(Patience.rounds(10_000))
            let symbols = try Symbols(guest: "smp")
            let server = try Stubvisor(guest: "smp", ["--cpus", "2"])
            let guest = try server.attach()
            let bytes = (0..<8).map { UInt8(truncatingIfNeeded: rounds >> ($0 * 8)) }
            #expect(try guest.write(bytes, at: symbols["rounds"]) == "OK")
            #expect(try guest.insert(0, at: symbols["work"]) == "OK")
            let (work, counters) = (try symbols["work"], try symbols["counters"])
            var hits: [String: UInt64] = ["p1.1": 0, "p1.2": 0]
            var stop = try guest.resume(within: 60)
            while stop.kind == "T05" {
                let thread = try #require(stop.field("thread"))
                let processor: UInt64 = thread == "p1.2" ? 1 : 0
                // The counter is raised behind the breakpoint.
                let counted = try guest.word(at: counters + 8 * processor)
                let isExact = try counted == hits[thread] && guest.register("rip") == work
                try #require(isExact, "\(thread) stopped after \(hits), the guest counted \(counted): \(stop.text)")
                hits[thread, default: 0] += 1
                stop = try guest.resume(within: 60)
            }
            #expect(stop.kind == "W00", "\(stop.text)")
            #expect(hits == ["p1.1": rounds, "p1.2": rounds])
            let output = try server.program.end().output
            for cpu in 0..<2 { #expect(output.contains("cpu \(cpu) counted \(rounds)\n"), "\(output)") }
        }

        @Test("a condition that is false 1,000,000 times sends no packet, and is true the next time", .needs(.kvm))
        func everyFalseConditionGoesOn() throws {
            let count = UInt32(Patience.rounds(1_000_000))
            let symbols = try Symbols(guest: "loop32")
            let guest = try Stubvisor(guest: "loop32").attach()
            // ref32 of rounds == count
            func word(_ value: UInt32) -> [UInt8] {
                (0..<4).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
            }
            let rounds = try symbols["rounds"]
            let program = [0x24] + word(UInt32(rounds)) + [0x19, 0x24] + word(count) + [0x13, 0x27]
            let condition = ";X\(String(program.count, radix: 16)),\(RemoteClient.hex(program))"
            let place = try String(symbols["step_target"], radix: 16)
            #expect(try guest.request("Z0,\(place),1\(condition)") == "OK")
            // The first packet that comes is the stop.
            let stop = try guest.resume(within: 900)
            #expect(stop.kind == "T05" && guest.console.isEmpty, "\(stop.text) \(guest.console)")
            #expect(try guest.register("eip") == symbols["step_target"])
            #expect(try guest.memory(at: rounds, count: 4) == word(count).reversed())
            // ECX counts the calls behind the breakpoint.
            #expect(try guest.register("ecx") == UInt64(count))
            // Each of them was an exit.
            let exits = try guest.monitor("info exits").split(separator: "\n").last?.split(separator: " ").last
            #expect(Int(exits ?? "") ?? 0 > count, "\(exits ?? "none")")
        }
    }
}
