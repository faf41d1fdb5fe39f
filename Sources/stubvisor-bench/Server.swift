import Host

/// A program that serves gdb, with the guest loop32 held at its first instruction.
struct Server: Sendable {
    let name: String
    let arguments: @Sendable (_ port: UInt16, _ guest: String) -> [String]

    static let stubvisor = Server(name: "stubvisor") { port, guest in
        [Files.program, "run", "--console", "none", "--gdb", "127.0.0.1:\(port)", guest]
    }

    static let qemu = Server(name: "qemu") { port, guest in
        [
            "qemu-system-x86_64", "-accel", "kvm", "-kernel", guest, "-S", "-gdb", "tcp:127.0.0.1:\(port)", "-display",
            "none", "-serial", "none", "-monitor", "none",
        ]
    }

    /// Starts it, hands a connected client to `body`, and ends it.
    func run<R>(_ body: (inout Client) throws(BenchError) -> R) throws(BenchError) -> R {
        let guest = try Files.guest("loop32")
        let port = try freePort()
        let process: ChildProcess
        do throws(Errno) { process = try ChildProcess(arguments(port, guest), input: false, quiet: true) } catch {
            throw BenchError(message: "cannot start \(name): \(error)")
        }
        defer {
            process.terminate()
            _ = try? process.wait()
        }
        var client = try Client(.tcp(host: "127.0.0.1", port: port), of: name)
        try client.greet()
        return try body(&client)
    }

    private func freePort() throws(BenchError) -> UInt16 {
        let any = Endpoint.tcp(host: "127.0.0.1", port: 0)
        guard let socket = try? Socket.listen(on: any), case .tcp(_, let port) = socket.boundEndpoint(any) else {
            throw BenchError(message: "no free port")
        }
        return port
    }
}

/// Where the program under test and its guests are.
enum Files {
    /// `stubvisor`, beside this program.
    static let program: String = {
        let own = executablePath() ?? ""
        return own[..<(own.lastIndex(of: "/") ?? own.startIndex)] + "/stubvisor"
    }()

    /// The guest's ELF file, built if it is not up to date.
    static func guest(_ name: String) throws(BenchError) -> String {
        var folder = program[...]
        while let slash = folder.lastIndex(of: "/") {
            folder = folder[..<slash]
            guard isExecutable(folder + "/guests/build") else { continue }
            let built = try? ChildProcess([folder + "/guests/build", name], input: false).wait()
            guard built == 0 else { break }
            return folder + "/.build/guests/\(name).elf"
        }
        throw BenchError(message: "the guest \(name) could not be built")
    }
}
