// Ports that no PC has but many guests use: Bochs' console at 0xe9, which firmware looks for at 0x402 too, QEMU's
// isa-debug-exit at 0xf4 and pvpanic at 0x505; the port for power-on test codes at 0x80, which every PC has and Linux
// writes to in order to wait; and where BIOS calls end.

/// Bochs' "port E9 hack": what is written is printed, and a read gives 0xe9 as the sign that it works.
package struct DebugConsole: ByteDevice {
    package init() {}

    package mutating func read(_ register: Int, now: WallTime) -> UInt8 { 0xe9 }
    package func inspect(_ register: Int, now: WallTime) -> UInt8 { 0xe9 }

    package mutating func write(_ value: UInt8, to register: Int, now: WallTime) -> WriteResponse {
        WriteResponse(effect: .output(value))
    }

    package mutating func reset() {}
}

/// QEMU's isa-debug-exit: a write of v, of 1, 2 or 4 bytes, ends with status (v << 1) | 1, of which the host's exit
/// keeps the low 8 bits. So a guest cannot report 0, which is what an ordinary power-off gives. Reads give 0.
package struct DebugExit: Equatable, Sendable {
    /// How many ports it takes.
    package static let count = 4

    package init() {}

    package func write(_ value: UInt64) -> WriteResponse {
        WriteResponse(effect: .exit(status: UInt8(truncatingIfNeeded: value << 1 | 1)))
    }
}

/// Keeps the last power-on test code.
package struct PostCode: ByteDevice {
    package private(set) var last: UInt8 = 0

    package init() {}

    package mutating func read(_ register: Int, now: WallTime) -> UInt8 { last }
    package func inspect(_ register: Int, now: WallTime) -> UInt8 { last }

    package mutating func write(_ value: UInt8, to register: Int, now: WallTime) -> WriteResponse {
        last = value
        return WriteResponse()
    }

    package mutating func reset() { last = 0 }
}

/// QEMU's pvpanic: a guest that has crashed says so.
package struct PanicPort: Equatable, Sendable {
    /// PVPANIC_PANICKED; a guest that goes on to load a crash kernel would say 2.
    private static let panicked: UInt8 = 1

    package init() {}

    package func inspect() -> UInt8 { Self.panicked }

    package func write(_ value: UInt64) -> WriteResponse {
        WriteResponse(effect: UInt8(truncatingIfNeeded: value) & Self.panicked != 0 ? .panic : nil)
    }
}

/// What the stubs in the interrupt table of a guest that starts in real mode write to: it called a BIOS.
package struct BIOSCall: Equatable, Sendable {
    package init() {}

    package func write() -> WriteResponse { WriteResponse(effect: .biosCall) }
}
