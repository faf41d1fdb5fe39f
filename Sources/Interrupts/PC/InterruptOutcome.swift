/// What one call into a controller came to: all that the machine has to do about it.
package struct InterruptOutcome: Equatable, Sendable {
    /// What a read gave, in its low bytes.
    package var value: UInt64 = 0
    /// The access raises #GP(0) on the processor that made it, and changed nothing.
    package var isFault = false
    /// Processors whose interrupt input came to show something new: those that run must be called out, those that
    /// halt woken.
    package var wake = ProcessorSet()
    /// Processors that get an NMI, an SMI, an INIT, a start-up message.
    package var nonMaskable = ProcessorSet()
    package var management = ProcessorSet()
    /// The boot processor begins at the reset vector, another waits for its start-up message.
    package var initialize = ProcessorSet()
    package var startUp = ProcessorSet()
    /// Where they start: page `startUpVector << 12`, CS selector `startUpVector << 8`.
    package var startUpVector: UInt8 = 0
    /// Level-triggered inputs, one bit each, whose interrupt has ended: their devices may look again.
    package var endedLines: UInt32 = 0
    /// Messages to local APICs that are not the model's, in their order; `sent` must be called for each.
    package var messages: [OutgoingMessage] = []
    /// An entry of the I/O APIC changed: before the messages go, what was made of `levelPins` must follow.
    package var changesPins = false
    /// One of them was accepted; the machine says so.
    package var isAccepted = false
    /// On a GIC, the levels of every processor's IRQ and FIQ input after the call, and where one of them changed.
    package var irq = ProcessorSet()
    package var fiq = ProcessorSet()
    package var changed = ProcessorSet()

    package init() {}
}

/// What the interrupt input of a processor shows.
package enum PendingInterrupt: Hashable, Sendable {
    /// From the 8259 pair, which gives its vector when the processor takes it.
    case external
    case vector(UInt8)
}
