// The CRT controller of a VGA in text mode (IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem"): what
// kernels with a text screen use, the start of the screen and the cursor's place, and the status that they wait for.
// Left out: everything that draws, the other VGA registers, the attribute controller's flip-flop.

/// Ports 0x3d4, 0x3d5 and 0x3da.
package struct DisplayController: ByteDevice {
    package enum Register {
        package static let index = 0
        package static let data = 1
        /// Input status 1.
        package static let status = 6
    }

    private enum Index {
        static let startHigh = 0x0c
        static let cursorHigh = 0x0e
    }

    /// Bits of the status: no display now, and vertical retrace.
    private static let retrace: UInt8 = 0x09
    /// Mode 3, 80 by 25 characters, as a BIOS sets it.
    private static let textMode: [UInt8] = [
        0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28,
        0x1f,
        0x96, 0xb9, 0xa3, 0xff,
    ]

    private var index = 0
    private var registers = DisplayController.textMode
    private var isInRetrace = false

    package init() {}

    package mutating func reset() { self = Self() }

    /// The first character shown, counted from the start of text memory.
    package var start: Int { word(Index.startHigh) }
    /// The cursor's place, counted in the same way.
    package var cursor: Int { word(Index.cursorHigh) }

    /// Each read of the status finds the beam elsewhere: a guest that waits for either state goes on.
    package mutating func read(_ register: Int, now: WallTime) -> UInt8 {
        let value = inspect(register, now: now)
        if register == Register.status { isInRetrace.toggle() }
        return value
    }

    package func inspect(_ register: Int, now: WallTime) -> UInt8 {
        switch register {
        case Register.index: UInt8(index)
        case Register.data: registers.indices.contains(index) ? registers[index] : 0
        default: isInRetrace ? Self.retrace : 0
        }
    }

    package mutating func write(_ value: UInt8, to register: Int, now: WallTime) -> WriteResponse {
        switch register {
        case Register.index: index = Int(value & 0x3f)
        case Register.data: if registers.indices.contains(index) { registers[index] = value }
        default: break
        }
        return WriteResponse()
    }

    private func word(_ high: Int) -> Int { Int(registers[high]) << 8 | Int(registers[high + 1]) }
}
