import Testing

extension Live {
    /// The guest `slide` moves its own mapping as a Linux kernel with KASLR does.
    @Suite("sliding kernels") struct Slide {
        private static let slide: UInt64 = 0x1a00_0000

        /// Stopped at the guest's function `name`, where it runs.
        private func stopped(at name: String, _ stubvisor: Stubvisor) throws -> RemoteClient {
            let place = try Symbols(guest: "slide")[name] + Self.slide
            let guest = try stubvisor.attach()
            #expect(try guest.insert(1, at: place) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.remove(1, at: place) == "OK")
            #expect(try guest.register("rip") == place)
            return guest
        }

        @Test("the slide is known from page tables first, and from the kernel's note once there is one", .needs(.kvm))
        func sources() throws {
            let stubvisor = try Stubvisor(guest: "slide")
            let guest = try stopped(at: "arrived", stubvisor)
            #expect(try guest.request("qOffsets") == "TextSeg=ffffffff9b000000")
            #expect(try guest.monitor("kaslr").contains("0x1a000000 above where it was linked, as its page tables"))
            let work = try Symbols(guest: "slide")["work"] + Self.slide
            #expect(try guest.insert(1, at: work) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.request("qOffsets") == "TextSeg=ffffffff9b000000")
            let text = try guest.monitor("kaslr")
            #expect(text.contains("Linux 6.1.0-slide") && text.contains("VMCOREINFO"))
            // Before the guest has moved again the note of its last life is still in memory.
            _ = try guest.monitor("reset")
            #expect(try guest.request("qOffsets") == "TextSeg=ffffffff81000000")
        }

        @Test("a guest that is no Linux kernel has none", .needs(.kvm))
        func none() throws {
            let guest = try Stubvisor(guest: "hello").attach()
            #expect(try guest.request("qOffsets") == "")
            #expect(try guest.monitor("kaslr").contains("nothing is executable"))
            let real = try Stubvisor(flat: [0xeb, 0xfe]).attach()
            #expect(try real.request("qOffsets") == "")
            #expect(try real.monitor("kaslr").contains("long mode"))
        }

        @Test("gdb that attaches to a kernel that has moved has its symbols moved along", .needs(.kvm, .gdb))
        func attaching() throws {
            let stubvisor = try Stubvisor(guest: "slide")
            // A client that leaves without a word leaves the guest as it is.
            _ = try stopped(at: "arrived", stubvisor)
            let gdb = try GDB.run(
                stubvisor, symbols: Guest.symbols("slide"),
                [
                    "backtrace", "info symbol $pc", "print banner", "break work", "continue", "print steps", "finish",
                    "set var done = 1", "delete", "continue",
                ])
            #expect(gdb["backtrace"].hasPrefix("#0  arrived () at "))
            #expect(gdb["backtrace"].contains("#1  0xffffffff9b") && gdb["backtrace"].contains(" in main () at "))
            #expect(gdb["info symbol $pc"].hasPrefix("arrived in section .text"))
            #expect(gdb["print banner"].contains("Linux version 6.1.0-slide"))
            #expect(gdb["continue"].contains("Breakpoint 1, work ()"))
            #expect(gdb["print steps"].hasSuffix("= 0"))
            #expect(gdb["finish"].contains("main () at "))
            #expect(gdb["continue", 2].contains("exited normally"))
        }

        @Test("gdb that was there before loads its symbols again by what monitor kaslr says", .needs(.kvm, .gdb))
        func reloading() throws {
            let place = try Symbols(guest: "slide")["arrived"] + Self.slide
            let symbols = try Guest.symbols("slide")
            let gdb = try GDB.run(
                Stubvisor(guest: "slide"), symbols: symbols,
                [
                    "hbreak *0x\(String(place, radix: 16))", "continue", "info symbol $pc", "monitor kaslr",
                    "symbol-file -o 0x1a000000 \(symbols)", "info symbol $pc", "backtrace",
                ])
            #expect(gdb["info symbol $pc"].contains("No symbol"))
            #expect(gdb["monitor kaslr"].contains("symbol-file -o 0x1a000000"))
            #expect(gdb["info symbol $pc", 2].contains("arrived in section .text"))
            #expect(gdb["backtrace"].contains(" in main () at "))
        }
    }
}
