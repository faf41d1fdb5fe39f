import Testing

extension Live {
    /// What a KVM with VT-x or SVM does and one in software does not: INT3 that exits, debug registers that see data,
    /// the processor's own vector registers.
    @Suite("means that hardware gives") struct Hardware {
        /// The guest's exits as debug events, of all vCPUs.
        private func debugExits(_ guest: RemoteClient) throws -> Int {
            let line = try guest.monitor("info exits").split(separator: "\n").first { $0.hasPrefix("debug ") }
            return line.flatMap { Int($0.split(separator: " ")[1]) } ?? 0
        }

        @Test(
            "17 breakpoints in real mode exit as INT3, and the guest's own INT3 between them is the guest's",
            .needs(.kvm, .finding("real_breakpoint", .exits)))
        func realMode() throws {
            let stubvisor = try Stubvisor(flat: RealMode.traps)
            let guest = try stubvisor.attach()
            // Every instruction but the first, in the order in which they are reached: INT3 at 1e leads to 2f, INT at 1f
            // to 35.
            let places = [
                0x02, 0x04, 0x06, 0x09, 0x0c, 0x12, 0x15, 0x1b, 0x1e, 0x2f, 0x34, 0x1f, 0x35, 0x3a, 0x21, 0x24, 0x26,
            ].map { 0x7c00 + UInt64($0) }
            for place in places { #expect(try guest.insert(0, at: place) == "OK") }
            #expect(try guest.memory(at: 0x7c00, count: RealMode.traps.count) == RealMode.traps)
            for place in places.dropLast() {
                #expect(try guest.resume().field("swbreak") != nil)
                #expect(try guest.register("eip") == place)
            }
            #expect(try guest.memory(at: 0x500, count: 1) == [3], "both handlers ran")
            #expect(try debugExits(guest) >= places.count - 1)
            #expect(try guest.resume().kind == "W07")
        }

        @Test(
            "breakpoints exit as INT3 on, behind and in the handler of the guest's own INT3, in kernel and user mode",
            .needs(.kvm, .finding("kernel_breakpoint", .exits), .finding("user_breakpoint", .exits)),
            arguments: [("traps", "main", nil), ("user", "trap", "traps_wanted")] as [(String, String, String?)])
        func ownBreakpoint(name: String, function: String, setting: String?) throws {
            let symbols = try Symbols(guest: name)
            let stubvisor = try Stubvisor(guest: name)
            let guest = try stubvisor.attach()
            if let setting { #expect(try guest.write([1, 0, 0, 0], at: symbols[setting]) == "OK") }
            let code = try guest.memory(at: symbols[function], count: 0x100)
            let own = try symbols[function] + UInt64(try #require(code.firstIndex(of: 0xcc)))
            let places = [own, try symbols["on_breakpoint"], own + 1]
            for place in places { #expect(try guest.insert(0, at: place) == "OK") }
            for count in 0..<3 as Range<UInt64> {
                for (place, handled) in zip(places, [count, count, count + 1]) {
                    #expect(try guest.resume().field("swbreak") != nil)
                    #expect(try guest.register("rip") == place)
                    #expect(try guest.word(at: symbols["breakpoints"]) == handled)
                }
            }
            #expect(try debugExits(guest) >= 9)
            #expect(try guest.resume().kind == "W00")
            #expect(try stubvisor.program.end().output.contains("breakpoints 3\n"))
        }

        @Test(
            "four watchpoints are debug registers, the fifth is a page, and each access is reported once",
            .needs(.kvm, .finding("kernel_data_breakpoint", .yes)))
        func watchpoints() throws {
            let guest = try WatchGuest()
            let watchpoints = [(2, 0x100), (4, 0x140), (2, 0x180), (4, 0x1c0), (2, 0x4000)].map { kind, offset in
                WatchGuest.Watchpoint(kind: kind, address: guest.arena + UInt64(offset))
            }
            let touches = watchpoints.reversed().flatMap { watchpoint in
                [.store, .load, .lockedAdd, .add].map { (how: WatchGuest.How) in
                    WatchGuest.Touch(how: how, address: watchpoint.address)
                }
            }
            try guest.prepare(touches)
            for watchpoint in watchpoints { #expect(try guest.insert(watchpoint) == "OK") }
            let expected = WatchGuest.expected(touches, watchpoints)
            var reports: [WatchGuest.Report] = []
            while reports.count < expected.count, let report = try guest.next() { reports.append(report) }
            #expect(reports == expected)
            let means = try guest.client.monitor("breakpoints")
            for number in 0..<4 { #expect(means.contains("debug register \(number), hit "), "\(means)") }
            #expect(means.contains("read-only page") || means.contains("removed page"), "\(means)")
            #expect(try guest.next() == nil)
        }

        @Test(
            "a store over two debug registers is reported for both",
            .needs(.kvm, .finding("kernel_data_breakpoint", .yes), .severalHits))
        func twoAtOnce() throws {
            let guest = try WatchGuest()
            let places = [guest.arena + 0x100, guest.arena + 0x104]
            try guest.prepare([WatchGuest.Touch(how: .store, address: places[0])])
            for place in places {
                #expect(try guest.insert(WatchGuest.Watchpoint(kind: 2, address: place, count: 4)) == "OK")
            }
            for place in places { #expect(try guest.next()?.address == place) }
            #expect(try guest.next() == nil)
        }

        // MARK: - AVX-512

        /// vpaddq zmm1{k1}{z}, zmm17, zmm18; vmovdqu64 [rdi], zmm1; kmovq rax, k1; kxnorq k2, k2, k2;
        /// vmovdqu64 zmm31, [rdi]; nop
        private static let wide: [UInt8] = [
            0x62, 0xb1, 0xf5, 0xc1, 0xd4, 0xca, 0x62, 0xf1, 0xfe, 0x48, 0x7f, 0x0f, 0xc4, 0xe1, 0xfb, 0x93, 0xc1,
            0xc4, 0xe1, 0xec, 0x46, 0xd2, 0x62, 0x61, 0xfe, 0x48, 0x6f, 0x3f, 0x90,
        ]

        /// A whole zmm register, which the protocol has in parts.
        private func parts(_ number: Int) -> [(name: String, bytes: Range<Int>)] {
            [("xmm\(number)", 0..<16), ("ymm\(number)h", 16..<32), ("zmm\(number)h", 32..<64)]
        }

        private func words(_ values: [UInt64]) -> [UInt8] { values.flatMap(WatchGuest.bytes) }

        @Test(
            "AVX-512 registers that a client writes are the processor's, and what it computes is read back",
            .needs(.kvm, .avx512, .finding("emulates_kernel_mode", .no)), arguments: ["vCont;c", "vCont;s"])
        func wideVectors(packet: String) throws {
            let guest = try Stubvisor(flat: Self.wide + [0xf4], mode: "long", name: "wide").attach()
            let (origin, place) = (try guest.register("rip"), 0x20_0000 as UInt64)
            // CR4.OSXSAVE, and every component of AVX-512.
            #expect(try guest.set("cr4", to: guest.register("cr4") | 1 << 18) == "OK")
            #expect(try guest.set("xcr0", to: 0xe7) == "OK")
            let first = words((1...8).map { UInt64($0) << 40 | 7 })
            let second = words((1...8).map { UInt64($0) << 8 })
            for (number, bytes) in [(17, first), (18, second)] {
                for part in parts(number) { #expect(try guest.set(part.name, to: Array(bytes[part.bytes])) == "OK") }
            }
            #expect(try guest.set("k1", to: 0xa5) == "OK")
            #expect(try guest.set("rdi", to: place) == "OK")
            let end = origin + UInt64(Self.wide.count - 1)
            #expect(try guest.insert(0, at: end) == "OK")
            var stops = 0
            repeat {
                #expect(try guest.resume(packet).kind == "T05")
                stops += 1
            } while try stops < 10 && guest.register("rip") != end
            #expect(stops == (packet == "vCont;c" ? 1 : 5))
            let sum = words(
                (1...8).map { 0xa5 >> (UInt64($0) - 1) & 1 == 1 ? UInt64($0) << 40 + 7 + UInt64($0) << 8 : 0 })
            #expect(try guest.memory(at: place, count: 64) == sum)
            for number in [1, 31] {
                for part in parts(number) { #expect(try guest.bytes(of: part.name) == Array(sum[part.bytes])) }
            }
            for part in parts(17) { #expect(try guest.bytes(of: part.name) == Array(first[part.bytes])) }
            #expect(try guest.register("rax") == 0xa5 && guest.register("k2") == .max)
        }
    }
}
