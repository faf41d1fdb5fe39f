import Foundation

@testable import Debugger

/// A real debugger as the client of a session over a simulated machine, on a Unix socket.
enum SocketClient {
    static let gdb = found("/usr/bin/gdb-multiarch")
    static let lldb = found("/usr/bin/lldb-19")

    private static func found(_ path: String) -> String? {
        FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }

    struct Failure: Error {
        let what: String
    }

    /// Starts a program with its arguments, which `command` makes from the socket's path; serves it until it goes, and
    /// returns what it printed.
    static func run(_ machine: Conversation, _ command: (String) -> (String, [String])) throws -> String {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sv-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("s").path
        let listener = try listen(at: path)
        defer { close(listener) }
        let output = folder.appendingPathComponent("said")
        try Data().write(to: output)
        let process = Process()
        let (program, arguments) = command(path)
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = process.standardOutput
        try process.run()
        defer { if process.isRunning { process.terminate() } }
        try wait(for: listener)
        let socket = accept(listener, nil, nil)
        defer { close(socket) }
        try serve(machine, on: socket)
        process.waitUntilExit()
        return try String(contentsOf: output, encoding: .utf8)
    }

    private static func listen(at path: String) throws -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, size) == 0 }
        }
        guard isBound, Glibc.listen(listener, 1) == 0 else { throw Failure(what: "errno \(errno) at \(path)") }
        return listener
    }

    /// Waits for something to read; a debugger that says nothing for so long has gone wrong.
    private static func wait(for descriptor: Int32) throws {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&request, 1, 60_000) == 1 else { throw Failure(what: "the debugger said nothing for a minute") }
    }

    private static func serve(_ machine: Conversation, on socket: Int32) throws {
        var buffer = [UInt8](repeating: 0, count: 0x1_0000)
        while true {
            try wait(for: socket)
            let count = recv(socket, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            machine.session.feed(buffer[..<count])
            while let demand = machine.session.next() {
                if case .resume(let plan) = demand, let stop = machine.nextStop(plan) { machine.session.report(stop) }
            }
            let bytes = machine.session.framer.outgoing
            machine.session.sent(bytes.count)
            var sent = 0
            while sent < bytes.count {
                let part = send(socket, Array(bytes[sent...]), bytes.count - sent, Int32(MSG_NOSIGNAL))
                guard part > 0 else { return }
                sent += part
            }
        }
    }
}
