import Host
import RemoteProtocol

// `stubvisor-bench MEASURE... [--peer qemu] [--rounds N]`: timings of the gdb server over loopback TCP, beside a
// peer's; and of interrupts, in a machine of its own.
do throws(BenchError) {
    exitProcess(try bench(Array(CommandLine.arguments.dropFirst())))
} catch {
    _ = try? writeSome(Array("stubvisor-bench: \(error.message)\n".utf8)[...], to: 2)
    exitProcess(error.status)
}
