import Glibc

// What tests ask of a machine through the protocol.
extension RemoteClient {
    // MARK: - Running

    /// Sends a resuming packet and waits for the stop.
    func resume(_ packet: String = "vCont;c", within seconds: Double = 60) throws -> Stop {
        Stop(text: try request(packet, within: seconds))
    }

    func stop(within seconds: Double = 60) throws -> Stop { Stop(text: try reply(within: seconds)) }

    func interrupt() { connection.send([0x03]) }

    func insert(_ kind: Int, at address: UInt64, length: Int = 1) throws -> String {
        try request("Z\(kind),\(String(address, radix: 16)),\(length)")
    }

    func remove(_ kind: Int, at address: UInt64, length: Int = 1) throws -> String {
        try request("z\(kind),\(String(address, radix: 16)),\(length)")
    }

    /// Output of a monitor command.
    func monitor(_ command: String) throws -> String {
        let before = console.count
        let answer = try request("qRcmd," + Self.hex(Array(command.utf8)))
        guard answer == "OK" else { throw LiveError("monitor \(command): \(answer)") }
        return String(console.dropFirst(before))
    }

    // MARK: - Memory

    func memory(at address: UInt64, count: Int) throws -> [UInt8] {
        let answer = try request("m\(String(address, radix: 16)),\(String(count, radix: 16))")
        guard !answer.hasPrefix("E") else { throw LiveError("memory at \(String(address, radix: 16)): \(answer)") }
        return Self.bytes(hex: answer.utf8)
    }

    func word(at address: UInt64) throws -> UInt64 {
        try memory(at: address, count: 8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The word once a running guest has changed it from `old`; `old` where it does not in half a minute. Between two looks
    /// the guest has time of its own, however busy the host is: each look calls it out.
    func word(at address: UInt64, differingFrom old: UInt64) throws -> UInt64 {
        let deadline = Patience.deadline(30)
        while true {
            let now = try word(at: address)
            if now != old || ContinuousClock.now > deadline { return now }
            usleep(1000)
        }
    }

    func write(_ bytes: [UInt8], at address: UInt64) throws -> String {
        try request("M\(String(address, radix: 16)),\(String(bytes.count, radix: 16)):\(Self.hex(bytes))")
    }

    // MARK: - Registers

    /// A row of the target description.
    struct Register {
        let number: Int
        let bits: Int
    }

    func describedRegisters() throws -> [String: Register] {
        var text = ""
        while true {
            let part = try request("qXfer:features:read:target.xml:\(String(text.utf8.count, radix: 16)),1000")
            text += part.dropFirst()
            if part.hasPrefix("l") { break }
            guard part.hasPrefix("m") else { throw LiveError("no target description: \(part)") }
        }
        var result: [String: Register] = [:]
        for line in text.split(separator: "\n") where line.contains("<reg ") {
            let fields = line.split(separator: "\"")
            func value(_ name: String) -> String? {
                fields.indices.first { fields[$0].hasSuffix(" \(name)=") }.map { String(fields[$0 + 1]) }
            }
            guard let name = value("name"), let bits = Int(value("bitsize") ?? ""),
                let number = Int(value("regnum") ?? "")
            else { throw LiveError("a register without name, size or number: \(line)") }
            result[name] = Register(number: number, bits: bits)
        }
        return result
    }

    private func described(_ name: String) throws -> Register {
        guard let register = registers?[name] else { throw LiveError("no register \(name)") }
        return register
    }

    func bytes(of name: String) throws -> [UInt8] {
        Self.bytes(hex: try request("p" + String(try described(name).number, radix: 16)).utf8)
    }

    func register(_ name: String) throws -> UInt64 {
        try bytes(of: name).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    func set(_ name: String, to bytes: [UInt8]) throws -> String {
        try request("P\(String(try described(name).number, radix: 16))=\(Self.hex(bytes))")
    }

    func set(_ name: String, to value: UInt64) throws -> String {
        let count = try described(name).bits / 8
        return try set(name, to: (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) })
    }
}
