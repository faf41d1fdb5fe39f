/// A client that speaks the remote protocol and knows nothing of stubvisor. GDB manual, "Remote Serial Protocol".
final class RemoteClient {
    /// A stop reply, taken apart.
    struct Stop: Equatable {
        let text: String

        /// `T05`, `W00`.
        var kind: String { String(text.prefix(3)) }

        /// The value of `key:value;`.
        func field(_ key: String) -> String? {
            text.dropFirst(3).split(separator: ";").first { $0.hasPrefix(key + ":") }
                .map { String($0.dropFirst(key.count + 1)) }
        }
    }

    let connection: Connection
    /// What must live as long as this does.
    private let server: Stubvisor
    /// Text of `O` packets so far.
    private(set) var console = ""
    /// Notifications that have arrived and not been looked at, without their `%`.
    private var notifications: [String] = []
    private(set) var acknowledges = true
    private var buffer: [UInt8] = []
    private(set) lazy var registers = try? describedRegisters()

    init(_ server: Stubvisor) throws {
        self.server = server
        connection = try Connection(server.place)
    }

    /// The features that gdb asks for, and no acks.
    func open() throws {
        _ = try request("qSupported:multiprocess+;swbreak+;hwbreak+;error-message+")
        try startNoAckMode()
    }

    func startNoAckMode() throws {
        guard try request("QStartNoAckMode") == "OK" else { throw LiveError("acks cannot be switched off") }
        acknowledges = false
    }

    // MARK: - Packets

    static func frame(_ payload: [UInt8]) -> [UInt8] {
        var body: [UInt8] = []
        for byte in payload {
            if byte == 0x23 || byte == 0x24 || byte == 0x2a || byte == 0x7d {
                body += [0x7d, byte ^ 0x20]
            } else {
                body.append(byte)
            }
        }
        let sum = body.reduce(0, &+)
        let digits = String(sum, radix: 16)
        return [0x24] + body + Array("#\(digits.count == 1 ? "0" : "")\(digits)".utf8)
    }

    func send(_ packet: String) { connection.send(Self.frame(Array(packet.utf8))) }

    /// Sends a packet and returns the reply.
    func request(_ packet: String, within seconds: Double = 30) throws -> String {
        send(packet)
        return try reply(within: seconds)
    }

    func reply(within seconds: Double = 30) throws -> String {
        String(decoding: try bytesOfReply(within: seconds), as: UTF8.self)
    }

    /// The next reply; console output that comes before goes to `console`.
    func bytesOfReply(within seconds: Double = 30) throws -> [UInt8] {
        let deadline = Patience.deadline(seconds)
        while true {
            while let packet = try takePacket() {
                if acknowledges { connection.send([0x2b]) }
                guard packet.first == 0x4f, packet.count > 2, packet.count % 2 == 1 else { return packet }
                console += String(decoding: Self.bytes(hex: packet.dropFirst()), as: UTF8.self)
            }
            let arrived = connection.receive(until: deadline)
            buffer += arrived
            if connection.hasEnded { throw LiveError("the connection has ended") }
            if arrived.isEmpty && ContinuousClock.now > deadline { throw LiveError("no reply in \(seconds) s") }
        }
    }

    /// The next notification, without its `%`.
    func notification(within seconds: Double = 30) throws -> String {
        let deadline = Patience.deadline(seconds)
        while true {
            if let packet = try takePacket() {
                throw LiveError("a packet nobody asked for: \(String(decoding: packet, as: UTF8.self))")
            }
            if !notifications.isEmpty { return notifications.removeFirst() }
            buffer += connection.receive(until: deadline)
            if connection.hasEnded { throw LiveError("the connection has ended") }
            if ContinuousClock.now > deadline { throw LiveError("no notification in \(seconds) s") }
        }
    }

    /// The first whole packet of `buffer`, with escapes and runs undone; notifications before it are put aside.
    private func takePacket() throws -> [UInt8]? {
        guard let start = buffer.firstIndex(where: { $0 == 0x24 || $0 == 0x25 }),
            let end = buffer[start...].firstIndex(of: 0x23), end + 2 < buffer.count
        else { return nil }
        let isNotification = buffer[start] == 0x25
        let body = buffer[(start + 1)..<end]
        let sum = UInt8(String(decoding: buffer[(end + 1)...(end + 2)], as: UTF8.self), radix: 16)
        guard sum == body.reduce(0, &+) else { throw LiveError("a reply's checksum is wrong") }
        var payload: [UInt8] = []
        var rest = body
        while let byte = rest.popFirst() {
            switch byte {
            case 0x7d: payload.append((rest.popFirst() ?? 0) ^ 0x20)
            case 0x2a: payload += [UInt8](repeating: payload.last ?? 0, count: Int(rest.popFirst() ?? 29) - 29)
            default: payload.append(byte)
            }
        }
        buffer.removeSubrange(...(end + 2))
        guard isNotification else { return payload }
        notifications.append(String(decoding: payload, as: UTF8.self))
        return try takePacket()
    }

    static func bytes(hex digits: some Collection<UInt8>) -> [UInt8] {
        let text = Array(String(decoding: digits, as: UTF8.self))
        return stride(from: 0, to: text.count - 1, by: 2).compactMap { UInt8(String(text[$0...($0 + 1)]), radix: 16) }
    }

    static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
