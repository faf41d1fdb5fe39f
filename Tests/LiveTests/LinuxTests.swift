import Foundation
import Testing

extension Live {
    /// A Linux kernel that was built elsewhere. Too slow for every run where kernel mode is emulated:
    ///
    ///     STUBVISOR_LINUX=vmlinuz STUBVISOR_INITRD=initrd swift test --filter Live.Linux
    ///
    /// The initrd's shell is to be on ttyS0.
    @Suite("Linux") struct Linux {
        private static let environment = ProcessInfo.processInfo.environment

        @Test("boots to a shell that answers", .needs(.kvm, .linux))
        func shell() throws {
            let kernel = try #require(Self.environment["STUBVISOR_LINUX"])
            let initrd = try #require(Self.environment["STUBVISOR_INITRD"])
            let program = try Program(
                [
                    Places.stubvisor, "run", "--gdb", "none", "--memory", "2G", "--initrd", initrd, kernel, "--",
                    "console=ttyS0",
                ], hasInput: true)
            let minutes = 60.0
            #expect(program.read(within: minutes * 60) { $0.output.contains("# ") })
            // Not what the terminal echoes.
            program.type("echo 6 times 7 is $((6 * 7))\n")
            #expect(program.read(within: minutes * 60) { $0.output.contains("6 times 7 is 42") })
            program.signal(SIGTERM)
            _ = try program.end()
        }
    }
}
