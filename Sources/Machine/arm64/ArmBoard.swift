import KVM
import Primitives

/// Where an arm64 machine has what. The addresses are those of QEMU's `virt` machine, which kernels and people know;
/// guests that read the device tree need not.
enum ArmBoard {
    /// The GICv2's, or GICv3's, Distributor.
    static let distributor = PhysicalAddress(0x0800_0000)
    /// GICv2: the CPU interfaces, one address for all.
    static let interfaces = PhysicalAddress(0x0801_0000)
    /// GICv3: the Redistributors, 128 KiB for each processor.
    static let redistributors = PhysicalAddress(0x080a_0000)
    /// A PL011, at shared interrupt 1.
    static let console = PhysicalAddress(0x0900_0000)
    static let consoleSize: UInt64 = 0x1000
    static let consoleLine: UInt32 = 33

    /// Interrupt numbers of the interrupt controller, private ones included.
    static let interruptCount: UInt32 = 128
}
