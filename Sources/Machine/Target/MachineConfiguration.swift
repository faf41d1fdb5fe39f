import Architecture
import Boot
import Host
import KVM

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

/// What a machine is made of.
package struct MachineConfiguration: Sendable {
    let memory: MachineMemory
    let processorCount: Int
    let interruptController: InterruptControllerKind
    package let image: MachineImage
    /// What `monitor status` calls the guest.
    let name: String
    /// Start at once instead of holding every vCPU for the debugger.
    let isRunning: Bool
    /// Where monitor commands may make files.
    package var output: OutputFolder?
    /// x86: the console shows the text screen, and not what the guest writes to its serial port.
    package var showsScreen = false
    /// Disks and other virtio devices.
    package var virtio = VirtioSources()
    /// x86: what the guest sees of the host's processor.
    package var processor = X86ProcessorChoice()

    package init(
        memory: MachineMemory, processorCount: Int, interruptController: InterruptControllerKind?, image: MachineImage,
        name: String, isRunning: Bool
    ) {
        self.memory = memory
        self.processorCount = processorCount
        self.interruptController = interruptController ?? .all(of: image.architecture)[0]
        self.image = image
        self.name = name
        self.isRunning = isRunning
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
