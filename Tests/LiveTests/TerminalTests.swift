import Foundation
import Testing

extension Live {
    @Suite("terminal") struct OnTerminal {
        /// Sends back what is typed, by polling: l: mov dx, 0x3fd; in al, dx; test al, 1; jz l; mov dx, 0x3f8; in; out; jmp l
        private static let echo: [UInt8] = [
            0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xf8, 0xba, 0xf8, 0x03, 0xec, 0xee, 0xeb, 0xf1,
        ]

        private static func arguments() throws -> [String] {
            [Places.stubvisor, "run", "--gdb", "none"] + (try ConsoleIO.flat("echo", echo))
        }

        /// A guest that has its terminal.
        private func start() throws -> TerminalProgram {
            let program = try TerminalProgram(Self.arguments())
            try program.read(to: "Ctrl-A x ends the machine")
            try program.read(to: "\r\n")
            #expect(program.waits { program.isRaw })
            return program
        }

        @Test("keys reach the guest one by one, Ctrl-C among them; Ctrl-A is this program's", .needs(.kvm))
        func keys() throws {
            let program = try start()
            program.type("a")
            #expect(try program.read(to: "a") == "a", "once: the terminal does not echo")
            program.type("\u{3}\u{4}\u{1a}\r")
            #expect(try program.read(to: "\r") == "\u{3}\u{4}\u{1a}\r")
            program.type("\u{1}\u{1}z")
            #expect(try program.read(to: "z") == "\u{1}z")
            program.type("\u{1}h")
            try program.read(to: "Ctrl-A h shows this")
            program.type("\u{1}x")
            #expect(try program.end() == 0)
            #expect(program.isOrdinary)
        }

        @Test(
            "the terminal is restored whatever signal ends the program", .needs(.kvm),
            arguments: [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV, SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGUSR1])
        func restored(number: Int32) throws {
            let program = try start()
            program.signal(number)
            #expect(try program.end() == 128 + number)
            #expect(program.isOrdinary)
        }

        @Test("the terminal is restored when the guest ends", .needs(.kvm))
        func guestsEnd() throws {
            let program = try TerminalProgram([Places.stubvisor, "run", "--gdb", "none", Guest.path("hello")])
            #expect(try program.read(to: "goodbye\r\n").contains("Ctrl-A x ends"))
            #expect(try program.end() == 0)
            #expect(program.isOrdinary)
        }

        @Test("SIGTSTP gives the terminal back, SIGCONT takes it again", .needs(.kvm))
        func stopped() throws {
            let program = try start()
            program.signal(SIGTSTP)
            #expect(program.waits { program.isOrdinary })
            program.signal(SIGCONT)
            #expect(program.waits { program.isRaw })
            program.type("b")
            try program.read(to: "b")
            program.type("\u{1}x")
            #expect(try program.end() == 0)
        }

        @Test("a job in the background leaves the terminal to the shell, and has it in the foreground", .needs(.kvm))
        func background() throws {
            let shell = try TerminalProgram(["bash", "--norc", "--noediting", "-i"])
            shell.type("PS1=; " + (try Self.arguments()).joined(separator: " ") + " &\n")
            try shell.read(to: "Ctrl-A x ends the machine")
            for number in 0..<20 {
                shell.type("echo line $((\(number) + 100))\n")
                try shell.read(to: "line \(number + 100)\r\n")
            }
            #expect(shell.isOrdinary)
            shell.type("jobs; echo a''ll\n")
            #expect(try shell.read(to: "all\r\n").contains("Running"))
            shell.type("fg\n")
            #expect(shell.waits { shell.isRaw })
            shell.type("q")
            try shell.read(to: "q")
            shell.type("\u{1}x")
            #expect(shell.waits { shell.isOrdinary })
            shell.type("echo status $?\n")
            try shell.read(to: "status 0\r\n")
            shell.type("exit\n")
            #expect(try shell.end() == 0)
        }

        @Test("a console that is not on the terminal leaves it alone, and Ctrl-C ends the program", .needs(.kvm))
        func notTheConsole() throws {
            let program = try TerminalProgram(
                [Places.stubvisor, "run", "--console", "none", "--gdb", "127.0.0.1:0"]
                    + ConsoleIO.flat("echo", Self.echo))
            try program.read(to: "gdb server on")
            #expect(program.isOrdinary)
            program.type("\u{3}")
            #expect(try program.end() == 130)
        }

        @Test(
            "q and Ctrl-C end the interactive demo, and nothing stays behind", .needs(.kvm, .gdb, .package),
            arguments: [("q\n", 0), ("\n", 0), ("\u{3}", 130)] as [(String, Int32)])
        func demo(key: String, status: Int32) throws {
            let program = try TerminalProgram([Places.stubvisor, "demo"])
            try program.read(to: "q to quit]", within: 120)
            program.type(key)
            if key == "\n" {
                try program.read(to: "q to quit]")
                program.type("q\n")
            }
            #expect(try program.end() == status)
            #expect(program.hasLeftNothing)
            #expect(program.isOrdinary)
        }
    }
}
