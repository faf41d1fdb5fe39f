// The devices of a PC at the ports and interrupt lines where guests look for them without asking: `PCBoard` has the
// table. The interrupt controllers and the timer are elsewhere: they belong to `Interrupts`.

import Primitives

/// A PC's devices on its two buses. On the memory bus there are virtio devices alone.
package struct PCPlatform: Equatable, Sendable {
    package typealias Line = PCBoard.Line

    package enum Port {
        package static let clock = IOPort(PCBoard.clock.ports[0].first)
    }

    package var ports = PortBus()
    package var memory = MMIOBus()
    /// COM1's number on the port bus.
    package let console: Int
    /// The ACPI registers' number on the port bus, the display's, and the real-time clock's.
    package let power: Int
    private let display: Int
    private let clock: Int

    /// Memory sizes in bytes, for CMOS memory: below 4 GiB counted from 0, and what lies above 4 GiB.
    package init(
        memoryBelow4GiB: UInt64 = 0, memoryAbove4GiB: UInt64 = 0,
        firmware: FirmwareConfiguration = FirmwareConfiguration(), virtio: [VirtioDevice.Function] = []
    ) {
        console = ports.attach(.uart(UART16550()), as: PCBoard.com1)
        power = ports.attach(.power(PowerManagement()), as: PCBoard.power)
        clock = ports.attach(
            .clock(RealTimeClock(memoryBelow4GiB: memoryBelow4GiB, memoryAbove4GiB: memoryAbove4GiB)),
            as: PCBoard.clock)
        display = ports.attach(.display(DisplayController()), as: PCBoard.display)
        ports.attach(.keyboard(KeyboardController()), as: PCBoard.keyboard)
        ports.attach(.reset(ResetPorts()), as: PCBoard.reset)
        ports.attach(.debugConsole(DebugConsole()), as: PCBoard.debugConsole)
        ports.attach(.debugExit(DebugExit()), as: PCBoard.debugExit)
        ports.attach(.postCode(PostCode()), as: PCBoard.postCode)
        ports.attach(.panic(PanicPort()), as: PCBoard.panic)
        ports.attach(.biosCall(BIOSCall()), as: PCBoard.biosCall)
        ports.attach(.firmware(firmware), as: PCBoard.firmwareConfiguration)
        ports.attach(.pci(PCIConfiguration()), as: PCBoard.pci)
        memory.attach(virtio, at: PCBoard.virtio)
    }

    /// The display's registers.
    package var screen: DisplayController {
        guard case .display(let device) = ports.device(display) else { fatalError("the display is another device") }
        return device
    }

    /// Lets time pass for the real-time clock: what that does to its line.
    package mutating func advance(to now: WallTime) -> LineChange? { ports.signal(.time(now), to: clock) }

    /// When `advance` must be called next, in nanoseconds of model time.
    package func due(at now: WallTime) -> UInt64? {
        guard case .clock(let device) = ports.device(clock) else { return nil }
        return device.due(at: now)
    }

    /// The level of an interrupt line as it was last reported.
    package func level(ofLine line: UInt32) -> Bool { ports.level(ofLine: line) || memory.level(ofLine: line) }

    /// Brings every device to its power-on state but for what survives a reset; each device's line as it is then.
    @discardableResult
    package mutating func reset() -> [LineChange] { ports.reset() + memory.reset() }
}

extension PortBus {
    /// Puts `device` where the board has it.
    @discardableResult
    fileprivate mutating func attach(_ device: Device, as place: PCBoard.Device) -> Int {
        attach(
            device, line: place.line,
            at: place.ports.map { (name: $0.name, base: IOPort($0.first), count: $0.count, register: $0.register) })
    }
}
