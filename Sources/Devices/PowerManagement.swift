// ACPI fixed hardware (ACPI specification 6.5, section 4.8.3): the PM1a event block (status, enable) and the PM1a
// control block, side by side. The FADT names where they are and, with no SMI_CMD, that ACPI mode is always on.
// The power button is the only event. Any sleep type switches off: the DSDT offers S5 only.
// The PM timer (section 4.8.3.3) counts 32 bits of model time, which is stopped while the machine is.
// Left out: the timer's overflow event, general-purpose events, wake and the other sleep states.

/// Six bytes: PM1a_STS, PM1a_EN, PM1a_CNT, 16 bits each. Four more: PM_TMR.
package struct PowerManagement: ByteDevice {
    /// Register numbers of the low bytes.
    package enum Register {
        package static let status = 0
        package static let enable = 2
        package static let control = 4
        package static let timer = 8
    }

    /// The PM timer's ticks a second.
    private static let timerFrequency: UInt64 = 3_579_545

    /// PWRBTN_STS and PWRBTN_EN.
    private static let powerButton: UInt16 = 0x0100
    /// TMR_EN, GBL_EN, PWRBTN_EN, SLPBTN_EN, RTC_EN: a guest reads back what it has enabled, also where the event never comes.
    private static let enables: UInt16 = 0x0721
    /// SCI_EN: power events raise an interrupt, not SMI. Hard-wired on.
    private static let sciEnable: UInt16 = 0x0001
    /// SLP_TYP.
    private static let sleepType: UInt16 = 0x1c00
    /// SLP_EN: go to sleep; always reads 0.
    private static let sleepEnable: UInt16 = 0x2000

    private var status: UInt16 = 0
    private var enable: UInt16 = 0
    private var control: UInt16 = PowerManagement.sciEnable

    package init() {}

    package mutating func reset() { self = Self() }

    /// The SCI: level-triggered, held until the guest has cleared the status.
    package var interruptLevel: Bool { status & enable != 0 }

    /// Asks the guest to shut down.
    package mutating func pressPowerButton() { status |= Self.powerButton }

    package mutating func read(_ register: Int, now: WallTime) -> UInt8 { inspect(register, now: now) }

    package func inspect(_ register: Int, now: WallTime) -> UInt8 {
        if register >= Register.timer { return Self.timerByte(register - Register.timer, at: now) }
        let word =
            switch register & ~1 {
            case Register.status: status
            case Register.enable: enable
            default: control
            }
        return UInt8(truncatingIfNeeded: word >> (register & 1 == 0 ? 0 : 8))
    }

    /// Byte `number` of the timer's count.
    private static func timerByte(_ number: Int, at now: WallTime) -> UInt8 {
        let (seconds, nanoseconds) = now.uptime.quotientAndRemainder(dividingBy: 1_000_000_000)
        let ticks = seconds &* timerFrequency &+ nanoseconds * timerFrequency / 1_000_000_000
        return UInt8(truncatingIfNeeded: ticks >> UInt64(number * 8))
    }

    package mutating func write(_ value: UInt8, to register: Int, now: WallTime) -> WriteResponse {
        guard register < Register.timer else { return WriteResponse() }
        let shift = register & 1 == 0 ? 0 : 8
        let bits = UInt16(value) << UInt16(shift)
        let others: UInt16 = ~(0x00ff << UInt16(shift))
        switch register & ~1 {
        case Register.status: status &= ~bits  // a one clears
        case Register.enable: enable = (enable & others) | (bits & Self.enables)
        default:
            control = (((control & others) | bits) & Self.sleepType) | Self.sciEnable
            if bits & Self.sleepEnable != 0 { return WriteResponse(effect: .powerOff) }
        }
        return WriteResponse()
    }
}
