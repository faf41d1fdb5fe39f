import Testing

extension Live {
    @Suite("memory") struct Memory {
        @Test(
            "bytes written anywhere are read back, across pages too", .needs(.kvm),
            arguments: [0x20_0000, 0x20_0fff, 0x2f_fff8] as [UInt64])
        func writeAndRead(address: UInt64) throws {
            let guest = try Stubvisor(guest: "hello").attach()
            let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 * 7 + 1) }
            #expect(try guest.write(bytes, at: address) == "OK")
            #expect(try guest.memory(at: address, count: bytes.count) == bytes)
            #expect(try guest.memory(at: address + 4999, count: 1) == [bytes[4999]])
        }

        @Test("binary writes and reads carry every byte value", .needs(.kvm))
        func binary() throws {
            let guest = try Stubvisor(guest: "hello").attach()
            let bytes = (0...255).map { UInt8($0) }
            guest.connection.send(RemoteClient.frame(Array("X200000,100:".utf8) + bytes))
            #expect(try guest.reply() == "OK")
            #expect(try guest.memory(at: 0x20_0000, count: 256) == bytes)
            guest.send("x200000,100")
            #expect(try guest.bytesOfReply() == [UInt8(ascii: "b")] + bytes)
        }

        @Test(
            "gdb 16 reads memory by x, which it takes for there only where it is announced", .needs(.kvm, .trixie),
            .gdb16)
        func binaryInGDB16() throws {
            let stubvisor = try Stubvisor(guest: "hello")
            let greet = try Symbols(guest: "hello")["greet"]
            let dump = "dump binary memory /dev/null \(greet) \(greet + 0x400)"
            let gdb = try GDB(
                stubvisor,
                symbols: Guest.symbols("hello").replacingOccurrences(of: Places.package, with: Trixie.package),
                ["set debug remote 1", "set trust-readonly-sections off", dump, "set debug remote 0", "kill"],
                launcher: Trixie.prefix + ["gdb"], package: Trixie.package)
            try gdb.finish()
            #expect(gdb[dump].contains("Sending packet: $x\(String(greet, radix: 16)),400#"), "\(gdb.transcript)")
            #expect(!gdb[dump].contains("Sending packet: $m"), "\(gdb.transcript)")
        }

        @Test("an address without memory is refused in words, a read that begins in memory ends with it", .needs(.kvm))
        func unmapped() throws {
            let guest = try Stubvisor(guest: "hello", ["--memory", "32M"]).attach()
            #expect(try guest.request("m8000000000,8").hasPrefix("E."))
            #expect(try guest.request("M8000000000,1:00").hasPrefix("E."))
            let end: UInt64 = 32 << 20
            #expect(try guest.memory(at: end - 4, count: 64).count == 4)
        }

        @Test("a planted breakpoint never shows in memory, by whatever read", .needs(.kvm))
        func hiddenBreakpoints() throws {
            let symbols = try Symbols(guest: "hello")
            let guest = try Stubvisor(guest: "hello").attach()
            let tick = try symbols["tick"]
            let clean = try guest.memory(at: tick - 8, count: 32)
            for offset in [0, 1, 4] as [UInt64] { #expect(try guest.insert(0, at: tick + offset) == "OK") }
            #expect(try guest.memory(at: tick - 8, count: 32) == clean)
            for offset in 0..<5 as Range<UInt64> {
                #expect(try guest.memory(at: tick + offset, count: 1) == [clean[8 + Int(offset)]])
            }
            guest.send("x\(String(tick - 8, radix: 16)),20")
            #expect(try guest.bytesOfReply() == [UInt8(ascii: "b")] + clean)
            let pattern = Array("qSearch:memory:\(String(tick - 8, radix: 16));40;".utf8) + clean[8..<16]
            guest.connection.send(RemoteClient.frame(pattern))
            #expect(try guest.reply() == "1," + String(tick, radix: 16))
        }

        @Test("a write over a breakpoint changes the code under it, and the breakpoint stays", .needs(.kvm))
        func writeOverBreakpoint() throws {
            // 0: jmp to itself at 1 after two NOPs.
            let image: [UInt8] = [0x90, 0x90, 0x90, 0xeb, 0xfb]
            let guest = try Stubvisor(flat: image).attach()
            #expect(try guest.insert(0, at: 0x7c01) == "OK")
            // The NOP under the breakpoint becomes INC AX.
            #expect(try guest.write([0x90, 0x40, 0x90], at: 0x7c00) == "OK")
            #expect(try guest.memory(at: 0x7c00, count: 5) == [0x90, 0x40, 0x90, 0xeb, 0xfb])
            let before = try guest.register("eax")
            for round in 0..<3 as Range<UInt64> {
                let stop = try guest.resume()
                #expect(stop.text.contains("swbreak") || stop.text.contains("hwbreak"))
                #expect(try guest.register("eip") == 0x7c01)
                #expect(try guest.register("eax") == before + round)
            }
            #expect(try guest.remove(0, at: 0x7c01) == "OK")
            #expect(try guest.memory(at: 0x7c00, count: 5) == [0x90, 0x40, 0x90, 0xeb, 0xfb])
        }

        @Test("a breakpoint whose bytes the guest copies over is armed again at the next resume", .needs(.kvm))
        func overwritten() throws {
            // realmode copies its far routine to 0x10000, and calls it once.
            let stubvisor = try RealMode.start()
            let guest = try stubvisor.attach()
            #expect(try guest.insert(0, at: 0x1_0000) == "OK")
            // By the time of `square` the copy is done; the resume after this stop arms what was overwritten.
            let square = try Symbols(guest: "realmode")["square"]
            #expect(try guest.insert(0, at: square) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.remove(0, at: square) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.register("eip") == 0x1_0000)
            guest.send("vCont;c")
            #expect(try guest.stop().kind == "W00")
            #expect(try stubvisor.program.end().output.contains("the far routine agrees"))
        }

        @Test("the interrupt controllers' registers are read through them, a hole in the map is refused", .needs(.kvm))
        func devices() throws {
            let guest = try Stubvisor(guest: "hello").attach()
            // Intel SDM volume 3, section 11.4.8: 0x10 to 0x15, and the number of the last vector entry.
            let version = try guest.memory(at: 0xfee0_0030, count: 4)
            #expect((0x10...0x15).contains(version[0]) && version[2] >= 3, "\(version)")
            #expect(try guest.memory(at: 0xfec0_0000, count: 0x14).count == 0x14)
            #expect(try guest.request("mfed00000,4").contains("neither memory nor a device"))
            #expect(try guest.request("Mfee00080,4:01000000").hasPrefix("E."))
            #expect(try guest.memory(at: 0xfee0_0080, count: 4) == [0, 0, 0, 0])
            #expect(try guest.resume("s").kind == "T05")
        }

        @Test(
            "gdb reads kernel addresses though it has a memory map, and dumps megabytes as they are", .needs(.kvm, .gdb)
        )
        func mapInGDB() throws {
            let dump = Places.scratch + "/dump.bin"
            let gdb = try GDB.run(
                Stubvisor(guest: "slide"), symbols: Guest.symbols("slide"),
                [
                    "set mem inaccessible-by-default on", "info mem", "x/i 0xffffffff81000000",
                    "x/xw 0xffff900000000000",
                    "dump binary memory \(dump) 0x1000000 0x1300000",
                    "dump binary memory \(dump).high 0xffffffff81000000 0xffffffff81001000", "monitor info tlb",
                ])
            #expect(gdb["info mem"].contains("provided by the target"))
            #expect(gdb["x/i 0xffffffff81000000"].contains("<_start>"))
            #expect(gdb["x/xw 0xffff900000000000"].contains("Cannot access memory"))
            let (low, high) = (try Places.bytes(dump), try Places.bytes(dump + ".high"))
            #expect(low.count == 0x30_0000 && high.count == 0x1000 && Array(low.prefix(0x1000)) == high)
            #expect(gdb["monitor info tlb"].contains("0xffffffff81000000-"))
        }

        @Test("a client that asks and asks, and listens only at the end, gets every answer", .needs(.kvm))
        func pipelined() throws {
            let guest = try Stubvisor(guest: "hello").attach()
            let expected = try guest.memory(at: 0x10_0000, count: 0x4000)
            // More than a MiB of replies, which is what the server owes at most.
            let count = 80
            guest.connection.send((0..<count).flatMap { _ in RemoteClient.frame(Array("x100000,4000".utf8)) })
            for number in 0..<count {
                let reply = try guest.bytesOfReply()
                guard reply.dropFirst() == expected[...] else {
                    Issue.record("reply \(number) has \(reply.count) bytes")
                    return
                }
            }
            #expect(try guest.request("qC").hasPrefix("QC"))
        }

        @Test("gdb writes an array and a string, and finds them", .needs(.kvm, .gdb))
        func inGDB() throws {
            let gdb = try GDB.run(
                Stubvisor(guest: "hello"), symbols: Guest.symbols("hello"),
                [
                    "set {char[6]} 0x200000 = \"house\"", "x/s 0x200000", "find /b 0x1ff000, 0x201000, 'o', 'u', 's'",
                    "set {unsigned long} 0x200ffc = 0x1122334455667788", "x/8xb 0x200ffc", "compare-sections .text",
                ])
            #expect(gdb["x/s 0x200000"].hasSuffix("\"house\""))
            #expect(gdb["find /b 0x1ff000, 0x201000, 'o', 'u', 's'"].contains("0x200001"))
            #expect(gdb["x/8xb 0x200ffc"].contains("0x88\t0x77\t0x66\t0x55\t0x44\t0x33\t0x22\t0x11"))
            #expect(gdb["compare-sections .text"].contains("matched"))
        }
    }
}
