import TestSupport
import Testing

extension Live {
    @Suite("connections") struct Connections {
        /// What a client can see of a machine that is stopped.
        private struct View: Equatable {
            let registers: String
            let memory: [UInt8]
            let threads: String
            let stop: String

            init(_ client: RemoteClient) throws {
                stop = try client.request("?")
                registers = try client.request("g")
                memory = try client.memory(at: 0x10_0000, count: 0x3000)
                threads = try client.request("qfThreadInfo")
            }
        }

        @Test("ten clients that come and go, some in mid-packet, leave the guest as it was", .needs(.kvm))
        func comeAndGo() throws {
            let symbols = try Symbols(guest: "hello")
            let stubvisor = try Stubvisor(guest: "hello")
            let greet = try symbols["greet"]
            do {
                let client = try stubvisor.attach()
                #expect(try client.insert(0, at: greet) == "OK")
                #expect(try client.resume().kind == "T05")
            }
            let before = try View(stubvisor.attach())
            for round in 0..<10 {
                let client = try stubvisor.connect()
                switch round % 5 {
                case 0: break
                case 1: client.connection.send(Array("$m100".utf8))
                case 2:
                    try client.open()
                    #expect(try client.insert(0, at: greet + 4) == "OK")
                    #expect(try client.insert(2, at: symbols["counter"], length: 8) == "OK")
                case 3:
                    client.send("qSupported:multiprocess+")
                    client.connection.send([0x24])
                default: client.connection.send(Array("$g#6".utf8) + [0x03, 0x2d, 0x2b])
                }
            }
            let client = try stubvisor.attach()
            #expect(try View(client) == before)
            // Nothing that a client left behind stops the guest now.
            #expect(try client.resume().kind == "W00")
            #expect(try stubvisor.program.end().output.hasSuffix("goodbye\n"))
        }

        @Test("a client lost while the guest runs leaves it stopped for the next", .needs(.kvm))
        func lostWhileRunning() throws {
            let stubvisor = try Stubvisor(guest: "loop32")
            for _ in 0..<5 {
                let client = try stubvisor.attach()
                client.send("c")
            }
            let client = try stubvisor.attach()
            let first = try client.request("g")
            #expect(try client.request("g") == first)
            #expect(try client.request("?").hasPrefix("T"))
        }

        @Test("a second client is refused with a message, and the first goes on", .needs(.kvm))
        func secondClient() throws {
            let stubvisor = try Stubvisor(guest: "loop32")
            let first = try stubvisor.attach()
            let registers = try first.request("g")
            for _ in 0..<3 {
                let second = try stubvisor.connect()
                #expect(try second.request("qSupported").contains("another debugger is attached"))
            }
            #expect(try first.request("g") == registers)
            #expect(try first.resume("s").kind == "T05")
            // While the guest runs, too.
            first.send("c")
            let second = try stubvisor.connect()
            #expect(try second.request("qSupported").contains("another debugger is attached"))
            first.interrupt()
            #expect(try first.stop().kind == "T02")
        }

        @Test("gdb refused shows its user why", .needs(.kvm, .gdb))
        func secondGDB() throws {
            let stubvisor = try Stubvisor(guest: "hello")
            let first = try stubvisor.attach()
            let gdb = try GDB.run(stubvisor, symbols: Guest.symbols("hello"), ["info threads"])
            #expect(gdb.transcript.contains("another debugger is attached"), "\(gdb.transcript)")
            #expect(try first.request("?").hasPrefix("T05"))
        }

        @Test("random bytes do not end the server", .needs(.kvm), arguments: [UInt64.random(in: 0...UInt64.max), 1, 2])
        func garbage(seed: UInt64) throws {
            var random = Seeded(seed)
            let stubvisor = try Stubvisor(guest: "hello")
            let before = try View(stubvisor.attach())
            // Letters that change or resume the guest, and what would end it, are left out: their effect is no damage.
            let harmful = Set("cCsSvkGPMXZzDrRQtbBiI".utf8)
            for _ in 0..<20 {
                let client = try stubvisor.connect()
                for _ in 0..<20 {
                    let noise = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                        UInt8.random(in: 0...255, using: &random)
                    }
                    let packet = noise.filter { !harmful.contains($0) }
                    client.connection.send(Bool.random(using: &random) ? packet : RemoteClient.frame(packet))
                }
            }
            #expect(try View(stubvisor.attach()) == before, "seed \(seed)")
            #expect(stubvisor.program.status == nil, "seed \(seed)")
        }

        @Test("a packet with a wrong checksum is asked for again, one too long is refused", .needs(.kvm))
        func damaged() throws {
            let client = try Stubvisor(guest: "hello").connect()
            client.connection.send(Array("$qC#00".utf8))
            let answer = client.connection.receive(until: .now + .seconds(30))
            #expect(answer == [0x2d])
            #expect(try client.request("qC").hasPrefix("QC"))
            client.connection.send(RemoteClient.frame([UInt8](repeating: 0x61, count: 0x30_000)))
            #expect(try client.reply() == "E01")
            #expect(try client.request("qC").hasPrefix("QC"))
        }

        @Test("a unix socket serves gdb as well, and goes with the machine", .needs(.kvm, .gdb))
        func unixSocket() throws {
            let path = Places.scratch + "/gdb.sock"
            for _ in 0..<2 {
                let stubvisor = try Stubvisor(guest: "hello", gdb: "unix:" + path)
                #expect(stubvisor.place == path)
                let gdb = try GDB.run(stubvisor, symbols: Guest.symbols("hello"), ["break greet", "continue", "kill"])
                #expect(gdb["continue"].contains("Breakpoint 1, greet"))
                #expect(try stubvisor.program.end().status == 0)
            }
        }

        @Test("the guest's console is all there is on standard output", .needs(.kvm))
        func consoleOnly() throws {
            let stubvisor = try Stubvisor(guest: "hello")
            let guest = try stubvisor.attach()
            #expect(try guest.monitor("status").contains("hello.elf"))
            #expect(try guest.resume().kind == "W00")
            let end = try stubvisor.program.end()
            let lines = end.output.split(separator: "\n")
            #expect(lines.first == "hello from the guest")
            #expect(lines.last == "goodbye")
            #expect(lines.contains("factorial(5) = 120") && lines.contains("fibonacci(7) = 13"))
            #expect(end.errors.split(separator: "\n").count == 1, "the server's line alone: \(end.errors)")
        }
    }
}
