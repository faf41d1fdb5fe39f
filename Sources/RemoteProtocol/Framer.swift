// Packets out of a byte stream: `$data#xx`, acknowledgements and the interrupt byte.
// GDB manual, "Remote Serial Protocol": Overview, Packet Acknowledgment, Interrupts.
//
// What a faulty stream meets here is answered here, so that the reader of the events answers packets only:
// - a wrong checksum (or one that is no hexadecimal number, or an escape without its byte): `-` in ack mode. Without
//   acks there is nothing to ask again with, so the packet is refused with `E01`: the client would otherwise wait.
//   Checksums are verified in both modes, since clients send right ones in both.
// - a packet longer than the maximum: dropped up to its end, then `+` (ack mode) and `E01`.
// - a `$` inside a packet: the packet so far was cut off, a new one begins; the old one is not reported.
// - anything but `$`, `+`, `-` and 0x03 between packets: skipped.
//
// Left out: run-length encoding in requests, which no client may send; sequence numbers, gone since GDB 5.

import Primitives

/// One connection's framing in both directions, without I/O.
///
/// Received bytes go in with `feed`, events come out of `next`; what must be sent gathers in `outgoing`.
package struct Framer {
    package enum Event: Equatable, Sendable {
        /// A packet's data with escapes undone. Drop the slice before calling `next` again and its storage is reused.
        case packet(ArraySlice<UInt8>)
        /// 0x03 outside a packet.
        case interrupt
        case ack
        /// The client asked for the last frame again; it stands in `outgoing` if it was kept.
        case nak
        /// A damaged packet, already answered.
        case badChecksum
        /// A packet above `maximumPacketSize`, already answered.
        case oversized
    }

    private enum State {
        case between
        case payload
        case escape
        case checksum
        /// The checksum's second digit is next; this was the first, as it came.
        case checksumEnd(UInt8)
    }

    /// The longest packet taken, in bytes after escapes are undone; what `PacketSize` may promise.
    package let maximumPacketSize: Int
    /// Ack mode: on until `QStartNoAckMode`.
    package var acknowledges = true
    /// Run-length encode the frames to come; for clients that undo it.
    package var compresses = false
    /// Bytes for the client that are pending. Report what was sent with `sent`.
    package internal(set) var outgoing: [UInt8] = []
    /// The last frame of ack mode, which `-` brings back; empty otherwise.
    var lastFrame: [UInt8] = []

    private var state = State.between
    /// Received bytes; those before `position` are done with.
    private var input: [UInt8] = []
    private var position = 0
    /// The current packet's data so far.
    private var payload: [UInt8] = []
    private var checksum: UInt8 = 0
    private var isOversized = false
    /// An escape stood right before the packet's end.
    private var isCut = false

    package init(maximumPacketSize: Int = 0x2_0000) {
        self.maximumPacketSize = maximumPacketSize
    }

    /// Bytes of memory held for what was received.
    var bufferedBytes: Int { input.capacity + payload.capacity }

    /// Takes received bytes. Call `next` until it returns nil before feeding more, and memory stays bounded.
    package mutating func feed(_ bytes: ArraySlice<UInt8>) {
        if position == input.count {
            input.removeAll(keepingCapacity: true)
        } else {
            input.removeSubrange(..<position)
        }
        position = 0
        input.append(contentsOf: bytes)
    }

    /// The next event, or nil when more bytes are needed.
    package mutating func next() -> Event? {
        while position < input.count {
            if case .payload = state {
                takePayload()
                continue
            }
            let byte = input[position]
            position += 1
            if let event = take(byte) { return event }
        }
        return nil
    }

    /// One byte anywhere but in a packet's plain data.
    private mutating func take(_ byte: UInt8) -> Event? {
        if byte == Mark.start {
            begin()
            return nil
        }
        switch state {
        case .between:
            return takeBetween(byte)
        case .payload, .escape:
            takeEscaped(byte)
        case .checksum:
            state = .checksumEnd(byte)
        case .checksumEnd(let first):
            return finish(first, byte)
        }
        return nil
    }

    private mutating func begin() {
        state = .payload
        payload.removeAll(keepingCapacity: true)
        checksum = 0
        isOversized = false
        isCut = false
    }

    private mutating func takeBetween(_ byte: UInt8) -> Event? {
        switch byte {
        case Mark.ack:
            return .ack
        case Mark.nak:
            outgoing.append(contentsOf: lastFrame)
            return .nak
        case Mark.interrupt:
            return .interrupt
        default:
            return nil
        }
    }

    /// Data up to the next byte that means something, in one piece, and that byte.
    private mutating func takePayload() {
        var end = position
        var sum = checksum
        while end < input.count, !Mark.endsRun(input[end]) {
            sum &+= input[end]
            end += 1
        }
        checksum = sum
        if end > position, hasRoom(end - position) { payload.append(contentsOf: input[position..<end]) }
        position = end
        guard end < input.count else { return }
        position += 1
        switch input[end] {
        case Mark.start:
            begin()
        case Mark.end:
            state = .checksum
        default:
            checksum &+= Mark.escape
            state = .escape
        }
    }

    private mutating func takeEscaped(_ byte: UInt8) {
        guard byte != Mark.end else {
            isCut = true
            state = .checksum
            return
        }
        checksum &+= byte
        if hasRoom(1) { payload.append(byte ^ Mark.escapeBit) }
        state = .payload
    }

    /// Whether `count` more bytes fit the packet; when not, it is given up.
    private mutating func hasRoom(_ count: Int) -> Bool {
        if count > maximumPacketSize - payload.count { isOversized = true }
        return !isOversized
    }

    private mutating func finish(_ first: UInt8, _ second: UInt8) -> Event {
        state = .between
        if isOversized {
            acknowledge()
            refuse()
            return .oversized
        }
        guard !isCut, let high = hexDigit(first), let low = hexDigit(second), high << 4 | low == checksum else {
            if acknowledges { outgoing.append(Mark.nak) } else { refuse() }
            return .badChecksum
        }
        acknowledge()
        return .packet(payload[...])
    }

    private mutating func acknowledge() {
        if acknowledges { outgoing.append(Mark.ack) }
    }

    private mutating func refuse() {
        frame(Array("E01".utf8))
    }
}
