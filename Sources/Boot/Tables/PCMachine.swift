import Primitives

/// What the tables made for an x86 guest say of its machine; the rest is `PCBoard`'s.
package struct PCMachine: Equatable, Sendable {
    /// Their local APICs have the ids from 0 on.
    package let processorCount: Int
    /// Local APICs and an I/O APIC: without them there is neither ACPI nor MP table.
    package let hasAPICs: Bool
    /// How many of the board's places for virtio devices are taken.
    package let virtioCount: Int

    package init(processorCount: Int = 1, hasAPICs: Bool = true, virtioCount: Int = 0) {
        self.processorCount = processorCount
        self.hasAPICs = hasAPICs
        self.virtioCount = virtioCount
    }

    var virtio: ArraySlice<VirtioPlace> { PCBoard.virtio.prefix(virtioCount) }

    /// ISA interrupts that are levels, active high; the others are edges.
    var levels: [UInt32] { [PCBoard.Line.sci] + virtio.map(\.interrupt) }

    /// What Linux is told of its virtio devices where it may not look at the ACPI tables
    /// (Documentation/admin-guide/kernel-parameters.txt, virtio_mmio.device).
    func deviceParameters(after commandLine: String) -> [String] {
        guard hasAPICs, commandLine.split(separator: " ").contains("acpi=off") else { return [] }
        return virtio.map {
            "virtio_mmio.device=\(VirtioPlace.size)@\(hexadecimal($0.address.rawValue)):\($0.interrupt)"
        }
    }
}
