import Testing

/// `stubvisor run` with its gdb server. Ends with this object, which its clients keep.
final class Stubvisor {
    let program: Program
    /// As `target remote` takes it: HOST:PORT, or a socket's path.
    let place: String

    private static let announcement = "stubvisor: gdb server on "

    /// Starts a machine and waits until its server is there. What `launcher` starts becomes stubvisor.
    init(
        _ arguments: [String], gdb endpoint: String = "127.0.0.1:0", blockingSignals: Bool = false,
        hasInput: Bool = false, launcher: [String] = []
    ) throws {
        program = try Program(
            launcher + [Places.stubvisor, "run", "--gdb", endpoint] + arguments, hasInput: hasInput,
            blocking: blockingSignals)
        let line = { (program: Program) in
            program.errors.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
                .first { $0.hasPrefix(Self.announcement) }
        }
        guard program.read(until: { line($0) != nil }), let found = line(program) else {
            throw LiveError("no gdb server came: \(program.errors)")
        }
        let endpoint = found.dropFirst(Self.announcement.count)
        place = String(endpoint.hasPrefix("unix:") ? endpoint.dropFirst(5) : endpoint)
    }

    /// A guest of `guests/`.
    convenience init(guest: String, _ options: [String] = [], gdb endpoint: String = "127.0.0.1:0") throws {
        try self.init(options + [try Guest.path(guest)], gdb: endpoint)
    }

    /// A flat image of these bytes.
    convenience init(flat bytes: [UInt8], mode: String = "real", name: String = #function) throws {
        let file = try Places.file("flat-\(mode)-\(name.filter(\.isLetter)).bin", bytes)
        try self.init(["--format", "flat", "--cpu-mode", mode, file])
    }

    func connect() throws -> RemoteClient { try RemoteClient(self) }

    /// A client that has said what clients say first.
    func attach() throws -> RemoteClient {
        let client = try connect()
        try client.open()
        return client
    }
}
