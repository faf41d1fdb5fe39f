import Foundation
import Testing

extension Live {
    @Suite("console and host I/O") struct ConsoleIO {
        /// mov dx, 0x3f8; mov al, 'A'; then out dx, al forever.
        static let talker: [UInt8] = [0xba, 0xf8, 0x03, 0xb0, 0x41, 0xee, 0xeb, 0xfd]

        static func flat(_ name: String, _ bytes: [UInt8]) throws -> [String] {
            ["--format", "flat", try Places.file(name + ".bin", bytes)]
        }

        @Test("a pipe that nobody reads holds neither the guest nor the debugger", .needs(.kvm), arguments: [15, 1, 2])
        func unreadPipe(signal: Int32) throws {
            let stubvisor = try Stubvisor(Self.flat("talker", Self.talker))
            let client = try stubvisor.attach()
            client.send("vCont;c")
            #expect(stubvisor.program.waitsForFullOutput())
            for _ in 0..<3 {
                client.interrupt()
                #expect(try client.stop().kind == "T02")
                client.send("vCont;c")
            }
            client.interrupt()
            #expect(try client.stop().kind == "T02")
            #expect(stubvisor.program.isOutputFull, "nobody has read meanwhile")
            kill(stubvisor.program.id, signal)
            #expect(stubvisor.program.hasEnded(), "although nobody reads")
            #expect(try stubvisor.program.end().status == 128 + signal)
        }

        @Test("monitor quit and gdb's kill end the program although nobody reads", .needs(.kvm), arguments: [0, 1])
        func quitUnread(how: Int) throws {
            let stubvisor = try Stubvisor(Self.flat("talker", Self.talker))
            let client = try stubvisor.attach()
            client.send("vCont;c")
            #expect(stubvisor.program.waitsForFullOutput())
            client.interrupt()
            _ = try client.stop()
            client.send(how == 0 ? "k" : "qRcmd,71756974")
            #expect(stubvisor.program.hasEnded())
            #expect(try stubvisor.program.end().status == 0)
        }

        @Test(
            "a full disk, a FIFO without a reader and a reader that goes hold nothing; what is lost is said once and counted",
            .needs(.kvm), arguments: ["/dev/full", "fifo", "pipe"])
        func refusedOutput(place: String) throws {
            var options = try Self.flat("talker", Self.talker)
            if place == "fifo" { mkfifo(Places.scratch + "/fifo", 0o600) }
            if place != "pipe" {
                options += ["--console", "file:" + (place == "fifo" ? Places.scratch + "/fifo" : place)]
            }
            let stubvisor = try Stubvisor(options)
            let client = try stubvisor.attach()
            if place == "pipe" { stubvisor.program.closeOutput() }
            client.send("vCont;c")
            let words = ["/dev/full": "No space left", "pipe": "Broken pipe"]
            if let said = words[place] {
                #expect(stubvisor.program.read { $0.errors.contains(said) })
            }
            client.interrupt()
            #expect(try client.stop().kind == "T02")
            if let said = words[place] {
                _ = try client.monitor("status")
                #expect(client.console.contains("bytes of output dropped"))
                #expect(stubvisor.program.errors.components(separatedBy: said).count == 2)
            }
            kill(stubvisor.program.id, SIGTERM)
            #expect(try stubvisor.program.end().status == 143)
        }

        @Test("a prompt without a newline appears while the guest waits", .needs(.kvm))
        func prompt() throws {
            // mov dx, 0x3f8; mov al, '>'; out dx, al; sti; hlt; jmp back to hlt
            let guest: [UInt8] = [0xba, 0xf8, 0x03, 0xb0, 0x3e, 0xee, 0xfb, 0xf4, 0xeb, 0xfd]
            let program = try Program([Places.stubvisor, "run", "--gdb", "none"] + Self.flat("prompt", guest))
            #expect(program.read { $0.output == ">" })
            program.signal(SIGTERM)
            #expect(try program.end().status == 143)
        }

        @Test("what is piped in before the guest sets its port up arrives whole", .needs(.kvm))
        func typedAhead() throws {
            // Prints a byte by polling LSR, spins a while, clears and enables the FIFO, then echoes 8 bytes by polling.
            let guest: [UInt8] = [
                0xba, 0xfd, 0x03, 0xec, 0xba, 0xf8, 0x03, 0xb0, 0x3e, 0xee, 0x66, 0xb9, 0x00, 0x80, 0, 0, 0x66, 0x49,
                0x75,
                0xfc, 0xba, 0xfa, 0x03, 0xb0, 0x07, 0xee, 0xba, 0xfc, 0x03, 0xb0, 0x0b, 0xee, 0xb9, 0x08, 0x00, 0xba,
                0xfd,
                0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0xba, 0xf8, 0x03, 0xec, 0xee, 0xe2, 0xf1, 0xb0, 0x00, 0xe6, 0xf4,
            ]
            let program = try Program(
                [Places.stubvisor, "run", "--gdb", "none"] + Self.flat("ahead", guest), hasInput: true)
            program.type("12345678")
            #expect(program.read { $0.status != nil })
            #expect(program.output == ">12345678" && program.status == 1)
        }

        @Test("closed descriptors 0 to 2 get no file of the machine's", .needs(.kvm))
        func closedDescriptors() throws {
            let file = Places.scratch + "/closed.txt"
            let end = try Program.run([
                "sh", "-c", "exec \"$0\" run --gdb none --console \"file:$1\" \"$2\" <&- >&- 2>&-", Places.stubvisor,
                file,
                Guest.path("hello"),
            ])
            #expect(end.status == 0)
            #expect(try String(contentsOfFile: file, encoding: .utf8).hasSuffix("goodbye\n"))
            let silent = ["sh", "-c", "exec \"$0\" run --gdb none \"$1\" <&- >&- 2>&-", Places.stubvisor]
            #expect(try Program.run(silent + [Guest.path("hello")]).status == 0)
        }

        @Test("guest memory is left out of core dumps", .needs(.kvm))
        func coreDumps() throws {
            let stubvisor = try Stubvisor(guest: "hello", ["--memory", "96M"])
            let maps = try Program.run(["cat", "/proc/\(stubvisor.program.id)/smaps"]).output
            // Lines of a mapping: its size among the first, its flags the last.
            let lines = maps.split(separator: "\n").drop { !$0.hasPrefix("Size:") || !$0.contains(" 98304 kB") }
            let flags = try #require(lines.first { $0.hasPrefix("VmFlags:") })
            #expect(flags.split(separator: " ").contains("dd"), "\(flags)")
        }

        @Test("a client that does not read holds up nobody, and gets every answer once it reads", .needs(.kvm))
        func unreadAnswers() throws {
            let stubvisor = try Stubvisor(guest: "hello")
            let client = try stubvisor.attach()
            let count = 600
            for _ in 0..<count { client.send("m100000,8000") }
            // Another one is heard although the first one's answers fill its socket.
            let other = try stubvisor.connect()
            #expect(try other.request("?").contains("another debugger"))
            for _ in 0..<count { #expect(try client.reply().utf8.count == 0x10000) }
            #expect(try client.resume().kind == "W00")
        }

        // MARK: - The end

        @Test(
            "SIGINT, SIGTERM and SIGHUP end it in order: trace written, sockets removed, status 128 and the number",
            .needs(.kvm), arguments: [SIGINT, SIGTERM, SIGHUP])
        func signals(number: Int32) throws {
            let (trace, gdb) = (Places.scratch + "/trace-\(number)", Places.scratch + "/gdb-\(number)")
            let console = Places.scratch + "/console-\(number)"
            let stubvisor = try Stubvisor(
                ["--trace-irq", trace, "--console", "unix:" + console] + Self.flat("talker", Self.talker),
                gdb: "unix:" + gdb)
            #expect(access(gdb, F_OK) == 0 && access(console, F_OK) == 0)
            kill(stubvisor.program.id, number)
            #expect(try stubvisor.program.end().status == 128 + number)
            #expect(access(gdb, F_OK) == -1 && access(console, F_OK) == -1)
            _ = try JSONSerialization.jsonObject(with: Data(Places.bytes(trace)))
        }

        @Test("a second signal ends it at once, whatever the first waits for", .needs(.kvm))
        func secondSignal() throws {
            let stubvisor = try Stubvisor(Self.flat("talker", Self.talker))
            let client = try stubvisor.attach()
            client.send("vCont;c")
            #expect(stubvisor.program.waitsForFullOutput())
            for _ in 0..<20 { kill(stubvisor.program.id, SIGTERM) }
            #expect(stubvisor.program.hasEnded())
            #expect(try stubvisor.program.end().status == 143)
        }

        @Test("a trace that cannot be written is status 71 before the guest starts", .needs(.kvm))
        func unwritableTrace() throws {
            let arguments = ["run", "--gdb", "none", "--trace-irq", "/nowhere/trace", try Guest.path("hello")]
            let end = try Program.run([Places.stubvisor] + arguments)
            #expect(end.status == 71 && end.output == "")
            #expect(end.errors.contains("/nowhere/trace") && end.errors.contains("No such file"))
        }

        @Test("SIGTERM and SIGHUP end debug, and gdb with it", .needs(.kvm, .gdb), arguments: [SIGTERM, SIGHUP])
        func debugSignals(number: Int32) throws {
            let program = try TerminalProgram([Places.stubvisor, "debug", Guest.path("hello")])
            try program.read(to: "(gdb) ")
            program.signal(number)
            #expect(try program.end() == 128 + number)
            #expect(program.hasLeftNothing)
            #expect(program.isOrdinary)
        }
    }
}
