import Foundation
import Testing

extension Live {
    /// Each vCPU stops and resumes by itself. GDB manual, "Remote Non-Stop".
    @Suite("non-stop mode") struct NonStop {
        /// A guest whose vCPUs count forever once both have come by `count`, where both stand.
        private func counting() throws -> (guest: RemoteClient, symbols: Symbols) {
            let symbols = try Symbols(guest: "smp")
            let guest = try Stubvisor(guest: "smp", ["--cpus", "2"]).attach()
            #expect(try guest.request("QNonStop:1") == "OK")
            #expect(try guest.write([1, 0, 0, 0], at: symbols["forever"]) == "OK")
            #expect(try guest.insert(0, at: symbols["count"]) == "OK")
            #expect(try guest.request("vCont;c") == "OK")
            let threads = try stops(2, of: guest).map { $0.field("thread") }
            #expect(Set(threads) == ["p1.1", "p1.2"])
            #expect(try guest.remove(0, at: symbols["count"]) == "OK")
            return (guest, symbols)
        }

        /// The next `count` stops or more: the first of a round is notified, vStopped asks for the others.
        private func stops(_ count: Int, of guest: RemoteClient) throws -> [RemoteClient.Stop] {
            var stops: [RemoteClient.Stop] = []
            while stops.count < count {
                var text = try guest.notification()
                #expect(text.hasPrefix("Stop:"))
                text.removeFirst(5)
                while text != "OK" {
                    stops.append(RemoteClient.Stop(text: text))
                    text = try guest.request("vStopped")
                }
            }
            return stops
        }

        @Test("memory is read and counts on while a vCPU runs, and the other is stopped", .needs(.kvm))
        func memoryWhileRunning() throws {
            let (guest, symbols) = try counting()
            let counters = try symbols["counters"]
            #expect(try guest.request("vCont;c:p1.1") == "OK")
            let other = try guest.word(at: counters + 8)
            var last = try guest.word(at: counters)
            for _ in 0..<20 {
                let now = try guest.word(at: counters, differingFrom: last)
                #expect(now > last, "vCPU 0 counts while it is asked")
                last = now
            }
            #expect(try guest.word(at: counters + 8) == other, "vCPU 1 was not resumed")
            #expect(try guest.request("vCont;t:p1.1") == "OK")
            let stop = try stops(1, of: guest)[0]
            #expect(stop.kind == "T00")
            #expect(stop.field("thread") == "p1.1")
            let end = try guest.word(at: counters)
            #expect(try guest.word(at: counters) == end)
        }

        @Test("a breakpoint set while both run stops one, and the other runs on", .needs(.kvm))
        func breakpointWhileRunning() throws {
            let (guest, symbols) = try counting()
            let counters = try symbols["counters"]
            #expect(try guest.request("vCont;c:p1.1") == "OK")
            for _ in 0..<10 {
                #expect(try guest.insert(0, at: symbols["work"]) == "OK")
                let stop = try stops(1, of: guest)[0]
                #expect(stop.kind == "T05")
                #expect(stop.field("thread") == "p1.1")
                #expect(try guest.register("rip") == symbols["work"])
                #expect(try guest.remove(0, at: symbols["work"]) == "OK")
                // While the first stands the second goes.
                let (mine, others) = (try guest.word(at: counters), try guest.word(at: counters + 8))
                #expect(try guest.request("vCont;c:p1.2") == "OK")
                #expect(try guest.word(at: counters + 8, differingFrom: others) > others)
                #expect(try guest.word(at: counters) == mine)
                #expect(try guest.request("vCont;t:p1.2") == "OK")
                #expect(try stops(1, of: guest)[0].field("thread") == "p1.2")
                #expect(try guest.request("vCont;c:p1.1") == "OK")
            }
        }

        @Test("every hit of two vCPUs is reported, and each resumes from its own", .needs(.kvm))
        func exactHits() throws {
            let (guest, symbols) = try counting()
            let counters = try symbols["counters"]
            let before = [try guest.word(at: counters), try guest.word(at: counters + 8)]
            #expect(try guest.insert(0, at: symbols["work"]) == "OK")
            #expect(try guest.request("vCont;c") == "OK")
            var hits: [UInt64] = [0, 0]
            while hits[0] + hits[1] < 500 {
                for stop in try stops(1, of: guest) {
                    guard stop.kind == "T05", let thread = stop.field("thread"), let cpu = Int(thread.suffix(1)) else {
                        Issue.record("\(stop.text)")
                        return
                    }
                    hits[cpu - 1] += 1
                    #expect(try guest.word(at: counters + UInt64(cpu - 1) * 8) == before[cpu - 1] + hits[cpu - 1] - 1)
                    #expect(try guest.request("vCont;c:\(thread)") == "OK")
                }
            }
            #expect(hits[0] > 0 && hits[1] > 0, "\(hits)")
        }

        @Test("a step of one vCPU is one instruction, however often the machine pauses for the other", .needs(.kvm))
        func stepBesideRunning() throws {
            let (guest, symbols) = try counting()
            #expect(try guest.request("vCont;c:p1.2") == "OK")
            #expect(try guest.request("Hgp1.1") == "OK")
            var places: [UInt64] = []
            for _ in 0..<50 {
                #expect(try guest.request("vCont;s:p1.1") == "OK")
                _ = try guest.word(at: symbols["counters"])
                let stop = try stops(1, of: guest)[0]
                #expect(stop.kind == "T05" && stop.field("thread") == "p1.1", "\(stop.text)")
                places.append(try guest.register("rip"))
            }
            // The same steps with nobody else moving: the loop is the same, so are its addresses.
            let alone = try Stubvisor(guest: "smp").attach()
            #expect(try alone.write([1, 0, 0, 0], at: symbols["forever"]) == "OK")
            #expect(try alone.insert(0, at: symbols["count"]) == "OK")
            #expect(try alone.resume().kind == "T05")
            #expect(try alone.remove(0, at: symbols["count"]) == "OK")
            let expected = try (0..<50).map { _ in
                _ = try alone.resume("vCont;s:p1.1")
                return try alone.register("rip")
            }
            #expect(places == expected)
        }

        @Test("the guest's end is reported, and to the next client so is a machine that is stopped", .needs(.kvm))
        func ending() throws {
            let server = try Stubvisor(guest: "hello")
            let guest = try server.attach()
            #expect(try guest.request("QNonStop:1") == "OK")
            #expect(try guest.request("vCont;c") == "OK")
            #expect(try guest.notification().hasPrefix("Stop:W00"))
            #expect(try server.program.end().status == 0)
        }

        @Test("a client that is gone leaves everyone standing for the next", .needs(.kvm))
        func lost() throws {
            let symbols = try Symbols(guest: "smp")
            let server = try Stubvisor(guest: "smp", ["--cpus", "2"])
            do {
                let guest = try server.attach()
                #expect(try guest.request("QNonStop:1") == "OK")
                #expect(try guest.request("vCont;c") == "OK")
                _ = try guest.word(at: symbols["counters"])
            }
            let next = try server.attach()
            #expect(try next.request("?").hasPrefix("T05"))
            #expect(try next.resume().kind == "W00")
        }

        @Test(
            "gdb in non-stop mode stops, reads and steps one thread while the other counts", .needs(.kvm, .gdb))
        func gdb() throws { try session(["gdb"], package: Places.package) }

        @Test("gdb 16 does too", .needs(.kvm, .trixie), .gdb16)
        func gdb16() throws { try session(Trixie.prefix + ["gdb"], package: Trixie.package) }

        private func session(_ launcher: [String], package: String) throws {
            let symbols = try Guest.symbols("smp").replacingOccurrences(of: Places.package, with: package)
            let gdb = try GDB(
                Stubvisor(guest: "smp", ["--cpus", "2"]), symbols: symbols, before: ["set non-stop on"],
                [
                    "set var forever = 1", "tbreak main", "continue", "thread 2", "continue", "thread 1",
                    "tbreak count thread 1", "continue", "stepi", "print counters[1] > 0", "info threads",
                ], launcher: launcher, package: package)
            try gdb.finish(within: 60)
            #expect(gdb["continue", 3].contains("count (cpu=0)"), "\(gdb.transcript)")
            #expect(gdb["stepi"].contains("0x"), "\(gdb.transcript)")
            #expect(gdb["print counters[1] > 0"].hasSuffix("= 1"), "\(gdb.transcript)")
            let threads = gdb["info threads"].split(separator: "\n")
            #expect(threads.last?.hasSuffix("(running)") == true, "\(gdb.transcript)")
        }
    }
}
