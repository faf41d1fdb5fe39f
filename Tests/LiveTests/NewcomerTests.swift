import Foundation
import Testing

extension Live {
    @Suite("what connects and is no debugger") struct Newcomers {
        private static let request = RemoteClient.frame(Array("?".utf8))

        /// Connects, sends `bytes`, and waits until the other side closes: what it has said.
        private func tryOut(_ stubvisor: Stubvisor, _ bytes: [UInt8]) throws -> String {
            let connection = try Connection(stubvisor.place)
            connection.send(bytes)
            var said: [UInt8] = []
            let deadline = Patience.deadline(60)
            while !connection.hasEnded, ContinuousClock.now < deadline { said += connection.receive(until: deadline) }
            #expect(connection.hasEnded)
            return String(decoding: said, as: UTF8.self)
        }

        @Test(
            "what does not speak the protocol is closed, and stops no guest", .needs(.kvm),
            arguments: [
                Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8), [0x16, 3, 1, 2, 0, 1],
                Array("SSH-2.0-x\r\n".utf8),
                [0], [0x0a], [0xff, 0x24],
            ] as [[UInt8]])
        func otherProtocols(bytes: [UInt8]) throws {
            let guest = try EchoGuest()
            #expect(guest.runs())
            #expect(try tryOut(guest.stubvisor, bytes) == "")
            #expect(guest.runs())
            #expect(try guest.stubvisor.attach().request("?").hasPrefix("T"))
            let held = try Stubvisor(guest: "hello")
            #expect(try tryOut(held, bytes) == "")
            #expect(held.program.read(until: { $0.errors.contains("does not speak gdb's protocol") }))
            #expect(try held.attach().request("?").hasPrefix("T05"))
        }

        @Test("connections that say nothing stop nothing and hold no debugger up, however many they are", .needs(.kvm))
        func silent() throws {
            let guest = try EchoGuest()
            #expect(guest.runs())
            let silent = try (0..<20).map { _ in try Connection(guest.stubvisor.place) }
            // Once this one is closed, those before it have been looked at.
            _ = try tryOut(guest.stubvisor, [0x47])
            #expect(guest.runs())
            // The oldest were let go.
            _ = silent[0].receive(until: Patience.deadline(60))
            #expect(silent[0].hasEnded)
            let client = try guest.stubvisor.attach()
            #expect(try client.request("?").hasPrefix("T"))
            client.send("c")
            #expect(guest.runs())
            client.interrupt()
            #expect(try client.stop().kind == "T02")
            withExtendedLifetime(silent) {}
        }

        @Test("a connection that speaks late becomes the client then, and the guest stops then", .needs(.kvm))
        func late() throws {
            let guest = try EchoGuest()
            #expect(guest.runs())
            let client = try guest.stubvisor.connect()
            _ = try tryOut(guest.stubvisor, [0x47])
            #expect(guest.runs())
            #expect(try client.request("?").hasPrefix("T"))
            // Held before its first instruction, too; a silent one stands before it.
            let held = try EchoGuest([])
            let silent = try held.stubvisor.connect()
            let other = try held.stubvisor.connect()
            #expect(try other.request("?").hasPrefix("T05"))
            #expect(try silent.request("?").contains("another debugger is attached"))
        }

        @Test("clients that leave before they are served keep no other one out", .needs(.kvm), arguments: [1, 5])
        func departed(count: Int) throws {
            let stubvisor = try Stubvisor(guest: "hello", gdb: "unix:" + Places.scratch + "/departed\(count).sock")
            stubvisor.program.signal(SIGSTOP)
            for _ in 0..<count { try stubvisor.connect().connection.send(Self.request) }
            let client = try stubvisor.connect()
            client.connection.send(Self.request)
            stubvisor.program.signal(SIGCONT)
            #expect(try client.reply().hasPrefix("T05"))
        }

        @Test("what a client sends one byte at a time, or as an interrupt first, is served", .needs(.kvm))
        func openings() throws {
            for opening in [[0x2b], [0x2d], [3], [0x24]] as [[UInt8]] {
                let guest = try EchoGuest()
                let client = try guest.stubvisor.connect()
                client.connection.send(opening)
                if opening == [0x24] {
                    client.connection.send(Array(Self.request.dropFirst()))
                    #expect(try client.reply().hasPrefix("T"))
                } else {
                    #expect(try client.request("?").hasPrefix("T"), "\(opening)")
                }
            }
        }

        @Test("gdb attaches to a guest that runs, and stops it", .needs(.kvm, .gdb))
        func gdb() throws {
            let guest = try EchoGuest()
            #expect(guest.runs())
            let gdb = try GDB.run(
                guest.stubvisor, symbols: Guest.symbols("realmode"), before: ["set architecture i8086"],
                ["p/x $pc", "detach"])
            #expect(gdb["p/x $pc"].contains("= 0x7c"), "\(gdb.transcript)")
            #expect(guest.runs())
        }

        // MARK: - Other users

        /// Another user's program that connects, asks `packet`, and prints what it gets until it is turned out, or the
        /// first `count` bytes of that.
        private func ask(
            _ stubvisor: Stubvisor, _ packet: String, as prefix: [String], count: Int = 1 << 20
        ) throws -> String {
            let parts = stubvisor.place.split(separator: ":")
            let script = "exec 3<>/dev/tcp/$0/$1 && printf %s \"$2\" >&3 && head -c $3 <&3"
            let request = String(decoding: RemoteClient.frame(Array(packet.utf8)), as: UTF8.self)
            return try Program.run(
                prefix + ["bash", "-c", script, String(parts[0]), String(parts[1]), request, "\(count)"]
            ).output
        }

        @Test(
            "another user's client is refused on loopback, whatever it asks, and stops nothing", .needs(.kvm, .stranger)
        )
        func stranger() throws {
            let guest = try EchoGuest()
            #expect(guest.runs())
            for packet in ["qSupported", "k", "vKill;1", "g"] {
                let answer = try ask(guest.stubvisor, packet, as: Program.strangersPrefix)
                #expect(answer.contains("$E.this stubvisor serves its own user"), "\(packet): \(answer)")
                #expect(guest.runs())
            }
            #expect(guest.stubvisor.program.read(until: { $0.errors.contains("user 65534 at 127.0.0.1:") }))
            // Beside the own client, too, which goes on.
            let client = try guest.stubvisor.attach()
            #expect(try ask(guest.stubvisor, "k", as: Program.strangersPrefix).contains("$E.this stubvisor"))
            #expect(try client.request("?").hasPrefix("T"))
        }

        @Test("a server of another user takes that user's clients, and root's", .needs(.kvm, .strangersKVM))
        func strangersServer() throws {
            let guest = try EchoGuest(launcher: Program.strangersPrefix)
            #expect(guest.runs())
            #expect(try ask(guest.stubvisor, "?", as: Program.strangersPrefix, count: 3) == "+$T")
            #expect(try guest.stubvisor.attach().request("?").hasPrefix("T"))
        }
    }
}
