import Architecture
import Boot
import Debugger
import Glibc
import Host
import Machine

/// Boots a kernel and serves debuggers until the guest or a client ends it.
func run(_ options: RunOptions) throws(Failure) -> Int32 {
    let hasTerminal = options.console == .stdio && Terminal.isThere
    let interruption = try Interruption(by: [SIGINT, SIGTERM, SIGHUP], terminal: hasTerminal)
    ignoreTerminalStops()
    let setup = try Setup(options)
    try restrict(setup.machine)
    interruption.ends { [machine = setup.machine] in machine.end(.killed) }
    if let endpoint = setup.server.endpoint { diagnose("gdb server on \(endpoint)") }
    if hasTerminal { diagnose("this terminal is the guest's; \(Console.help)") }
    let status = try setup.finish()
    return interruption.status ?? status
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

/// The machine that the options describe, with what goes with it.
struct Setup {
    let machine: VirtualMachine
    let server: GDBServer
    private let trace: TraceFile?

    init(_ options: RunOptions) throws(Failure) {
        // What is wrong with the kernel is said before anything is taken from the host.
        let virtio = try options.virtio.open()
        var configuration = try configure(options, virtioCount: virtio.functions.count)
        if let path = options.output {
            do throws(Errno) { configuration.output = try OutputFolder(path) } catch {
                throw .host("cannot open the folder of --output, \(path): \(error)")
            }
        }
        configuration.processor = options.processor
        configuration.showsScreen = options.console == .screen
        if options.gdb != nil, let note = configuration.image.note { diagnose("\(options.kernel) is \(note)") }
        configuration.virtio = virtio
        let console: Console
        do throws(Errno) { console = try Console(options.console.place) } catch {
            throw .host("cannot open the console \(options.console.text): \(reason(error))")
        }
        atEnd { console.remove() }
        if let path = options.interruptTrace { trace = try TraceFile(path) } else { trace = nil }
        let server = try makeServer(options.gdb)
        atEnd { server.remove() }
        self.server = server
        do throws(MachineError) {
            machine = try VirtualMachine(configuration, console: console, server: server)
        } catch {
            throw Failure(error)
        }
    }

    /// Runs the machine to its end: the exit status that goes with it.
    func finish() throws(Failure) -> Int32 {
        let ending: Ending
        do throws(MachineError) { ending = try machine.run() } catch { throw Failure(error) }
        if case .died(let why) = ending { diagnose(why) }
        try trace?.write(of: machine)
        return Int32(ending.status)
    }
}

/// `--trace-irq FILE`, opened at the start: what it would be refused for at the end is known then.
private final class TraceFile: Sendable {
    private let path: String
    private let file: Descriptor

    init(_ path: String) throws(Failure) {
        self.path = path
        do throws(Errno) { file = try Descriptor.create(path) } catch { throw Self.failure(path, "\(error)") }
    }

    func write(of machine: VirtualMachine) throws(Failure) {
        let bytes: [UInt8]
        do throws(Refusal) { bytes = try machine.timeline() } catch { throw Self.failure(path, error.reason) }
        // A FIFO may have no reader.
        do throws(Errno) { try file.write(bytes[...], milliseconds: 500) } catch {
            throw Self.failure(path, "\(error)")
        }
    }

    private static func failure(_ path: String, _ reason: String) -> Failure {
        .host("cannot write --trace-irq \(path): \(reason)")
    }
}

private func configure(_ options: RunOptions, virtioCount: Int) throws(Failure) -> MachineConfiguration {
    var file = try read(options.kernel)
    if ![.flat, .firmware].contains(options.load.format) { file = try Unpacking.unpack(file, from: options.kernel) }
    var load = options.load
    if let initrd = options.files.initrd { load.initrd = try read(initrd) }
    load.imageName = options.kernel
    if let payload = options.files.payload { load.payload = try Unpacking.unpack(try read(payload), from: payload) }
    for module in options.files.modules {
        let parts = module.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        load.modules.append(BootModule(try read(parts[0]), text: parts.joined(separator: " ")))
    }
    if MachineConfiguration.architecture == .arm64, options.treeController == .gicv2, options.processorCount > 8 {
        throw .usage("--cpus \(options.processorCount): a GICv2 serves 8 at most")
    }
    // KVM's guests have addresses of 40 bits by default.
    if MachineConfiguration.architecture == .arm64, options.memory > 1 << 40 - 1 << 30 {
        throw .usage("--memory: an arm64 machine's begins at 1 GiB and ends at 1 TiB: 1023G at most")
    }
    do throws(BootError) {
        let memory = try MachineMemory(
            size: options.memory, board: MachineConfiguration.architecture == .arm64 ? .arm : .pc,
            firmwareSize: load.format == .firmware ? UInt64(file.count) : 0)
        let isRunning = options.isRunning || options.gdb == nil
        let image: MachineImage
        switch MachineConfiguration.architecture {
        case .x86_64:
            load.machine = PCMachine(
                processorCount: options.processorCount, hasAPICs: options.irqchip != .gicv2, virtioCount: virtioCount)
            image = MachineImage(
                try Boot.load(file, options: load, into: memory), from: file, gdbArchitecture: options.gdbArchitecture)
        case .arm64:
            let machine = Arm64Machine(
                processorCount: options.processorCount, interruptController: options.treeController,
                virtioCount: virtioCount)
            image = MachineImage(try loadArm64(file, options: load, into: memory, of: machine))
        }
        return MachineConfiguration(
            memory: memory, processorCount: options.processorCount, interruptController: options.interruptController,
            image: image, name: options.kernel, isRunning: isRunning)
    } catch {
        switch error {
        case .firmwareSize, .emptyFile: throw Failure(error, path: options.kernel)
        default: throw Failure(error, path: options.files.payload ?? options.kernel)
        }
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

extension RunOptions.Virtio {
    /// Opens what the devices are made of.
    fileprivate func open() throws(Failure) -> VirtioSources {
        var sources = VirtioSources()
        sources.hasEntropy = hasEntropy
        for disk in disks { sources.disks.append(try disk.open()) }
        return sources
    }
}

extension RunOptions.Disk {
    fileprivate func open() throws(Failure) -> DiskFile {
        let file: DiskFile
        do throws(Errno) { file = try DiskFile(path, isReadOnly: isReadOnly) } catch {
            switch error {
            case .noSuchFile, .isDirectory: throw .unreadable(path: path, error)
            case .invalid: throw .disk(path: path, "neither a file nor a block device")
            case .tryAgain:
                throw .host("cannot open the disk \(path): another machine has it\(isReadOnly ? " to write it" : "")")
            case .noPermission, .notPermitted, .readOnlyFileSystem:
                let advice = isReadOnly ? "" : "; --disk \(path),ro only reads it"
                throw .host("cannot open the disk \(path): \(error)\(advice)")
            default: throw .host("cannot open the disk \(path): \(error)")
            }
        }
        let sector = DiskFile.sectorSize
        guard file.size > 0, file.size % sector == 0 else {
            throw .disk(path: path, "a disk is one or more sectors of \(sector) bytes, and this has \(file.size) bytes")
        }
        return file
    }
}

extension RunOptions.Console {
    /// As the command line has it.
    fileprivate var text: String {
        switch self {
        case .stdio, .prefixed: "stdio"
        case .none: "none"
        case .screen: "screen"
        case .file(let path): "file:\(path)"
        case .unix(let path): "unix:\(path)"
        }
    }

    fileprivate var place: Console.Place {
        switch self {
        case .stdio: .standard(input: true, prefix: "")
        case .prefixed(let prefix): .standard(input: false, prefix: prefix)
        case .none: .none
        case .screen: .standard(input: false, prefix: "")
        case .file(let path): .file(path: path)
        case .unix(let path): .unix(path: path)
        }
    }
}
