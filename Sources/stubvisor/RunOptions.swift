import Architecture
import Boot
import Host
import Machine
import Primitives

/// The command line of `run` and `debug`.
struct RunOptions {
    enum Console: Equatable {
        case stdio, none
        /// The text screen, on standard output.
        case screen
        case file(String)
        case unix(String)
        /// Standard output, each line after some text.
        case prefixed(String)
    }

    /// Which set of options a command takes.
    enum Command {
        case run
        /// `debug`: as `run`, but the gdb endpoint is its own business.
        case debugger
    }

    struct Disk: Equatable {
        let path: String
        let isReadOnly: Bool

        /// `FILE` or `FILE,ro`.
        init(_ text: String) {
            isReadOnly = text.hasSuffix(",ro")
            path = isReadOnly ? String(text.dropLast(3)) : text
        }
    }

    /// What is loaded beside the kernel, or in its place.
    struct Files {
        var initrd: String?
        /// A ROM to start in the place of a kernel.
        var firmware: String?
        /// A Linux kernel for it.
        var payload: String?
        /// Each a file, and behind a comma its arguments.
        var modules: [String] = []
    }

    /// The guest's virtio devices.
    struct Virtio {
        /// In the order of the guest's devices.
        var disks: [Disk] = []
        var hasEntropy = false
    }

    var gdb: Endpoint?
    var isRunning = false
    var processorCount = 1
    /// Nil for the architecture's own default.
    var interruptController: InterruptControllerKind?
    /// Where the interrupt timeline goes at the end.
    var interruptTrace: String?
    /// The folder where monitor commands may make files.
    var output: String?
    /// Bytes.
    var memory: UInt64 = 256 << 20
    var console = Console.stdio
    var files = Files()
    var virtio = Virtio()
    var load = LoadOptions()
    /// Whose registers gdb is given.
    var gdbArchitecture = GDBArchitecture.auto
    var kernel = ""
    fileprivate var allowsInsecure = false

    /// x86: what the guest sees of the host's processor.
    var processor = X86ProcessorChoice()

    /// Who controls the guest's interrupts.
    var irqchip: InterruptControllerKind { interruptController ?? .all(of: MachineConfiguration.architecture)[0] }

    init(parsing arguments: [String], allowing command: Command = .run) throws(Failure) {
        gdb = .tcp(host: "127.0.0.1", port: 1234)
        var rest = arguments[...]
        var kernels: [String] = []
        while let argument = rest.popFirst() {
            if argument == "--" {
                load.commandLine = rest.joined(separator: " ")
                break
            }
            guard argument.hasPrefix("-"), argument != "-" else {
                kernels.append(argument)
                continue
            }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            guard let option = Option.table.first(where: { $0.name == name }) else {
                throw .usage("there is no option \(name)")
            }
            if option.isOfServer && command == .debugger { throw .usage("debug chooses \(name) itself") }
            var value = parts.count > 1 ? String(parts[1]) : ""
            if option.value == nil {
                guard parts.count == 1 else { throw .usage("\(name) takes no value, but got \"\(value)\"") }
            } else if parts.count == 1 {
                guard let next = rest.popFirst() else { throw .usage("\(name) needs a value: \(option.value ?? "")") }
                value = next
            }
            try option.set(&self, value)
        }
        if let firmware = files.firmware {
            guard kernels.count <= 1 else {
                throw .usage("expected one kernel: got \(kernels.joined(separator: ", "))")
            }
            files.payload = kernels.first
            kernels = [firmware]
            load.format = .firmware
        }
        guard let first = kernels.first else { throw .usage("a kernel is missing") }
        guard kernels.count == 1 else { throw .usage("expected one kernel: got \(kernels.joined(separator: ", "))") }
        kernel = first
        let devices = VirtioSources.maximumCount
        if virtio.disks.count + (virtio.hasEntropy ? 1 : 0) > devices {
            throw .usage("a machine has room for \(devices) virtio devices, --disk and --rng together")
        }
        if irqchip == .gicv2, processorCount > 8 { throw .usage("--cpus \(processorCount): a GICv2 serves 8 at most") }
        if interruptTrace != nil, irqchip == .kernel || irqchip == .vgic {
            throw .usage(
                "--trace-irq needs --irqchip \(irqchip == .vgic ? "gicv2" : "apic, split or gicv2"): "
                    + "the kernel's interrupt controllers record nothing")
        }
        if let gdb, !gdb.isLocal, !allowsInsecure {
            throw .usage(
                "--gdb \(gdb) would give everyone who can reach it full control of the guest; add --gdb-insecure to say so"
            )
        }
    }
}

/// One option, as it is parsed and as `help` shows it.
struct Option: Sendable {
    let name: String
    /// What its value looks like; nil for a switch.
    let value: String?
    let help: String
    /// It says how the gdb server listens.
    var isOfServer = false
    let set: @Sendable (inout RunOptions, String) throws(Failure) -> Void
}

extension Option {
    static let table: [Option] = [
        Option(
            name: "--gdb", value: "HOST:PORT | unix:PATH | none",
            help: "where gdb connects; default 127.0.0.1:1234, port 0 picks a free one", isOfServer: true
        ) { options, text throws(Failure) in
            if text == "none" {
                options.gdb = nil
                return
            }
            guard let endpoint = Endpoint(text) else {
                throw .usage("--gdb \(text): expected HOST:PORT with an IPv4 address, unix:PATH or none")
            }
            options.gdb = endpoint
        },
        Option(
            name: "--gdb-insecure", value: nil, help: "let --gdb listen where other machines can reach it",
            isOfServer: true
        ) { options, _ throws(Failure) in options.allowInsecure() },
        Option(
            name: "--gdb-arch", value: GDBArchitecture.allCases.map(\.rawValue).joined(separator: " | "),
            help:
                "x86-64: whose registers gdb is given, as its symbol file wants; default auto, by KERNEL. A 32-bit ELF "
                + "file with 64-bit code wants x86-64"
        ) { options, text throws(Failure) in
            options.gdbArchitecture = try choice("--gdb-arch", text)
            guard MachineConfiguration.architecture == .x86_64 || options.gdbArchitecture == .auto else {
                throw .usage(
                    "--gdb-arch \(text): gdb is given this guest's only architecture, \(Architecture.arm64.rawValue)")
            }
        },
        Option(name: "--running", value: nil, help: "start at once instead of holding the guest for the debugger") {
            options, _ throws(Failure) in options.isRunning = true
        },
        Option(name: "--cpus", value: "N", help: "vCPUs, 1 to 64; default 1") { options, text throws(Failure) in
            guard let count = Int(text), (1...64).contains(count) else {
                throw .usage("--cpus \(text): expected a number from 1 to 64")
            }
            options.processorCount = count
        },
        Option(
            name: "--cpu", value: "host | x86-64[-v2 | -v3 | -v4][,+FEATURE,-FEATURE]",
            help:
                "x86-64: what the guest sees of the host's processor, with features as /proc/cpuinfo names them; default host, "
                + "without what would be slow where KVM emulates kernel mode (see doctor)"
        ) { options, text throws(Failure) in
            guard MachineConfiguration.architecture == .x86_64 else {
                throw .usage("--cpu \(text): arm64 guests see the host's processor as it is")
            }
            do throws(X86ProcessorChoice.Unreadable) { options.processor = try X86ProcessorChoice(parsing: text) } catch
            {
                throw .usage("--cpu \(text): \(error.reason)")
            }
        },
        Option(name: "--memory", value: "SIZE", help: "guest memory such as 64M or 1G; default 256M") {
            options, text throws(Failure) in options.memory = try size(text)
        },
        Option(
            name: "--irqchip", value: InterruptControllerKind.allCases.map(\.rawValue).joined(separator: " | "),
            help:
                "interrupt controllers: apic (default), kernel, split, gicv2 on x86-64; vgic (default), gicv2 on arm64"
        ) { options, text throws(Failure) in
            let architecture = MachineConfiguration.architecture
            let kinds = InterruptControllerKind.all(of: architecture)
            guard let kind = InterruptControllerKind(rawValue: text), kinds.contains(kind) else {
                let names = kinds.map(\.rawValue).joined(separator: ", ")
                throw .usage("--irqchip \(text): expected one of \(names), which \(architecture.rawValue) guests have")
            }
            options.interruptController = kind
        },
        Option(name: "--trace-irq", value: "FILE", help: "the interrupt timeline as Chrome trace JSON, written at exit")
        {
            options, text throws(Failure) in options.interruptTrace = text
        },
        Option(
            name: "--output", value: "DIR",
            help: "the folder where monitor commands may make new files; without it they make none"
        ) { options, text throws(Failure) in options.output = text },
        Option(name: "--initrd", value: "FILE", help: "an initial RAM disk, handed over as the boot protocol has it") {
            options, text throws(Failure) in options.files.initrd = text
        },
        Option(
            name: "--module", value: "FILE[,ARGUMENTS]",
            help: "another file for the kernel, behind the initrd; may be repeated (multiboot 1 and 2, PVH)"
        ) { options, text throws(Failure) in options.files.modules.append(text) },
        Option(
            name: "--disk", value: "FILE[,ro]",
            help: "a virtio disk with what the file holds, written in place; ro: only read; may be repeated"
        ) { options, text throws(Failure) in
            let disk = RunOptions.Disk(text)
            guard !disk.path.isEmpty else { throw .usage("--disk \(text): expected FILE or FILE,ro") }
            options.virtio.disks.append(disk)
        },
        Option(name: "--rng", value: nil, help: "a virtio device that gives the guest random numbers of the host's") {
            options, _ throws(Failure) in options.virtio.hasEntropy = true
        },
        Option(
            name: "--firmware", value: "FILE",
            help:
                "x86-64: a PC's firmware, a ROM that ends at 4 GiB, from its reset vector on; KERNEL, a bzImage, is what it boots"
        ) { options, text throws(Failure) in options.files.firmware = text },
        Option(
            name: "--console", value: "stdio | screen | none | file:PATH | unix:PATH",
            help:
                "the guest's serial port; default stdio, a file gets 1 GiB at most. screen: lines of its text screen instead"
        ) { options, text throws(Failure) in options.console = try console(text) },
        Option(
            name: "--format", value: ImageFormat.allCases.map(\.rawValue).joined(separator: " | "),
            help: "how to read KERNEL; default auto"
        ) { options, text throws(Failure) in
            options.load.format = try choice("--format", text)
        },
        Option(name: "--load-address", value: "ADDRESS", help: "flat images: where the first byte goes") {
            options, text throws(Failure) in
            options.load.loadAddress = PhysicalAddress(try address("--load-address", text))
        },
        Option(name: "--entry", value: "ADDRESS", help: "flat images: the first instruction; default the load address")
        {
            options, text throws(Failure) in options.load.entry = try address("--entry", text)
        },
        Option(
            name: "--cpu-mode", value: CPUMode.allCases.map(\.rawValue).joined(separator: " | "),
            help: "flat images: the mode to start in; default real"
        ) { options, text throws(Failure) in
            options.load.mode = try choice("--cpu-mode", text)
        },
    ]

    private static func choice<T: RawRepresentable & CaseIterable>(
        _ name: String, _ text: String
    ) throws(Failure) -> T where T.RawValue == String {
        guard let value = T(rawValue: text) else {
            let known = T.allCases.map(\.rawValue).joined(separator: ", ")
            throw .usage("\(name) \(text): expected one of \(known)")
        }
        return value
    }

    private static func console(_ text: String) throws(Failure) -> RunOptions.Console {
        switch text {
        case "stdio": return .stdio
        case "screen":
            guard MachineConfiguration.architecture == .x86_64 else {
                throw .usage("--console screen: arm64 guests have no text screen")
            }
            return .screen
        case "none": return .none
        case _ where text.hasPrefix("file:") && text.count > 5: return .file(String(text.dropFirst(5)))
        case _ where text.hasPrefix("unix:") && text.count > 5: return .unix(String(text.dropFirst(5)))
        default: throw .usage("--console \(text): expected stdio, screen, none, file:PATH or unix:PATH")
        }
    }

    /// A number of bytes with an optional K, M, G or T behind it; without one it is bytes.
    private static func size(_ text: String) throws(Failure) -> UInt64 {
        let units: [Character: UInt64] = ["K": 10, "M": 20, "G": 30, "T": 40]
        let unit = text.last.flatMap { units[Character($0.uppercased())] }
        let digits = unit == nil ? text[...] : text.dropLast()
        guard let number = UInt64(digits), number <= UInt64.max >> (unit ?? 0) else {
            throw .usage("--memory \(text): expected a size such as 64M or 1G")
        }
        return number << (unit ?? 0)
    }

    /// A hexadecimal number with `0x`, or a decimal one.
    private static func address(_ name: String, _ text: String) throws(Failure) -> UInt64 {
        let number = text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
        guard let number else { throw .usage("\(name) \(text): expected an address such as 0x100000") }
        return number
    }
}

extension RunOptions {
    fileprivate mutating func allowInsecure() { allowsInsecure = true }
}
