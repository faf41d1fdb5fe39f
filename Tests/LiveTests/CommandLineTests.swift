import Foundation
import Testing

extension Live {
    @Suite("command line") struct CommandLine {
        /// Runs stubvisor and expects one line on standard error, nothing on standard output, and this status.
        private func expectRefusal(
            _ arguments: [String], _ status: Int32, saying words: [String], prefix: [String] = [],
            at place: SourceLocation = #_sourceLocation
        ) throws {
            let end = try Program.run(prefix + [Places.stubvisor] + arguments)
            #expect(end.status == status, sourceLocation: place)
            #expect(end.output == "", sourceLocation: place)
            let lines = end.errors.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.count == 2 && lines.last == "", "one line: \(end.errors)", sourceLocation: place)
            #expect(end.errors.hasPrefix("stubvisor: "), sourceLocation: place)
            for word in words { #expect(end.errors.contains(word), "\(end.errors)", sourceLocation: place) }
        }

        // MARK: - Usage: 64

        @Test(
            "what cannot be understood is status 64 and one line that says what was expected",
            arguments: [
                (["run"], "a kernel is missing"), (["run", "--cpus", "0", "k"], "from 1 to 64"),
                (["run", "--cpus", "65", "k"], "from 1 to 64"), (["run", "--cpus"], "needs a value"),
                (["run", "--memory", "x", "k"], "64M or 1G"), (["run", "--fly", "k"], "no option --fly"),
                (["run", "--gdb", "nowhere", "k"], "HOST:PORT"),
                (["run", "--gdb", "0.0.0.0:0", "k"], "--gdb-insecure"),
                (["run", "--format", "tape", "k"], "elf"), (["run", "--cpu-mode", "turbo", "k"], "protected"),
                (["run", "--gdb-arch", "ia64", "k"], "auto, i386, x86-64"), (["run", "--entry", "x", "k"], "0x100000"),
                (["run", "--running=yes", "k"], "takes no value"),
                (["run", "a", "b"], "one kernel"), (["fly"], "no command \"fly\""), (["demo", "now"], "no arguments"),
                (["doctor", "--xml"], "--json"), (["debug", "--gdb", ":1", "k"], "debug chooses"),
                (["help", "fly"], "no command \"fly\""),
            ])
        func usage(arguments: [String], expected: String) throws {
            try expectRefusal(arguments, 64, saying: [expected])
        }

        @Test("memory that no kernel fits is status 64", .needs(.kvm))
        func tinyMemory() throws {
            try expectRefusal(["run", "--memory", "1", Guest.path("hello")], 64, saying: ["memory of 1 ", "expected"])
        }

        @Test(
            "help and version are asked for, not refused",
            arguments: [["help"], ["help", "run"], ["--help"], ["--version"]])
        func help(arguments: [String]) throws {
            let end = try Program.run([Places.stubvisor] + arguments)
            #expect(end.status == 0)
            #expect(end.output.contains("stubvisor"))
            #expect(end.errors == "")
        }

        @Test("help run explains each option that run takes")
        func helpListsOptions() throws {
            let text = try Program.run([Places.stubvisor, "help", "run"]).output
            for option in [
                "--gdb", "--running", "--cpus", "--memory", "--console", "--format", "--load-address", "--entry",
                "--cpu-mode", "--output", "--gdb-arch",
            ] {
                #expect(text.contains("\n  \(option)"), "\(option)")
            }
        }

        // MARK: - Images: 65

        @Test(
            "a file that is no kernel is status 65, and the line says what it is",
            arguments: [
                ("empty", [], "empty"), ("text", Array("just words\n".utf8), "a text file"),
                ("script", Array("#!/bin/sh\nexit\n".utf8), "a script"), ("gzip", [0x1f, 0x8b, 8, 0], "gzip"),
                ("noise", [0xff, 0xfe, 0xfd, 0xfc, 0xfb], "fffefdfc"),
                ("header", [0x7f, 0x45, 0x4c, 0x46, 2, 1], "ends at 0x6"),
            ] as [(String, [UInt8], String)])
        func notKernels(name: String, bytes: [UInt8], expected: String) throws {
            let file = try Places.file(name, bytes)
            try expectRefusal(["run", "--gdb", "none", file], 65, saying: [file, expected])
        }

        @Test("a missing file, and a folder, are status 65")
        func missingFile() throws {
            try expectRefusal(["run", "/nowhere/vmlinux"], 65, saying: ["/nowhere/vmlinux", "No such file"])
            try expectRefusal(["run", Places.scratch], 65, saying: [Places.scratch])
        }

        @Test(
            "a kernel cut off is status 65 wherever it is cut", .needs(.x86),
            arguments: [16, 63, 64, 100, 0x1000, 0x1100])
        func truncated(length: Int) throws {
            let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: try Guest.path("hello"))))
            let file = try Places.file("cut-\(length).elf", Array(whole.prefix(length)))
            try expectRefusal(
                ["run", "--gdb", "none", file], 65, saying: [file, "ends at 0x" + String(length, radix: 16)])
        }

        @Test("a segment beyond memory is status 65, with its place in the file", .needs(.x86))
        func outsideMemory() throws {
            var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: try Guest.path("hello"))))
            let header = Int(bytes[0x20])
            // p_vaddr and p_paddr of the first program header: 1 TiB.
            for field in [header + 0x10, header + 0x18] {
                bytes.replaceSubrange(field..<field + 8, with: [0, 0, 0, 0, 0, 1, 0, 0])
            }
            let file = try Places.file("far.elf", bytes)
            try expectRefusal(
                ["run", "--gdb", "none", file], 65, saying: ["program header 0", "0x10000000000", "outside of memory"])
        }

        @Test("a flat image where no memory is, and an entry outside of it, are status 65", .needs(.x86))
        func flatPlaces() throws {
            let file = try Places.file("flat.bin", [0xf4])
            let run = ["run", "--gdb", "none", "--format", "flat"]
            try expectRefusal(run + ["--load-address", "0x40000000", file], 65, saying: ["outside of memory"])
            try expectRefusal(run + ["--entry", "0x9000", file], 65, saying: ["0x9000"])
        }

        // MARK: - The host: 69 and 71

        @Test("a taken port is status 71, with the way out", .needs(.kvm))
        func takenPort() throws {
            let first = try Stubvisor(guest: "hello")
            try expectRefusal(
                ["run", "--gdb", first.place, Guest.path("hello")], 71, saying: [first.place, "in use", "picks a free"])
            let path = Places.scratch + "/taken.sock"
            let second = try Stubvisor(guest: "hello", gdb: "unix:" + path)
            try expectRefusal(["run", "--gdb", "unix:" + path, Guest.path("hello")], 71, saying: [path])
            #expect(try second.attach().request("?").hasPrefix("T"), "the one that was there is still reached")
        }

        @Test("no permission on /dev/kvm is status 69, and the line says what to do", .needs(.kvm, .stranger))
        func noPermission() throws {
            let kernel = try Places.file(
                "kernel.elf", [UInt8](Data(contentsOf: URL(fileURLWithPath: try Guest.path("hello")))))
            try expectRefusal(
                ["run", "--gdb", "none", kernel], 69, saying: ["/dev/kvm", "ermission", "kvm $USER"],
                prefix: Program.strangersPrefix)
            try expectRefusal(["doctor"], 69, saying: ["/dev/kvm"], prefix: Program.strangersPrefix)
        }

        @Test("a file the user may not read is status 71", .needs(.stranger))
        func unreadableFile() throws {
            let file = try Places.file("secret.elf", [1, 2, 3])
            chmod(file, 0o600)
            try expectRefusal(["run", "--gdb", "none", file], 71, saying: [file], prefix: Program.strangersPrefix)
        }

        @Test("a console that cannot be opened is status 71", .needs(.kvm))
        func consolePlace() throws {
            try expectRefusal(
                ["run", "--gdb", "none", "--console", "file:/nowhere/console", Guest.path("hello")], 71,
                saying: ["console"])
        }

        // MARK: - The guest's end

        @Test(
            "the debug-exit port's value is the status", .needs(.kvm),
            arguments: [(0, 1), (1, 3), (21, 43), (127, 255)])
        func debugExit(value: UInt8, status: Int32) throws {
            // mov al, value; out 0xf4, al; jmp to itself
            let file = try Places.file("exit-\(value).bin", [0xb0, value, 0xe6, 0xf4, 0xeb, 0xfe])
            let end = try Program.run([Places.stubvisor, "run", "--gdb", "none", "--format", "flat", file])
            #expect(end.status == status)
            let client = try Stubvisor(["--format", "flat", file]).attach()
            #expect(try client.resume().kind == "W" + RemoteClient.hex([UInt8(status)]))
        }

        @Test("power-off is status 0 and W00", .needs(.kvm), arguments: ["hello", "smp"])
        func powerOff(guest: String) throws {
            let alone = try Program.run([Places.stubvisor, "run", "--gdb", "none", Guest.path(guest)])
            #expect(alone.status == 0)
            #expect(alone.errors == "")
            let stubvisor = try Stubvisor(guest: guest)
            #expect(try stubvisor.attach().resume().kind == "W00")
            #expect(try stubvisor.program.end().output == alone.output)
        }

        @Test("--console sends the guest's words elsewhere", .needs(.kvm))
        func console() throws {
            let file = Places.scratch + "/console.txt"
            let run = [Places.stubvisor, "run", "--gdb", "none"]
            let end = try Program.run(run + ["--console", "file:" + file, Guest.path("hello")])
            #expect(end.status == 0 && end.output == "")
            #expect(try String(contentsOfFile: file, encoding: .utf8).hasSuffix("goodbye\n"))
            #expect(try Program.run(run + ["--console", "none", Guest.path("hello")]).output == "")
        }
    }
}
