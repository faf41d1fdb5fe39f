import Foundation
import Testing

extension Live {
    @Suite("sockets in the file system") struct Sockets {
        private func folder(_ name: String) throws -> String {
            let path = Places.scratch + "/" + name
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            return path
        }

        private func contents(_ folder: String) throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        }

        @Test(
            "a socket is its owner's alone whatever the umask, and goes with its lock", .needs(.kvm),
            arguments: ["0", "022", "0277", "0777"])
        func rights(umask: String) throws {
            let folder = try folder("umask-\(umask)")
            let launcher = ["bash", "-c", "umask \(umask); exec \"$0\" \"$@\""]
            let stubvisor = try Stubvisor(
                ["--console", "unix:\(folder)/console", Guest.path("hello")], gdb: "unix:\(folder)/gdb",
                launcher: launcher)
            for name in ["gdb", "console", "gdb.lock", "console.lock"] {
                var status = stat()
                #expect(lstat("\(folder)/\(name)", &status) == 0)
                #expect(status.st_mode & 0o777 == 0o600, "\(name)")
            }
            #expect(try stubvisor.attach().resume().kind == "W00")
            #expect(try stubvisor.program.end().status == 0)
            #expect(try contents(folder) == [])
        }

        @Test(
            "a second stubvisor on a socket is refused, by path and reason, and does not disturb the first",
            .needs(.kvm))
        func second() throws {
            let folder = try folder("second")
            let path = folder + "/gdb"
            let guest = try EchoGuest(gdb: "unix:" + path)
            #expect(guest.runs())
            let end = try Program.run([Places.stubvisor, "run", "--gdb", "unix:" + path, Guest.path("hello")])
            #expect(end.status == 71)
            #expect(
                end.errors.contains(path) && end.errors.contains("another stubvisor listens there"), "\(end.errors)")
            // The same place as a console's.
            let other = try Program.run(
                [Places.stubvisor, "run", "--gdb", "none", "--console", "unix:" + path, Guest.path("hello")])
            #expect(other.status == 71 && other.errors.contains("another stubvisor listens there"), "\(other.errors)")
            #expect(guest.runs())
            #expect(try guest.stubvisor.attach().request("?").hasPrefix("T"))
        }

        @Test("what a killed stubvisor has left behind is in no one's way", .needs(.kvm))
        func stale() throws {
            let folder = try folder("stale")
            let path = folder + "/gdb"
            for _ in 0..<2 {
                let stubvisor = try Stubvisor(guest: "hello", gdb: "unix:" + path)
                stubvisor.program.signal(SIGKILL)
                _ = try stubvisor.program.end()
                #expect(try contents(folder) == ["gdb", "gdb.lock"])
            }
            let stubvisor = try Stubvisor(guest: "hello", gdb: "unix:" + path)
            #expect(try stubvisor.attach().resume().kind == "W00")
            _ = try stubvisor.program.end()
            #expect(try contents(folder) == [])
        }

        @Test("a start that fails later leaves no socket, and a file that is no socket stays", .needs(.kvm))
        func failures() throws {
            let folder = try folder("failures")
            let file = folder + "/file"
            try "mine".write(toFile: file, atomically: false, encoding: .utf8)
            let end = try Program.run([Places.stubvisor, "run", "--gdb", "unix:" + file, Guest.path("hello")])
            #expect(end.status == 71 && end.errors.contains(file) && end.errors.contains("no socket"), "\(end.errors)")
            // The console's socket is there when that of gdb cannot be had.
            let console = try Program.run([
                Places.stubvisor, "run", "--console", "unix:\(folder)/console", "--gdb", "unix:" + file,
                Guest.path("hello"),
            ])
            #expect(console.status == 71)
            #expect(try contents(folder) == ["file"])
            #expect(try String(contentsOfFile: file, encoding: .utf8) == "mine")
        }

        @Test("debug's socket is in a folder of its own that no other user sees, and both go with it", .needs(.kvm))
        func debug() throws {
            let folder = try folder("gdb-in-path")
            let gdb = folder + "/gdb"
            // What stands in for gdb looks at what it is given, and ends.
            let script = """
                #!/bin/bash
                for word; do case $word in "target remote "*) socket=${word#target remote } ;; esac; done
                stat -c '%a %F' "$socket" "${socket%/*}"
                echo "at $socket"
                for link in /proc/$$/fd/*; do readlink "$link"; done
                """
            try script.write(toFile: gdb, atomically: false, encoding: .utf8)
            chmod(gdb, 0o755)
            let kept = try Places.file("inherited", [])
            let end = try Program.run(
                [
                    "bash", "-c", "exec 7<\"$1\"; PATH=$2:$PATH exec \"$0\" debug --console none \"$3\"",
                    Places.stubvisor, kept, folder, Guest.path("hello"),
                ])
            #expect(end.output.hasPrefix("600 socket\n700 directory\n"), "\(end.output) \(end.errors)")
            let socket = try #require(end.output.split(separator: "\n").first { $0.hasPrefix("at ") }).dropFirst(3)
            let parent = (String(socket) as NSString).deletingLastPathComponent
            #expect(parent.hasPrefix("/tmp/stubvisor-") && access(parent, F_OK) != 0)
            for word in [kept, "kvm", ".lock"] { #expect(!end.output.contains(word), "\(word): \(end.output)") }
        }
    }
}
