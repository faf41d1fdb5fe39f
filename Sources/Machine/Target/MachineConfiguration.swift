import Architecture
import Boot
import Host
import KVM
import Primitives

/// Who controls the guest's interrupts.
package enum InterruptControllerKind: String, CaseIterable, Sendable {
    /// The built-in model of a PC's controllers.
    case apic
    /// The kernel's local APICs, I/O APIC, 8259 pair and 8254.
    case kernel
    /// The kernel's local APICs with the built-in I/O APIC, 8259 pair and 8254.
    case split
    /// arm64: the kernel's GIC.
    case vgic
    /// The built-in GICv2 (see GICBoard).
    case gicv2

    /// None of it is the kernel's.
    var isBuiltIn: Bool {
        switch self {
        case .apic, .gicv2: true
        case .kernel, .split, .vgic: false
        }
    }
}

/// Which architecture's registers gdb is given for an x86 guest: those that go with its symbol file.
package enum GDBArchitecture: String, CaseIterable, Sendable {
    /// By the kernel's file.
    case auto
    case i386
    case x86_64 = "x86-64"
}

/// What a machine is made of.
package struct MachineConfiguration: Sendable {
    /// The guest's.
    let architecture: Architecture
    let memory: MachineMemory
    let processorCount: Int
    let interruptController: InterruptControllerKind
    /// What lies in memory at the start, and again after a reset.
    let placements: [Placement]
    let start: Start
    /// One line about the image.
    let summary: String
    /// What `monitor status` calls the guest.
    let name: String
    /// Start at once instead of holding every vCPU for the debugger.
    let isRunning: Bool
    /// How wide the registers are that clients see.
    let width: X86.Width
    /// What the user should know about the choice of `width`.
    package let note: String?
    /// Where the image was linked to be, if that is where Linux kernels are.
    let linkAddress: VirtualAddress?
    /// Where monitor commands may make files.
    package var output: OutputFolder?
    /// x86: the console shows the text screen, and not what the guest writes to its serial port.
    package var showsScreen = false

    /// The state of the first processor.
    enum Start: Sendable {
        case x86(StartState)
        case arm64(Arm64StartState)
    }

    /// A machine for `image`, which was loaded from the bytes of `file`.
    package init(
        memory: MachineMemory, processorCount: Int, interruptController: InterruptControllerKind?, image: BootImage,
        file: [UInt8], name: String, isRunning: Bool, gdbArchitecture: GDBArchitecture = .auto
    ) {
        architecture = .x86_64
        self.memory = memory
        self.processorCount = processorCount
        self.interruptController = interruptController ?? .all(of: .x86_64)[0]
        placements = image.placements
        start = .x86(image.start)
        summary = image.summary
        self.name = name
        self.isRunning = isRunning
        (width, note) = Self.width(for: image, file, as: gdbArchitecture)
        linkAddress = Boot.linkAddress(of: file, in: X86LinuxKernel.images)
    }

    /// The same for an arm64 guest.
    package init(
        memory: MachineMemory, processorCount: Int, interruptController: InterruptControllerKind?,
        image: Arm64BootImage, name: String, isRunning: Bool
    ) {
        architecture = .arm64
        self.memory = memory
        self.processorCount = processorCount
        self.interruptController = interruptController ?? .all(of: .arm64)[0]
        placements = image.placements
        start = .arm64(image.start)
        summary = image.summary
        self.name = name
        self.isRunning = isRunning
        (width, note, linkAddress) = (.bits64, nil, nil)
    }

    /// What goes with the kernel's symbol file: gdb refuses a 64-bit description beside a 32-bit one, and the other way
    /// round. A 32-bit ELF file may hold 64-bit code: then the symbols are those of the 64-bit file that it was made from,
    /// unless it has debugging information of its own that says otherwise.
    private static func width(
        for image: BootImage, _ file: [UInt8], as choice: GDBArchitecture
    ) -> (width: X86.Width, note: String?) {
        switch choice {
        case .i386: return (.bits32, nil)
        case .x86_64: return (.bits64, nil)
        case .auto: break
        }
        switch image.start.mode {
        case .real: return (.bits16, nil)
        case .long: return (.bits64, nil)
        case .protected:
            guard let code = codeWidth(of: file) else {
                return ([.flat, .linux].contains(image.format) ? .bits32 : .bits64, nil)
            }
            guard code.entersLongMode else { return (.bits32, nil) }
            let isWide = code.debugAddressSize != 4
            let (chosen, other): (GDBArchitecture, GDBArchitecture) = isWide ? (.x86_64, .i386) : (.i386, .x86_64)
            return (
                isWide ? .bits64 : .bits32,
                "a 32-bit ELF file whose code enters long mode: gdb is given \(chosen.rawValue) registers; "
                    + "--gdb-arch \(other.rawValue) if your symbol file is \(isWide ? "32" : "64")-bit"
            )
        }
    }
}

/// A machine, or a look at the host, that cannot be had.
package enum MachineError: Error, Sendable {
    /// KVM refused a request.
    case kvm(request: String, Errno)
    /// The host refused something else.
    case host(String, Errno)

    init(_ error: KVMError) { self = .kvm(request: error.request, error.errno) }
}
