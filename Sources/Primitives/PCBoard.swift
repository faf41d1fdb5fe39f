/// Where an x86 guest finds its devices: the ports and interrupts that the machine wires, that the tables made for the
/// guest (ACPI, MP, BIOS data area) name, and that the README lists. Chosen as QEMU's PCs have them.
package enum PCBoard {
    /// Ports side by side, with the device's own number for the register at the first.
    package struct Ports: Equatable, Sendable {
        package let name: String
        package let first: UInt16
        package let count: Int
        package let register: Int
    }

    /// A device: its ports, its ISA interrupt, and what the ACPI namespace calls it where a driver asks for it there.
    package struct Device: Equatable, Sendable {
        package let ports: [Ports]
        package let line: UInt32?
        /// Four characters, and a PNP or ACPI id.
        package let acpi: (name: String, id: String)?

        init(
            _ ports: [(name: String, first: UInt16, count: Int, register: Int)], line: UInt32? = nil,
            acpi: (name: String, id: String)? = nil
        ) {
            self.ports = ports.map { Ports(name: $0.name, first: $0.first, count: $0.count, register: $0.register) }
            self.line = line
            self.acpi = acpi
        }

        package static func == (a: Self, b: Self) -> Bool { a.ports == b.ports && a.line == b.line }
    }

    /// ISA interrupts.
    package enum Line {
        /// The 8254's counter 0.
        package static let timer: UInt32 = 0
        package static let keyboard: UInt32 = 1
        package static let com1: UInt32 = 4
        package static let clock: UInt32 = 8
        /// The ACPI system control interrupt, level-triggered, active high (FADT: SCI_INT).
        package static let sci: UInt32 = 9
    }

    package static let keyboard = Device(
        [("keyboard data", 0x60, 1, 0), ("keyboard command", 0x64, 1, 4)], line: Line.keyboard,
        acpi: ("KBD_", "PNP0303"))
    package static let clock = Device(
        [("RTC and CMOS memory", 0x70, 2, 0)], line: Line.clock, acpi: ("RTC_", "PNP0B00"))
    package static let postCode = Device([("POST code", 0x80, 1, 0)])
    /// System control port A, and the reset register that the FADT names.
    package static let reset = Device([("system control A", 0x92, 1, 0), ("reset control", 0xCF9, 1, 1)])
    package static let debugConsole = Device([("debug console", 0xE9, 1, 0), ("firmware debug console", 0x402, 1, 0)])
    /// Where the interrupt table's stubs report a BIOS call.
    package static let biosCall = Device([("BIOS call", 0xEF, 1, 0)])
    package static let debugExit = Device([("debug exit", 0xF4, 4, 0)])
    package static let display = Device([("CRT controller", 0x3D4, 2, 0), ("display status", 0x3DA, 1, 6)])
    package static let com1 = Device([("COM1", 0x3F8, 8, 0)], line: Line.com1, acpi: ("COM1", "PNP0501"))
    package static let panic = Device([("panic", 0x505, 1, 0)], acpi: ("PEVT", "QEMU0001"))
    package static let firmwareConfiguration = Device(
        [("fw_cfg", 0x510, 2, 0), ("fw_cfg requests", 0x514, 8, 4)], acpi: ("FWCF", "QEMU0002"))
    /// The PM1a event and control blocks, then the PM timer.
    package static let power = Device([("ACPI PM1a", 0x600, 6, 0), ("ACPI PM timer", 0x608, 4, 8)], line: Line.sci)
    /// The address register takes 32-bit accesses alone: the reset register lies inside it.
    package static let pci = Device([("PCI address", 0xCF8, 1, 0), ("PCI data", 0xCFC, 4, 4)])

    /// Every device, by its first port.
    package static let devices = [
        keyboard, clock, postCode, reset, debugConsole, biosCall, debugExit, display, com1, panic,
        firmwareConfiguration,
        power, pci,
    ]

    /// Where virtio devices are, the first device in the first place: interrupts that no device of ISA has here.
    package static let virtio = [5, 10, 11, 12, 14, 15, 6, 3].enumerated().map { index, line in
        VirtioPlace(address: PhysicalAddress(0xFEB0_0000) + index * VirtioPlace.size, interrupt: line)
    }

    /// Each processor's own, 4 KiB, and the I/O APIC's.
    package static let localAPIC = PhysicalAddress(0xFEE0_0000)
    package static let ioAPIC = PhysicalAddress(0xFEC0_0000)
    /// The I/O APIC's pin of the 8254, whose ISA interrupt is 0.
    package static let timerPin: UInt32 = 2
    /// Where BIOS calls of a guest in real mode lead: the code, by segments from this one on, one for each interrupt number.
    package static let biosStub = PhysicalAddress(0xF_FE00)
    package static let biosStubSegment: UInt16 = 0xF000
    /// Text of 80 by 25 characters, each with its attributes.
    package static let textMemory = PhysicalAddress(0xB_8000)
}

/// Where a machine has room for a virtio device: its registers, and its interrupt as the machine counts them.
package struct VirtioPlace: Equatable, Sendable {
    /// Bytes of registers.
    package static let size = 0x200

    package let address: PhysicalAddress
    package let interrupt: UInt32
}
