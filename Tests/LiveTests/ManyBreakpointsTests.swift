import Testing

extension Live {
    @Suite("many breakpoints") struct ManyBreakpoints {
        /// `nop` over and over, then a zero to the debug-exit port; in 64-bit mode, at 1 MiB.
        private func sled(_ count: Int) -> [UInt8] {
            [UInt8](repeating: 0x90, count: count) + [0x31, 0xc0, 0xe6, 0xf4, 0xf4]
        }

        private let start: UInt64 = 0x10_0000

        @Test("a thousand at once are all hit, in their order, and counted", .needs(.kvm))
        func thousand() throws {
            let guest = try Stubvisor(flat: sled(1000), mode: "long").attach()
            for place in start..<start + 1000 { #expect(try guest.insert(0, at: place) == "OK") }
            // The first is where the guest stands; it is hit like the others.
            for place in start..<start + 1000 {
                let stop = try guest.resume()
                guard stop.field("swbreak") != nil, try guest.register("rip") == place else {
                    Issue.record("\(stop.text) instead of \(String(place, radix: 16))")
                    return
                }
            }
            let lines = try guest.monitor("breakpoints").split(separator: "\n")
            let others = lines.filter { !$0.contains("breakpoint: planted, hit 1") }
            #expect(lines.count == 1000 && others.isEmpty, "\(others.prefix(8))")
            #expect(try guest.memory(at: start, count: 1005) == sled(1000))
            for place in start..<start + 1000 { #expect(try guest.remove(0, at: place) == "OK") }
            #expect(try guest.resume().kind == "W01")
        }

        @Test("a condition that is false is counted as a hit without a stop", .needs(.kvm))
        func falseHits() throws {
            let symbols = try Symbols(guest: "hello")
            let guest = try Stubvisor(guest: "hello").attach()
            let tick = String(try symbols["tick"], radix: 16)
            // The ten calls of tick() find counter at 0 to 9: const64 counter, ref64, const8 7, equal.
            let counter = try symbols["counter"]
            let address = (0..<8).reversed().map { UInt8(truncatingIfNeeded: counter >> (8 * UInt64($0))) }
            let condition = RemoteClient.hex([0x25] + address + [0x1a, 0x22, 7, 0x13, 0x27])
            #expect(try guest.request("Z0,\(tick),1;X\(String(condition.count / 2, radix: 16)),\(condition)") == "OK")
            #expect(try guest.resume().field("swbreak") != nil)
            #expect(try guest.word(at: counter) == 7)
            #expect(try guest.monitor("breakpoints").contains("planted, hit 8, 7 of them without a stop"))
        }
    }
}
