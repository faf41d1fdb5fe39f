import Architecture
import Boot
import Debugger
import Host
import Machine

/// Boots a kernel and serves debuggers until the guest or a client ends it.
func run(_ options: RunOptions) throws(Failure) -> Int32 {
    let (machine, server) = try makeMachine(options)
    try restrict(machine)
    if let endpoint = server.endpoint { diagnose("gdb server on \(endpoint)") }
    return try finish(machine, server, options)
}

/// The machine that the options describe, with the server that attends it.
func makeMachine(_ options: RunOptions) throws(Failure) -> (VirtualMachine, GDBServer) {
    // What is wrong with the kernel is said before anything is taken from the host.
    var configuration = try configure(options)
    if let path = options.output {
        do throws(Errno) { configuration.output = try OutputFolder(path) } catch {
            throw .host("cannot open the folder of --output, \(path): \(error)")
        }
    }
    if options.gdb != nil, let note = configuration.note { diagnose("\(options.kernel) is \(note)") }
    let console: Console
    do throws(Errno) { console = try Console(options.console.place) } catch {
        throw .host("cannot open the console \(options.console.text): \(reason(error))")
    }
    let server = try makeServer(options.gdb)
    do throws(MachineError) {
        return (try VirtualMachine(configuration, console: console, attendant: server), server)
    } catch {
        throw Failure(error)
    }
}

/// Gives up what it takes no more, now that everything is open: from here on there are guests and clients.
func restrict(_ machine: VirtualMachine) throws(Failure) {
    do throws(Errno) { try Privileges.drop() } catch { throw .host("cannot give up privileges: \(error)") }
    do throws(Errno) { try machine.checkOutput() } catch {
        throw .host("--output: no file can be made there: \(error)")
    }
}

private func makeServer(_ endpoint: Endpoint?) throws(Failure) -> GDBServer {
    do throws(Errno) { return try GDBServer(on: endpoint) } catch {
        let words =
            switch (endpoint, error) {
            case (.tcp, .addressInUse): "\(error); another stubvisor? --gdb 127.0.0.1:0 picks a free port"
            case (.tcp, .noSuchFile): "\(error): /proc/net/tcp, which shows whose a connection is"
            default: reason(error)
            }
        throw .host("cannot listen on \(endpoint.map { "\($0)" } ?? ""): \(words)")
    }
}

/// Why a place cannot be listened on, or a file not be opened (see Listener).
private func reason(_ error: Errno) -> String {
    switch error {
    case .busy: "another stubvisor listens there"
    case .addressInUse: "\(error): another program listens there"
    case .exists: "a file that is no socket is there"
    default: "\(error)"
    }
}

/// Runs the machine to its end: the exit status that goes with it.
func finish(_ machine: VirtualMachine, _ server: GDBServer, _ options: RunOptions) throws(Failure) -> Int32 {
    defer {
        server.remove()
        machine.console.remove()
    }
    let ending: Ending
    do throws(MachineError) { ending = try machine.run() } catch { throw Failure(error) }
    if case .died(let why) = ending { diagnose(why) }
    if let path = options.interruptTrace { try saveTimeline(of: machine, to: path) }
    return Int32(ending.status)
}

private func saveTimeline(of machine: VirtualMachine, to path: String) throws(Failure) {
    do throws(Refusal) { try machine.saveTimeline(to: path) } catch { throw .host("--trace-irq: \(error.reason)") }
}

private func configure(_ options: RunOptions) throws(Failure) -> MachineConfiguration {
    let file = try read(options.kernel)
    var load = options.load
    if let initrd = options.initrd { load.initrd = try read(initrd) }
    if MachineConfiguration.architecture == .arm64, options.treeController == .gicv2, options.processorCount > 8 {
        throw .usage("--cpus \(options.processorCount): a GICv2 serves 8 at most")
    }
    // KVM's guests have addresses of 40 bits, unless told otherwise.
    if MachineConfiguration.architecture == .arm64, options.memory > 1 << 40 - 1 << 30 {
        throw .usage("--memory: an arm64 machine's begins at 1 GiB and ends at 1 TiB: 1023G at most")
    }
    do throws(BootError) {
        let memory = try MachineMemory(
            size: options.memory, board: MachineConfiguration.architecture == .arm64 ? .arm : .pc)
        let isRunning = options.isRunning || options.gdb == nil
        switch MachineConfiguration.architecture {
        case .x86_64:
            return MachineConfiguration(
                memory: memory, processorCount: options.processorCount,
                interruptController: options.interruptController,
                image: try Boot.load(file, options: load, into: memory), file: file, name: options.kernel,
                isRunning: isRunning, gdbArchitecture: options.gdbArchitecture)
        case .arm64:
            let machine = Arm64Machine(
                processorCount: options.processorCount, interruptController: options.treeController)
            return MachineConfiguration(
                memory: memory, processorCount: options.processorCount,
                interruptController: options.interruptController,
                image: try loadArm64(file, options: load, into: memory, of: machine), name: options.kernel,
                isRunning: isRunning)
        }
    } catch {
        throw Failure(error, path: options.kernel)
    }
}

private func read(_ path: String) throws(Failure) -> [UInt8] {
    do throws(Errno) { return try Descriptor.contents(of: path) } catch {
        switch error {
        case .noSuchFile, .isDirectory, .invalid: throw .unreadable(path: path, error)
        default: throw .host("cannot read \(path): \(error)")
        }
    }
}

extension RunOptions {
    /// What the device tree names: a GICv3 where that is all that the kernel has.
    fileprivate var treeController: Arm64Machine.InterruptController {
        irqchip == .vgic && HostReport.hasOnlyGICv3 ? .gicv3 : .gicv2
    }
}

extension RunOptions.Console {
    /// As the command line has it.
    fileprivate var text: String {
        switch self {
        case .stdio, .prefixed: "stdio"
        case .none: "none"
        case .file(let path): "file:\(path)"
        case .unix(let path): "unix:\(path)"
        }
    }

    fileprivate var place: Console.Place {
        switch self {
        case .stdio: .standard(input: true, prefix: "")
        case .prefixed(let prefix): .standard(input: false, prefix: prefix)
        case .none: .none
        case .file(let path): .file(path: path)
        case .unix(let path): .unix(path: path)
        }
    }
}
