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
