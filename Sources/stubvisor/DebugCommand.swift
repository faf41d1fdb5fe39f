import Glibc
import Host
import Machine

/// `debug`: the machine, and gdb on this terminal with symbols, scripts and connection done.
func debug(_ options: RunOptions) throws(Failure) -> Int32 {
    var options = options
    // What is typed is gdb's; what the guest prints is shown between gdb's lines.
    if options.console == .stdio { options.console = .prefixed("") }
    let symbols = Symbols.file(for: options.kernel)
    return try withDebugger(options) { endpoint in
        var arguments = ["gdb", "-q"]
        if let places = Places() { arguments += ["-x", places.gdbScript] }
        if options.load.mode == .real, options.gdbArchitecture == .auto {
            arguments += ["-ex", "set architecture i8086"]
        }
        return arguments + ["-ex", "target remote \(endpoint)"] + (symbols.map { [$0] } ?? [])
    }
}

/// Runs a machine with a gdb beside it; gdb's end is the machine's. `arguments` gets the place to connect to; where
/// `joined`, gdb's complaints go to standard output, in order with the rest. Ctrl-C is gdb's but where it `ends` all.
func withDebugger(
    _ options: RunOptions, joined: Bool = false, interrupt ends: Bool = false, _ arguments: (String) -> [String]
) throws(Failure) -> Int32 {
    let interruption = try Interruption(by: (ends ? [SIGINT] : []) + [SIGTERM, SIGHUP])
    if !ends { ignoreTerminalInterrupt() }
    var options = options
    let folder: PrivateFolder
    do throws(Errno) { folder = try PrivateFolder() } catch {
        throw .host("cannot make a folder in /tmp for the socket: \(error)")
    }
    atEnd { folder.remove() }
    let socket = folder.path + "/gdb"
    options.gdb = .unix(path: socket)
    options.isRunning = false
    let setup = try Setup(options)
    let machine = setup.machine
    // With the rights that it would have had by itself.
    let gdb: ChildProcess
    // gdb may leave the terminal as it has it.
    Terminal.keep()
    do throws(Errno) { gdb = try ChildProcess(arguments(socket), joined: joined) } catch {
        throw .host("cannot start gdb: \(error)" + (error == .noSuchFile ? "; install it (apt install gdb)" : ""))
    }
    try restrict(machine)
    // gdb ends the machine when it kills it; when it ends without, it has left it behind.
    let status = Condition<Int32?>(nil)
    do throws(Errno) {
        _ = try Thread.start("gdb") {
            let result = (try? gdb.wait()) ?? 1
            status.update { $0 = result }
            machine.end(.killed)
        }
    } catch {
        throw .host("cannot start a thread: \(error)")
    }
    interruption.ends {
        gdb.terminate()
        machine.end(.killed)
    }
    _ = try setup.finish()
    guard let signalled = interruption.status else { return status.wait { $0 } }
    if status.wait(milliseconds: 2000, until: { $0 }) == nil { gdb.terminate(by: SIGKILL) }
    return signalled
}
