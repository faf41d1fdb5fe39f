import Architecture
import Boot
import Primitives

/// Which architecture's registers gdb is given for an x86 guest: those that go with its symbol file.
package enum GDBArchitecture: String, CaseIterable, Sendable {
    /// By the kernel's file.
    case auto
    case i386
    case x86_64 = "x86-64"
}

/// What a machine starts with, as its image says.
package struct MachineImage: Sendable {
    /// The guest's.
    let architecture: Architecture
    /// What lies in memory at the start, and again after a reset.
    let placements: [Placement]
    let start: Start
    /// One line about the image.
    let summary: String
    /// What firmware finds beside what is in memory.
    let firmwareItems: FirmwareItems
    /// How wide the registers are that clients see.
    let width: X86.Width
    /// What the user should know about the choice of `width`.
    package let note: String?
    /// Where the image was linked to be, if that is where Linux kernels are.
    let linkAddress: VirtualAddress?
    /// x86: a kernel of Linux's, as far as its format or its place says.
    let isLinux: Bool

    /// The state of the first processor.
    enum Start: Sendable {
        case x86(StartState)
        case arm64(Arm64StartState)
    }

    /// `image`, which was loaded from the bytes of `file`.
    package init(_ image: BootImage, from file: [UInt8], gdbArchitecture: GDBArchitecture = .auto) {
        architecture = .x86_64
        placements = image.placements
        start = .x86(image.start)
        summary = image.summary
        firmwareItems = image.firmwareItems
        (width, note) = Self.width(for: image, file, as: gdbArchitecture)
        linkAddress = Boot.linkAddress(of: file, in: X86LinuxKernel.images)
        isLinux = image.format == .linux || linkAddress != nil
    }

    package init(_ image: Arm64BootImage) {
        architecture = .arm64
        placements = image.placements
        start = .arm64(image.start)
        summary = image.summary
        firmwareItems = FirmwareItems()
        (width, note, linkAddress, isLinux) = (.bits64, nil, nil, false)
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
