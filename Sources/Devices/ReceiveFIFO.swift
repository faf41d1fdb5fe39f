// The receiver's FIFO of a 16550, and of a PL011, which has the same: up to 16 bytes, each with a mark for "this was a break" (PC16550D datasheet, sections
// 8.4 and 8.5). Kept in registers instead of an array, so that a UART is copied and compared without allocation.
// Parity and framing marks are left out: a console has no bad bits.

import Primitives

/// Whether the guest polls a serial port for input. A guest that sends reads the status once or twice for each byte; one
/// that waits for input reads it again and again with no write between.
struct InputPolling: Hashable, Sendable {
    /// Reads of the status since something else was done, up to 3.
    private(set) var reads = 0

    mutating func note() { reads = min(reads + 1, 3) }
    mutating func end() { reads = 0 }
}

/// Bytes received and not yet read, oldest first.
struct ReceiveFIFO: Hashable, Sendable {
    /// What the hardware holds at most.
    static let capacity = 16

    /// The oldest byte is the lowest; bytes beyond `count` are zero.
    private var bytes: UInt128 = 0
    /// One bit for each byte, the oldest the lowest.
    private var breaks: UInt16 = 0
    private(set) var count = 0

    /// The oldest byte; zero when there is none.
    var first: UInt8 { UInt8(truncatingIfNeeded: bytes) }

    /// A break waits somewhere in the FIFO, its mark not yet taken.
    var holdsBreak: Bool { breaks != 0 }

    /// Adds a byte; there must be room.
    mutating func append(_ byte: UInt8, isBreak: Bool) {
        precondition(count < Self.capacity, "the FIFO is full")
        bytes |= UInt128(byte) << UInt128(8 * count)
        breaks[bit: count] = isBreak
        count += 1
    }

    /// Takes the oldest byte; zero when there is none.
    mutating func removeFirst() -> UInt8 {
        defer {
            bytes >>= 8
            breaks >>= 1
            count = Swift.max(0, count - 1)
        }
        return first
    }

    /// Whether the oldest byte is a break whose mark was not taken.
    var isFirstBreak: Bool { breaks[bit: 0] }

    /// Whether the oldest byte is a break; its mark is gone afterwards.
    mutating func takeFirstBreak() -> Bool {
        defer { breaks[bit: 0] = false }
        return breaks[bit: 0]
    }
}
