import Foundation
import Testing

extension Live {
    @Suite("monitor") struct Monitor {
        private func attached() throws -> RemoteClient { try Stubvisor(guest: "hello").attach() }

        @Test("help lists every command, and explains each one it lists", .needs(.kvm))
        func help() throws {
            let guest = try attached()
            let list = try guest.monitor("help")
            for name in ["help", "why", "status", "info registers", "info exits", "capabilities", "quit"] {
                #expect(list.contains("\n" + name) || list.hasPrefix(name), "\(name)")
            }
            for line in list.split(separator: "\n") {
                let name = line.components(separatedBy: "  ")[0].components(separatedBy: " [")[0]
                let text = try guest.monitor("help " + name)
                #expect(text.contains(": ") && !text.contains("error"), "\(name)")
            }
        }

        @Test("why says what the last stop was about", .needs(.kvm))
        func why() throws {
            let symbols = try Symbols(guest: "hello")
            let guest = try attached()
            #expect(try guest.monitor("why").contains("held for the debugger"))
            #expect(try guest.resume("s").kind == "T05")
            #expect(try guest.monitor("why").contains("step done"))
            let greet = try symbols["greet"]
            _ = try guest.insert(0, at: greet)
            _ = try guest.resume()
            #expect(try guest.monitor("why").contains("breakpoint at 0x" + String(greet, radix: 16)))
        }

        @Test("status names guest, memory and each vCPU", .needs(.kvm))
        func status() throws {
            let guest = try Stubvisor(guest: "smp", ["--cpus", "2", "--memory", "64M"]).attach()
            let text = try guest.monitor("status")
            #expect(text.contains("smp.elf: 64 MiB, 2 vCPUs"))
            #expect(text.contains("vCPU 0: runnable, long mode CPL0"))
            #expect(text.contains("vCPU 1: waiting for a start-up interrupt"))
        }

        @Test("info registers shows what p gives, of any vCPU", .needs(.kvm))
        func registers() throws {
            let guest = try Stubvisor(guest: "smp", ["--cpus", "2"]).attach()
            _ = try guest.set("r9", to: 0x1234_5678_9abc)
            let text = try guest.monitor("info registers")
            #expect(text.contains("123456789abc"))
            #expect(text.contains(String(try guest.register("rip"), radix: 16)))
            for name in ["cr3", "efer", "gdtr_base", "lstar"] { #expect(text.contains(name), "\(name)") }
            #expect(try !guest.monitor("info registers 1").contains("123456789abc"))
            #expect(try guest.monitor("info registers 2").contains("error: 2 is no vCPU"))
        }

        @Test("info exits counts the guest's port accesses", .needs(.kvm))
        func exits() throws {
            let symbols = try Symbols(guest: "hello")
            let guest = try attached()
            #expect(try guest.insert(0, at: symbols["greet"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            let text = try guest.monitor("info exits")
            let row = text.split(separator: "\n").first { $0.lowercased().hasPrefix("io") }
            let count = row?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
            // A read of the line status and a write of the data for each byte of "hello from the guest\n".
            #expect(count == 2 * "hello from the guest\n".count, "\(text)")
            #expect(try guest.monitor("exits reset").contains("zero"))
            #expect(try guest.monitor("info exits").contains("no exits yet"))
        }

        @Test("capabilities says what doctor says", .needs(.kvm))
        func capabilities() throws {
            let doctor = try Program.run([Places.stubvisor, "doctor"])
            #expect(doctor.status == 0)
            #expect(try attached().monitor("capabilities") == doctor.output)
        }

        @Test("unique abbreviations work, others and unknown words are distinguished", .needs(.kvm))
        func abbreviations() throws {
            let guest = try attached()
            #expect(try guest.monitor("w") == guest.monitor("why"))
            #expect(try guest.monitor("info r") == guest.monitor("info registers"))
            #expect(try guest.monitor("info").contains("info exits"))
            #expect(try guest.monitor("fly").contains("no command \"fly\""))
        }

        @Test("quit ends the machine", .needs(.kvm))
        func quit() throws {
            let stubvisor = try Stubvisor(guest: "hello")
            let guest = try stubvisor.attach()
            _ = try? guest.monitor("quit")
            #expect(try stubvisor.program.end().status == 0)
        }

        @Test("gdb shows the answers, and those of the script's why and cpus", .needs(.kvm, .gdb))
        func inGDB() throws {
            let gdb = try GDB.run(
                Stubvisor(guest: "hello"), symbols: Guest.symbols("hello"),
                ["break greet", "continue", "monitor why", "why", "cpus", "help csip", "monitor help why"])
            #expect(gdb["monitor why"].contains("vCPU 0: breakpoint at 0x"))
            #expect(gdb["why"] == gdb["monitor why"])
            #expect(gdb["cpus"].contains("long mode CPL0"))
            #expect(gdb["monitor help why"].contains("why the machine is stopped"))
        }

        @Test("a caught port stops the guest behind the access, with what was written", .needs(.kvm))
        func caughtPort() throws {
            let guest = try Stubvisor(guest: "hello").attach()
            #expect(try guest.monitor("catch io 0x3f8").contains("0x3f8"))
            for letter in "hello" {
                #expect(try guest.resume().kind == "T05")
                #expect(
                    guest.console.hasSuffix(
                        "wrote 0x\(String(letter.asciiValue ?? 0, radix: 16)) to port 0x3f8 (8 bits)\n"))
            }
            #expect(try guest.monitor("why").contains("caught"))
            _ = try guest.monitor("uncatch 1")
            #expect(try guest.resume().kind == "W00")
        }
    }
}
