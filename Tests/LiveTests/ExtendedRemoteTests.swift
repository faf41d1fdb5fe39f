import Foundation
import Testing

extension Live {
    /// A real gdb's extended-remote outlives the guest's process.
    @Suite("extended-remote") struct ExtendedRemote {
        enum Client: CaseIterable, Sendable { case gdb13, gdb16 }

        /// gdb connected by extended-remote, with the guest's symbols, and done.
        private func play(_ client: Client, _ stubvisor: Stubvisor, _ commands: [String]) throws -> GDB {
            let symbols = try Guest.symbols("hello")
            let gdb =
                switch client {
                case .gdb13:
                    try GDB(stubvisor, symbols: symbols, commands, target: "extended-remote")
                case .gdb16:
                    try GDB(
                        stubvisor, symbols: symbols.replacingOccurrences(of: Places.package, with: Trixie.package),
                        commands, launcher: Trixie.prefix + ["gdb"], package: Trixie.package, target: "extended-remote")
                }
            try gdb.finish()
            return gdb
        }

        private func session(_ client: Client) throws {
            let stubvisor = try Stubvisor(guest: "hello")
            let gdb = try play(
                client, stubvisor,
                [
                    "break greet", "continue", "delete", "continue", "info inferiors", "break checksum", "run", "kill",
                    "start", "set var spin = 1", "detach", "monitor why", "attach 1", "print spin",
                    "set var spin = 0", "delete", "break power_off", "continue", "tbreak main", "kill", "attach 1",
                    "continue", "kill", "attach 7", "attach 1", "continue", "kill",
                ])
            let said = Comment(rawValue: gdb.transcript)
            #expect(gdb["continue"].contains("Breakpoint 1, greet"), said)
            #expect(gdb["continue", 2].contains("exited normally"), said)
            #expect(gdb["info inferiors"].contains("<null>"), said)
            #expect(gdb["run"].contains("Breakpoint 2, checksum"), said)
            #expect(gdb["start"].contains("main ("), said)
            #expect(gdb["detach"].contains("detached"), said)
            #expect(gdb["monitor why"].contains("runs without a debugger"), said)
            #expect(gdb["print spin"].hasSuffix("= 1"), said)
            #expect(gdb["continue", 3].contains(", power_off"), said)
            #expect(gdb["continue", 4].contains(", main ("), said)
            #expect(gdb["attach 7"].contains("failed"), said)
            #expect(!gdb.transcript.contains("internal-error"), said)
            #expect(gdb["continue", 5].contains(", power_off"), said)
            #expect(gdb["kill", 4].contains("killed"), said)
        }

        @Test("attach 1, run and start work again after detach, exit and kill in gdb 13", .needs(.kvm, .gdb))
        func gdb13() throws { try session(.gdb13) }

        @Test("and in gdb 16", .needs(.kvm, .trixie), .gdb16)
        func gdb16() throws { try session(.gdb16) }

        @Test("the server ends, with the guest's status, when the client leaves an ended guest", .needs(.kvm))
        func leaving() throws {
            let stubvisor = try Stubvisor(guest: "hello")
            do {
                let client = try stubvisor.attach()
                #expect(try client.request("!") == "OK")
                #expect(try client.resume().kind == "W00")
                #expect(try client.request("vRun;").hasPrefix("T05"))
                #expect(try client.resume().kind == "W00")
                #expect(try client.request("qC").hasPrefix("QC"), "the connection is there")
                #expect(stubvisor.program.status == nil)
            }
            let end = try stubvisor.program.end()
            #expect(end.status == 0)
            #expect(end.output.components(separatedBy: "goodbye\n").count == 3, "it ran twice")
        }

        @Test("a client that detaches and then leaves lets the guest go on", .needs(.kvm))
        func leavingDetached() throws {
            let stubvisor = try Stubvisor(guest: "hello")
            do {
                let client = try stubvisor.attach()
                #expect(try client.request("!") == "OK")
                #expect(try client.insert(0, at: Symbols(guest: "hello")["greet"]) == "OK")
                #expect(try client.request("D;1") == "OK")
            }
            let end = try stubvisor.program.end()
            #expect(end.status == 0 && end.output.hasSuffix("goodbye\n"))
        }

        @Test("with a plain target remote the guest's end is the connection's and the server's", .needs(.kvm))
        func plain() throws {
            let stubvisor = try Stubvisor(guest: "hello")
            let client = try stubvisor.attach()
            #expect(try client.resume().kind == "W00")
            #expect(try stubvisor.program.end().status == 0)
        }

        /// Otherwise gdb runs the kernel's file as a program of the host.
        @Test("run without a connection does not start the kernel on the host", .needs(.kvm, .gdb))
        func noNativeRun() throws {
            let stubvisor = try Stubvisor(guest: "hello")
            let gdb = try GDB.run(
                stubvisor, symbols: Guest.symbols("hello"), ["continue", "run", "show auto-connect-native-target"])
            #expect(gdb["continue"].contains("exited normally"))
            #expect(gdb["run"].contains("Don't know how to run"), "\(gdb.transcript)")
        }
    }
}
