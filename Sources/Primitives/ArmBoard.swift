/// Where an arm64 guest finds its devices: the addresses and interrupts that the device tree names and the machine wires,
/// chosen as QEMU's `virt` board has them, so that guests made for that one run.
package enum ArmBoard {
    /// Where RAM begins.
    package static let memory = PhysicalAddress(0x4000_0000)
    /// GICD of a GICv2, 4 KiB, and of a GICv3, 64 KiB.
    package static let distributor = PhysicalAddress(0x0800_0000)
    package static let distributorSize: UInt64 = 0x1_0000
    /// GICC of a GICv2, 8 KiB.
    package static let interruptInterface = PhysicalAddress(0x0801_0000)
    /// GICR of a GICv3: two pages of 64 KiB for each processor.
    package static let redistributors = PhysicalAddress(0x080a_0000)
    package static let redistributorSize: UInt64 = 0x2_0000
    /// A PL011, one page.
    package static let uart = PhysicalAddress(0x0900_0000)
    package static let uartSize: UInt64 = 0x1000

    /// INTIDs: the first 16 are software generated, then 16 private to each processor, then the shared ones.
    package static let firstPrivate: UInt32 = 16
    package static let firstShared: UInt32 = 32
    package static let uartInterrupt: UInt32 = 33
    /// Interrupt numbers of the GIC, private ones included.
    package static let interruptCount: UInt32 = 128
    /// The performance monitor's, then the generic timer's: the hypervisor's, the virtual one, the secure and the non-secure physical one.
    package static let performanceMonitor: UInt32 = 23
    package static let hypervisorTimer: UInt32 = 26
    package static let virtualTimer: UInt32 = 27
    package static let secureTimer: UInt32 = 29
    package static let physicalTimer: UInt32 = 30

    /// Where virtio devices are, the first device in the first place.
    package static let virtio = (0..<PCBoard.virtio.count).map {
        VirtioPlace(address: PhysicalAddress(0x0a00_0000) + $0 * VirtioPlace.size, interrupt: 48 + UInt32($0))
    }

    /// How fast the PL011's clock is said to run, in hertz.
    package static let clockFrequency: UInt32 = 24_000_000
}
