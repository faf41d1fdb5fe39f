/// A machine whose guest sends back each byte that its serial port gets: what shows, without a debugger, that it runs.
final class EchoGuest {
    let stubvisor: Stubvisor
    private var count = 0

    /// Real mode: mov dx, 0x3fd; in al, dx; test al, 1; jz to the start; mov dx, 0x3f8; in al, dx; out dx, al; jmp to it.
    static let code: [UInt8] = [
        0xba, 0xfd, 3, 0xec, 0xa8, 1, 0x74, 0xf8, 0xba, 0xf8, 3, 0xec, 0xee, 0xeb, 0xf1,
    ]

    init(_ options: [String] = ["--running"], gdb endpoint: String = "127.0.0.1:0", launcher: [String] = []) throws {
        let file = try Places.file("echo.bin", Self.code)
        stubvisor = try Stubvisor(
            options + ["--format", "flat", file], gdb: endpoint, hasInput: true, launcher: launcher)
    }

    /// Whether the guest answers.
    func runs() -> Bool {
        count += 1
        let line = "line \(count)\n"
        stubvisor.program.type(line)
        return stubvisor.program.read(until: { $0.output.contains(line) })
    }
}
