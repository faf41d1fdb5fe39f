// What the command line may say about an image. The raw values are the words that users type.

import Primitives

/// How an image file is read and started: the words of `--format`.
package enum ImageFormat: String, CaseIterable, Sendable {
    case auto, elf, multiboot, multiboot2, pvh, linux, flat, firmware

}

/// The processor mode that an image starts in: the words of `--cpu-mode`.
package enum CPUMode: String, CaseIterable, Sendable {
    /// 16 bits, addresses below 1 MiB.
    case real
    /// 32 bits, paging off.
    case protected
    /// 64 bits, paging on.
    case long
}

/// The choices that go with an image file.
package struct LoadOptions: Equatable, Sendable {
    package var format: ImageFormat
    /// Flat images: where the first byte goes. Nil: 0x7C00 in real mode, 0x10_0000 in the others.
    package var loadAddress: PhysicalAddress?
    /// Flat images: the first instruction's address. Nil: the load address.
    package var entry: UInt64?
    /// Flat images: the mode to start in, nil for real mode. Other formats fix it and refuse another one.
    package var mode: CPUMode?
    /// Handed to the kernel by `multiboot`, `multiboot2`, `pvh` and `linux`, without the kernel's name; the other formats have no way to.
    package var commandLine: String
    /// Handed to the kernel by `multiboot` (as module 1), `multiboot2`, `pvh` and `linux`; the other formats have no way to.
    package var initrd: [UInt8]?
    /// Handed to the kernel behind the initrd by `multiboot`, `multiboot2` and `pvh`; the other formats have no way to.
    package var modules: [BootModule]
    /// A Linux kernel that the image, a PC's firmware, is to boot.
    package var payload: [UInt8]?
    /// What the image is called: the first word of a multiboot command line, which has none without it.
    package var imageName: String
    /// x86: the machine that tables are made for; none without it.
    package var machine: PCMachine?

    package init(
        format: ImageFormat = .auto, loadAddress: PhysicalAddress? = nil, entry: UInt64? = nil, mode: CPUMode? = nil,
        commandLine: String = "", initrd: [UInt8]? = nil, modules: [BootModule] = [], imageName: String = "",
        machine: PCMachine? = nil
    ) {
        self.format = format
        self.loadAddress = loadAddress
        self.entry = entry
        self.mode = mode
        self.commandLine = commandLine
        self.initrd = initrd
        self.modules = modules
        self.imageName = imageName
        self.machine = machine
    }

    /// The command line as multiboot has it: the image's name first.
    var namedCommandLine: String {
        [imageName, commandLine].filter { !$0.isEmpty }.joined(separator: " ")
    }

    /// The command line as Linux needs it on this machine.
    var linuxCommandLine: String {
        ([commandLine] + (machine?.deviceParameters(after: commandLine) ?? [])).joined(separator: " ")
    }

    /// Whether an option was given that only flat images know.
    var describesFlatImage: Bool { loadAddress != nil || entry != nil || mode != nil }

    /// Refuses options that `format`, which starts in `start`, would silently drop.
    func check(format: ImageFormat, start: CPUMode) throws(BootError) {
        if format != .flat {
            if loadAddress != nil { throw .unusableOption("--load-address", format, "the file says where it loads") }
            if entry != nil { throw .unusableOption("--entry", format, "the file says where it starts") }
            if let mode, mode != start {
                throw .unusableOption("--cpu-mode \(mode.rawValue)", format, "it starts in \(start.rawValue) mode")
            }
        }
        if !modules.isEmpty, ![.multiboot, .multiboot2, .pvh].contains(format) {
            throw .unusableOption(
                "--module", format, "it has no way to hand one over, multiboot, multiboot2 and pvh have")
        }
        if [.flat, .elf, .firmware].contains(format), payload == nil {
            let reason =
                format == .firmware
                ? "it hands one over to a kernel, and there is none"
                : "it has no way to hand one over, multiboot, multiboot2, pvh and linux have"
            if initrd != nil { throw .unusableOption("--initrd", format, reason) }
            if !commandLine.isEmpty { throw .unusableOption("a kernel command line", format, reason) }
        }
    }
}
