import Host
import Primitives

/// One thing that is timed.
struct Measure: Sendable {
    let name: String
    let unit: String
    /// Does some of it for about `nanoseconds` and returns how much in `unit`, or nil where the server cannot.
    let run: @Sendable (inout Client, _ nanoseconds: UInt64) throws(BenchError) -> Double?

    /// The middle one of `rounds` runs, each on a fresh server.
    func median(of rounds: Int, on server: Server) throws(BenchError) -> Double? {
        var results: [Double] = []
        for _ in 0..<rounds {
            let result = try server.run { (client) throws(BenchError) in try run(&client, 1_000_000_000) }
            guard let result else { return nil }
            results.append(result)
        }
        return results.sorted()[rounds / 2]
    }

    static let table: [Measure] = [
        Measure(name: "step", unit: "steps/s") { client, time throws(BenchError) in
            guard try reachLoop(&client) else { return nil }
            return try rate(time) { () throws(BenchError) in try isStop(client.ask("vCont;s:p1.1")) }
        },
        Measure(name: "breakpoint", unit: "hardware breakpoint cycles/s (hit, remove, step, insert, continue)") {
            client, time throws(BenchError) in
            let place = try symbol()
            guard try reachLoop(&client), try isOK(client.ask("Z1,\(place),1")) else { return nil }
            return try rate(time) { () throws(BenchError) in
                guard try isOK(client.ask("z1,\(place),1")), try isStop(client.ask("vCont;s:p1.1")) else {
                    return false
                }
                guard try isOK(client.ask("Z1,\(place),1")) else { return false }
                return try isStop(client.ask("vCont;c"))
            }
        },
        Measure(name: "registers", unit: "g/s") { client, time throws(BenchError) in
            try rate(time) { () throws(BenchError) in try client.ask("g").count > 100 }
        },
        Measure(name: "memory", unit: "MB/s (4 KiB packets)") { client, time throws(BenchError) in
            let packets = try rate(time) { () throws(BenchError) in try client.ask("m100000,800").count == 4096 }
            return packets.map { $0 * 2048 / 1_000_000 }
        },
    ]

    /// How often a second `body` can be done; nil when it fails.
    private static func rate(
        _ time: UInt64, _ body: () throws(BenchError) -> Bool
    ) throws(BenchError) -> Double? {
        let start = Clock.monotonic
        var count = 0
        while Clock.monotonic - start < time {
            for _ in 0..<16 where try !body() { return nil }
            count += 16
        }
        return Double(count) * 1e9 / Double(Clock.monotonic - start)
    }

    /// Runs into the guest's loop: a peer may have firmware to run before.
    private static func reachLoop(_ client: inout Client) throws(BenchError) -> Bool {
        let place = try symbol()
        guard try isOK(client.ask("Z1,\(place),1")), try isStop(client.ask("vCont;c")) else { return false }
        return try isOK(client.ask("z1,\(place),1"))
    }

    private static func isOK(_ reply: ArraySlice<UInt8>) -> Bool { reply.elementsEqual("OK".utf8) }
    private static func isStop(_ reply: ArraySlice<UInt8>) -> Bool { reply.starts(with: "T05".utf8) }

    /// The address of loop32's step_target, in hexadecimal.
    private static func symbol() throws(BenchError) -> String {
        let file = try Files.guest("loop32")
        guard let bytes = try? Descriptor.contents(of: file), let value = elfSymbol("step_target", in: bytes) else {
            throw BenchError(message: "\(file) has no step_target")
        }
        return String(value, radix: 16)
    }

    /// A symbol's value in a 32-bit ELF file (System V ABI, "Symbol Table").
    private static func elfSymbol(_ name: String, in file: [UInt8]) -> UInt32? {
        func word(_ at: Int) -> Int { (try? Int(file.load(UInt32.self, at: at))) ?? 0 }
        func half(_ at: Int) -> Int { (try? Int(file.load(UInt16.self, at: at))) ?? 0 }
        let sections = (0..<half(48)).map { word(32) + $0 * half(46) }
        guard let symbols = sections.first(where: { word($0 + 4) == 2 }) else { return nil }
        let names = word(sections[word(symbols + 24)] + 16)
        for entry in stride(from: word(symbols + 16), to: word(symbols + 16) + word(symbols + 20), by: 16) {
            let start = names + word(entry)
            guard start < file.count, file[start...].starts(with: Array(name.utf8) + [0]) else { continue }
            return UInt32(word(entry + 4))
        }
        return nil
    }
}
