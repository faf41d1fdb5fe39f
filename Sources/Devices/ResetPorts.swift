// The two reset registers of PC chipsets besides the keyboard controller's: System Control Port A at 0x92 (IBM PS/2)
// and the reset control register at 0xcf9 (Intel ICH9 datasheet, "RST_CNT"). Each resets when its bit goes from 0 to 1.
// Hard and soft resets are the same here; A20 is always on.

/// Ports 0x92 and 0xcf9.
package struct ResetPorts: ByteDevice {
    package enum Register {
        /// Port 0x92.
        package static let systemControlA = 0
        /// Port 0xcf9.
        package static let resetControl = 1
    }

    private static let fastReset: UInt8 = 0x01
    private static let a20: UInt8 = 0x02
    private static let resetProcessor: UInt8 = 0x04
    /// Hard or soft, the trigger, and "with power": what register 0xcf9 keeps.
    private static let resetControlBits: UInt8 = 0x0e

    private var systemControlA: UInt8 = ResetPorts.a20
    private var resetControl: UInt8 = 0

    package init() {}

    package mutating func reset() { self = Self() }

    package mutating func read(_ register: Int, now: WallTime) -> UInt8 { inspect(register, now: now) }

    package func inspect(_ register: Int, now: WallTime) -> UInt8 {
        register == Register.systemControlA ? systemControlA : resetControl
    }

    package mutating func write(_ value: UInt8, to register: Int, now: WallTime) -> WriteResponse {
        let trigger: UInt8
        if register == Register.systemControlA {
            trigger = value & ~systemControlA & Self.fastReset
            systemControlA = value | Self.a20
        } else {
            trigger = value & ~resetControl & Self.resetProcessor
            resetControl = value & Self.resetControlBits
        }
        return WriteResponse(effect: trigger != 0 ? .reset : nil)
    }
}
