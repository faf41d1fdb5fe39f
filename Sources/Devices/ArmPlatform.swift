// The devices of the arm64 board, where its device tree says they are. The interrupt controllers are elsewhere: they
// belong to `Interrupts`, or to the kernel.

import Primitives

/// The arm64 board's devices on its bus. Lines are INTIDs.
package struct ArmPlatform: Equatable, Sendable {
    package var memory = MMIOBus()
    /// The PL011's number on the bus.
    package let console: Int

    package init(virtio: [VirtioDevice.Function] = []) {
        console = memory.attach(
            .pl011(PL011()), line: ArmBoard.uartInterrupt,
            at: [("PL011", ArmBoard.uart, PL011.Register.count, 0)]
        )
        memory.attach(virtio, at: ArmBoard.virtio)
    }

    /// The level of an interrupt line as it was last reported.
    package func level(ofLine line: UInt32) -> Bool { memory.level(ofLine: line) }

    /// Brings every device to its power-on state.
    @discardableResult
    package mutating func reset() -> [LineChange] { memory.reset() }
}
