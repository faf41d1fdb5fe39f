/// What the tables made for an x86 guest say of its machine; the rest is `PCBoard`'s.
package struct PCMachine: Equatable, Sendable {
    /// Their local APICs have the ids from 0 on.
    package let processorCount: Int
    /// Local APICs and an I/O APIC: without them there is neither ACPI nor MP table.
    package let hasAPICs: Bool

    package init(processorCount: Int = 1, hasAPICs: Bool = true) {
        self.processorCount = processorCount
        self.hasAPICs = hasAPICs
    }
}
