/// The guest "watch", given what to access, and what watchpoints ought to make of it.
struct WatchGuest {
    enum How: UInt64, CaseIterable {
        case load, store, add, lockedAdd, copyFrom, fill

        var reads: Bool { self != .store && self != .fill }
        var writes: Bool { self != .load && self != .copyFrom }
        /// Repeated instructions take any count of bytes.
        var isRepeated: Bool { self == .copyFrom || self == .fill }
    }

    struct Touch {
        var cpu = 0
        var how: How
        var address: UInt64
        var size = 8
    }

    struct Watchpoint {
        /// 2 for writes, 3 for reads, 4 for both: the number in the packet.
        var kind: Int
        var address: UInt64
        var count = 8

        var name: String { ["watch", "rwatch", "awatch"][kind - 2] }
    }

    /// A stop as it is reported.
    struct Report: Equatable, CustomStringConvertible {
        var name: String
        var address: UInt64
        var cpu: Int

        var description: String { "\(name) \(String(address, radix: 16)) on \(cpu)" }
    }

    let server: Stubvisor
    let client: RemoteClient
    let symbols: Symbols
    let arena: UInt64

    init(cpus: Int = 1) throws {
        symbols = try Symbols(guest: "watch")
        server = try Stubvisor(guest: "watch", ["--cpus", "\(cpus)"])
        client = try server.attach()
        arena = try symbols["arena"]
    }

    func set(_ name: String, to value: UInt64) throws {
        guard try client.write(Self.bytes(value), at: symbols[name]) == "OK" else {
            throw LiveError("\(name) cannot be set")
        }
    }

    static func bytes(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }

    /// Gives the guest its work, in this order.
    func prepare(_ touches: [Touch]) throws {
        let table = touches.flatMap { touch in
            [UInt64(touch.cpu), touch.how.rawValue, touch.address, UInt64(touch.size)].flatMap(Self.bytes)
        }
        guard try client.write(table, at: symbols["touches"]) == "OK" else { throw LiveError("no room for touches") }
        try set("touch_count", to: UInt64(touches.count))
    }

    func insert(_ watchpoint: Watchpoint) throws -> String {
        let place = String(watchpoint.address, radix: 16)
        return try client.request("Z\(watchpoint.kind),\(place),\(String(watchpoint.count, radix: 16))")
    }

    /// What the touches ought to come to, in their order: reads before writes, lower addresses first.
    static func expected(_ touches: [Touch], _ watchpoints: [Watchpoint]) -> [Report] {
        touches.flatMap { touch -> [Report] in
            let end = touch.address + UInt64(touch.size)
            let met = watchpoints.filter { watchpoint in
                let kinds = touch.how.reads && watchpoint.kind != 2 || touch.how.writes && watchpoint.kind != 3
                return kinds && touch.address < watchpoint.address + UInt64(watchpoint.count)
                    && watchpoint.address < end
            }
            return met.map {
                Report(name: $0.name, address: max($0.address, touch.address), cpu: touch.cpu)
            }.sorted { $0.address < $1.address }
        }
    }

    func takeRegisters() throws { try client.takeDebugRegisters(at: arena + 0x70_0000) }

    /// Goes on to the next stop; nil at the end.
    func next() throws -> Report? {
        let stop = try client.resume()
        if stop.kind == "W00" { return nil }
        for name in ["watch", "rwatch", "awatch"] {
            guard let address = stop.field(name).flatMap({ UInt64($0, radix: 16) }) else { continue }
            let thread = stop.field("thread")?.split(separator: ".").last.flatMap { Int($0, radix: 16) } ?? 0
            return Report(name: name, address: address, cpu: thread - 1)
        }
        throw LiveError("no stop of a watchpoint: \(stop.text)")
    }

    /// Every stop to the end, or the first `limit` of them.
    func reports(limit: Int) throws -> [Report] {
        var all: [Report] = []
        while all.count < limit, let report = try next() { all.append(report) }
        return all
    }
}

extension RemoteClient {
    /// Takes the debug registers, where there are any, for memory at `start` that is not accessed: they know neither reads
    /// alone nor where in a range it was accessed, and emulated ones report one at a time.
    func takeDebugRegisters(at start: UInt64) throws {
        for number in 0..<4 {
            let place = start + 8 * UInt64(number)
            guard try insert(2, at: place, length: 8) == "OK" else { throw LiveError("no watchpoint at \(place)") }
        }
    }
}
