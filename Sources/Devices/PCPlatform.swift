// The devices of a PC at the ports and interrupt lines where guests look for them without asking. The interrupt
// controllers and the timer are elsewhere: they belong to `Interrupts`.

/// A PC's devices on its two buses. The memory bus starts empty.
package struct PCPlatform: Equatable, Sendable {
    /// ISA interrupt lines.
    package enum Line {
        /// The 8254's counter 0.
        package static let timer: UInt32 = 0
        package static let keyboard: UInt32 = 1
        package static let com1: UInt32 = 4
        package static let clock: UInt32 = 8
        /// The ACPI system control interrupt, level-triggered (FADT: SCI_INT).
        package static let sci: UInt32 = 9
    }

    /// Ports that tables made for the guest name too.
    package enum Port {
        package static let com1 = IOPort(0x3f8)
        /// FADT: PM1a_EVT_BLK, 4 bytes; PM1a_CNT_BLK follows with 2.
        package static let powerManagementEvent = IOPort(0x600)
        package static let powerManagementControl = IOPort(0x604)
        /// FADT: RESET_REG, with RESET_VALUE 6.
        package static let resetControl = IOPort(0xcf9)
        package static let debugExit = IOPort(0xf4)
        package static let clock = IOPort(0x70)
    }

    package var ports = PortBus()
    package var memory = MMIOBus()
    /// COM1's number on the port bus.
    package let console: Int
    /// The ACPI registers' number on the port bus, and the real-time clock's.
    package let power: Int
    private let clock: Int

    /// Memory sizes in bytes, for CMOS memory: below 4 GiB counted from 0, and what lies above 4 GiB.
    package init(memoryBelow4GiB: UInt64 = 0, memoryAbove4GiB: UInt64 = 0) {
        console = ports.attach(
            .uart(UART16550()), line: Line.com1,
            at: [("COM1", Port.com1, UART16550.Register.count, 0)]
        )
        power = ports.attach(
            .power(PowerManagement()), line: Line.sci,
            at: [("ACPI PM1a", Port.powerManagementEvent, PowerManagement.Register.count, 0)]
        )
        clock = ports.attach(
            .clock(RealTimeClock(memoryBelow4GiB: memoryBelow4GiB, memoryAbove4GiB: memoryAbove4GiB)),
            line: Line.clock,
            at: [("RTC and CMOS memory", Port.clock, RealTimeClock.Register.count, 0)]
        )
        ports.attach(
            .keyboard(KeyboardController()), line: Line.keyboard,
            at: [
                ("keyboard data", IOPort(0x60), 1, KeyboardController.Register.data),
                ("keyboard command", IOPort(0x64), 1, KeyboardController.Register.command),
            ]
        )
        ports.attach(
            .reset(ResetPorts()),
            at: [
                ("system control A", IOPort(0x92), 1, ResetPorts.Register.systemControlA),
                ("reset control", Port.resetControl, 1, ResetPorts.Register.resetControl),
            ]
        )
        ports.attach(.debugConsole(DebugConsole()), at: [("debug console", IOPort(0xe9), 1, 0)])
        ports.attach(.debugExit(DebugExit()), at: [("debug exit", Port.debugExit, DebugExit.count, 0)])
        ports.attach(.postCode(PostCode()), at: [("POST code", IOPort(0x80), 1, 0)])
    }

    /// Lets time pass for the real-time clock: what that does to its line.
    package mutating func advance(to now: WallTime) -> LineChange? { ports.signal(.time(now), to: clock) }

    /// When `advance` must be called next, in nanoseconds of model time.
    package func due(at now: WallTime) -> UInt64? {
        guard case .clock(let device) = ports.device(clock) else { return nil }
        return device.due(at: now)
    }

    /// Brings every device to its power-on state but for what survives a reset; each device's line as it is then.
    @discardableResult
    package mutating func reset() -> [LineChange] { ports.reset() + memory.reset() }
}
