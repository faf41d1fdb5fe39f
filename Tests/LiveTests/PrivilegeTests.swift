import Foundation
import Testing

extension Live {
    @Suite("what a process keeps of the host") struct Privileges {
        /// The fields of /proc/PID/task/*/status, thread by thread.
        private func threads(of program: Program) throws -> [[String: String]] {
            let tasks = "/proc/\(program.id)/task"
            return try FileManager.default.contentsOfDirectory(atPath: tasks).map { task in
                var fields: [String: String] = [:]
                for line in try String(contentsOfFile: "\(tasks)/\(task)/status", encoding: .utf8).split(
                    separator: "\n")
                {
                    let parts = line.split(separator: ":", maxSplits: 1)
                    fields[String(parts[0])] = parts.last?.trimmingCharacters(in: .whitespaces)
                }
                return fields
            }
        }

        private func openFiles(of program: Program) throws -> [String] {
            let folder = "/proc/\(program.id)/fd"
            return try FileManager.default.contentsOfDirectory(atPath: folder).compactMap {
                try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")
            }
        }

        @Test("when a guest runs no thread has a capability, nor can get one", .needs(.kvm))
        func capabilities() throws {
            let stubvisor = try Stubvisor(guest: "smp", ["--cpus", "2"])
            let client = try stubvisor.attach()
            let threads = try threads(of: stubvisor.program)
            #expect(threads.count >= 3)
            for thread in threads {
                let name = thread["Name"] ?? ""
                for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] + (getuid() == 0 ? ["CapBnd"] : []) {
                    #expect(thread[set]?.allSatisfy { $0 == "0" } == true, "\(name) \(set) \(thread[set] ?? "")")
                }
                #expect(thread["NoNewPrivs"] == "1", "\(name)")
            }
            #expect(try client.resume().kind == "W00")
        }

        @Test("inherited descriptors are closed, whatever their numbers", .needs(.kvm))
        func descriptors() throws {
            let kept = try Places.file("kept-open", [])
            let script = "exec 3<\"$0\" 4>>\"$0\" 9<\"$0\" 200<\"$0\"; exec \"$@\""
            let stubvisor = try Stubvisor(
                [Guest.path("hello")], launcher: ["bash", "-c", script, kept])
            let client = try stubvisor.attach()
            let files = try openFiles(of: stubvisor.program)
            #expect(files.contains("anon_inode:kvm-vm") && !files.contains(kept), "\(files)")
            #expect(try client.resume().kind == "W00")
        }

        @Test("a kernel may come through a shell's substitution, which is a descriptor", .needs(.kvm))
        func substitution() throws {
            let script = "exec \"$0\" run --gdb none <(cat \"$1\")"
            let end = try Program.run(["bash", "-c", script, Places.stubvisor, Guest.path("hello")])
            #expect(end.status == 0 && end.output.contains("hello from the guest"), "\(end.errors)")
        }

        // MARK: - Output of monitor commands

        @Test("a monitor command makes new files in the folder of --output, and none elsewhere", .needs(.kvm))
        func output() throws {
            let folder = Places.scratch + "/output"
            try FileManager.default.createDirectory(atPath: folder + "/sub", withIntermediateDirectories: true)
            let outside = try Places.file("outside", Array("mine".utf8))
            symlink(outside, folder + "/link")
            mkfifo(folder + "/pipe", 0o600)
            let guest = try Stubvisor(guest: "hello", ["--output", folder]).attach()
            #expect(try guest.monitor("irq timeline t.json").contains("events in t.json"))
            #expect(try String(contentsOfFile: folder + "/t.json", encoding: .utf8).contains("traceEvents"))
            for name in ["t.json", "link", "pipe", "sub", outside, "../outside", "sub/new", folder + "/new", "."] {
                let answer = try guest.monitor("irq timeline \(name)")
                #expect(answer.contains("--output"), "\(name): \(answer)")
            }
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [
                    "link", "pipe", "sub", "t.json",
                ])
            #expect(try String(contentsOfFile: outside, encoding: .utf8) == "mine")
        }

        @Test("without --output a monitor command makes no file, and says what it takes", .needs(.kvm))
        func noOutput() throws {
            let path = Places.scratch + "/never"
            let guest = try Stubvisor(guest: "hello").attach()
            for name in [path, "never", "/dev/null"] {
                #expect(try guest.monitor("irq timeline \(name)").contains("start stubvisor with --output DIR"))
            }
            #expect(access(path, F_OK) != 0)
        }

        @Test("a folder of --output that cannot be used is status 71 at the start", .needs(.kvm))
        func badOutput() throws {
            let file = try Places.file("no-folder", [])
            for folder in [file, "/nowhere/out"] {
                let end = try Program.run([Places.stubvisor, "run", "--output", folder, Guest.path("hello")])
                #expect(end.status == 71 && end.errors.contains(folder), "\(end.errors)")
            }
        }

        // MARK: - What the host lacks, and floods

        /// The program's processor time, in ticks of a hundredth of a second.
        private func ticks(_ program: Program) throws -> Int {
            let text = try String(contentsOfFile: "/proc/\(program.id)/stat", encoding: .utf8)
            let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
            return (Int(fields[12]) ?? 0) + (Int(fields[13]) ?? 0)
        }

        private func limitDescriptors(of program: Program, to count: Int) throws {
            let end = try Program.run(["prlimit", "--pid", "\(program.id)", "--nofile=\(count):4096"])
            #expect(end.status == 0, "\(end.errors)")
        }

        @Test("clients wait while no descriptor is left, which is said once and costs nothing", .needs(.kvm))
        func descriptorShortage() throws {
            let guest = try EchoGuest([])
            try limitDescriptors(of: guest.stubvisor.program, to: 3)
            let client = try guest.stubvisor.connect()
            client.send("?")
            #expect(guest.stubvisor.program.read(until: { $0.errors.contains("cannot take a client") }))
            let before = try ticks(guest.stubvisor.program)
            let others = try (0..<3).map { _ in try guest.stubvisor.connect() }
            #expect(!guest.stubvisor.program.read(within: 2, until: { _ in false }))
            // A thread that spins has used up most of two seconds, or half of them where others want the processors.
            #expect(try ticks(guest.stubvisor.program) - before < 50)
            #expect(guest.stubvisor.program.errors.components(separatedBy: "cannot take a client").count == 2)
            try limitDescriptors(of: guest.stubvisor.program, to: 1024)
            #expect(try client.reply().hasPrefix("T05"))
            withExtendedLifetime(others) {}
        }

        @Test("a client that meets no descriptor left does not stop a running guest, and is served later", .needs(.kvm))
        func descriptorShortageRunning() throws {
            let guest = try EchoGuest()
            #expect(guest.runs())
            try limitDescriptors(of: guest.stubvisor.program, to: 3)
            let client = try guest.stubvisor.connect()
            client.send("?")
            #expect(guest.stubvisor.program.read(until: { $0.errors.contains("cannot take a client") }))
            #expect(guest.runs())
            try limitDescriptors(of: guest.stubvisor.program, to: 1024)
            #expect(try client.reply().hasPrefix("T"))
        }

        @Test("a guest that resets without end says so a few times, then once a second with the number", .needs(.kvm))
        func resetLoop() throws {
            // mov al, 0xfe; out 0x64, al; jmp to itself
            let file = try Places.file("resets.bin", [0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe])
            let start = ContinuousClock.now
            let program = try Program([Places.stubvisor, "run", "--gdb", "none", "--format", "flat", file])
            #expect(program.read(until: { $0.errors.contains("more like it") }))
            let seconds = Int(ContinuousClock.now.duration(to: start) / .seconds(-1))
            #expect(program.errors.split(separator: "\n").count <= 5 + seconds + 1, "\(program.errors)")
        }

        @Test("waits do not use the wall clock, which may be set back at any time", .needs(.kvm, .clang))
        func wallClock() throws {
            // Who reads an hour more than the kernel has waits an hour too long, as after the clock was set back.
            let source = """
                #include <sys/syscall.h>
                #include <time.h>
                #include <unistd.h>
                long syscall(long, ...);
                int clock_gettime(clockid_t clock, struct timespec *time) {
                    int result = syscall(SYS_clock_gettime, clock, time);
                    if (clock == CLOCK_REALTIME) time->tv_sec += 3600;
                    return result;
                }
                """
            let file = try Places.file("clock.c", Array(source.utf8))
            let library = Places.scratch + "/clock.so"
            let build = try Program.run(["clang", "-shared", "-fPIC", "-o", library, file])
            try #require(build.status == 0, "\(build.errors)")
            // mov dx, 0x3f8; mov al, '\n'; out dx, al; until there is input; cli; hlt: with the kernel's APICs only a look
            // that comes in time finds that out. The first look, at the start, is over by then.
            let code: [UInt8] = [
                0xba, 0xf8, 3, 0xb0, 0x0a, 0xee, 0xba, 0xfd, 3, 0xec, 0xa8, 1, 0x74, 0xfb, 0xfa, 0xf4, 0xeb, 0xfd,
            ]
            let program = try Program(
                [
                    "env", "LD_PRELOAD=" + library, Places.stubvisor, "run", "--gdb", "none", "--irqchip", "kernel",
                    "--format", "flat", try Places.file("halted.bin", code),
                ], hasInput: true)
            #expect(program.read(until: { $0.output.contains("\n") }))
            program.type("x")
            let end = try program.end()
            #expect(end.status == 70 && end.errors.contains("halted for good"), "\(end.errors)")
        }
    }
}
