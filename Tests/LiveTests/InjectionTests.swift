import Foundation
import Testing

extension Live.Interrupts {
    /// The guest `counting` and a raw client in non-stop mode: what is injected arrives once, whatever the guest does.
    /// Eight vectors at a time, since the same one twice is one; the next eight when the guest has counted these.
    @Suite("injections") final class Injections {
        private static let vectors = 8
        private let symbols: Symbols
        private var guest: RemoteClient!
        /// Rounds of eight so far.
        private var done: UInt64 = 0

        init() throws { symbols = try Symbols(guest: "counting") }

        private func start(_ kind: String) throws {
            guest = try Stubvisor(guest: "counting", ["--irqchip", kind, "--memory", "16M"]).attach()
            #expect(try guest.insert(0, at: symbols["ready"]) == "OK")
            #expect(try guest.resume().kind == "T05")
            #expect(try guest.remove(0, at: symbols["ready"]) == "OK")
            // The client finds the machine standing, as before.
            #expect(try guest.request("QNonStop:1") == "OK")
            #expect(try guest.request("?").hasPrefix("T05"))
            #expect(try guest.request("vStopped") == "OK")
        }

        private func counts() throws -> [UInt64] {
            let bytes = try guest.memory(at: symbols["counts"], count: 8 * Self.vectors)
            return (0..<Self.vectors).map { i in bytes[8 * i..<8 * i + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
            }
        }

        private func inject(_ vectors: Range<Int>) throws {
            for which in vectors {
                // The first one comes by the UART's line.
                let command = which == 0 ? "inject-irq 4" : "inject-msi 0xfee00000 \(0x40 + which)"
                guest.send("qRcmd," + RemoteClient.hex(Array(command.utf8)))
            }
            for _ in vectors where try guest.reply() != "OK" { throw LiveError("not injected") }
        }

        /// Waits until the guest has counted each of this round's once; more is a failure at once.
        private func count() throws {
            done += 1
            let deadline = Patience.deadline(60)
            while true {
                // Each look calls the guest out, which would get nothing done between two.
                usleep(1000)
                let counts = try counts()
                if counts.allSatisfy({ $0 == done }) { return }
                guard counts.allSatisfy({ $0 <= done }), ContinuousClock.now < deadline else {
                    throw LiveError("round \(done): \(counts)")
                }
            }
        }

        private func resume() throws {
            guard try guest.request("vCont;c") == "OK" else { throw LiveError("it does not go on") }
        }

        /// Asks for a stop that is reported by a notification, and takes it.
        private func halt(_ packet: String) throws {
            guard try guest.request(packet) == "OK" else { throw LiveError("\(packet) is refused") }
            _ = try guest.notification()
            guard try guest.request("vStopped") == "OK" else { throw LiveError("more than one has stopped") }
        }

        /// 4,800, 2,400 and 2,800. The kernel's controllers take an interrupt only when the guest's present batch of
        /// instructions is over, on hosts that run it in batches.
        @Test(
            "10,000 injections, made while the guest runs, stands and is stepped: none lost, none twice",
            .needs(.kvm), .timeLimit(.minutes(5 * Int(Patience.factor))),
            arguments: [("apic", [600, 300, 350]), ("kernel", [50, 25, 25])])
        func exact(kind: String, rounds: [Int]) throws {
            try start(kind)
            try resume()
            let rounds = rounds.map { Patience.rounds($0) }
            for _ in 0..<rounds[0] {
                try inject(0..<Self.vectors)
                try count()
            }
            try halt("vCont;t")
            for _ in 0..<rounds[1] {
                try inject(0..<Self.vectors)
                // Nothing is taken by a machine that stands.
                guard try counts().allSatisfy({ $0 == done }) else { throw LiveError("taken while it stands") }
                try resume()
                try count()
                try halt("vCont;t")
            }
            for _ in 0..<rounds[2] {
                for half in [0..<4, 4..<8] {
                    try inject(half)
                    try halt("vCont;s:p1.1")
                }
                try resume()
                try count()
                try halt("vCont;t")
            }
            #expect(try counts() == [UInt64](repeating: UInt64(rounds.reduce(0, +)), count: Self.vectors))
        }
    }
}
