// Replies into frames: checksum, escaping and what a `-` brings back.
// GDB manual, "Remote Serial Protocol": Overview, Packet Acknowledgment, Notification Packets.

import Primitives

extension Framer {
    /// Appends `$reply#xx` to `outgoing`. In ack mode the frame is kept for a `-` until the next one takes its place.
    package mutating func frame(_ reply: [UInt8]) {
        let start = outgoing.count
        append(reply, after: Mark.start)
        lastFrame.removeAll(keepingCapacity: true)
        if acknowledges { lastFrame.append(contentsOf: outgoing[start...]) }
    }

    /// Appends `%notification#xx`, which is never acknowledged and so never asked for again.
    package mutating func frameNotification(_ notification: [UInt8]) {
        append(notification, after: Mark.notification)
    }

    /// Drops the first `count` bytes of `outgoing`: the client has them.
    package mutating func sent(_ count: Int) {
        if count >= outgoing.count {
            outgoing.removeAll(keepingCapacity: true)
        } else {
            outgoing.removeSubrange(..<count)
        }
    }

    private mutating func append(_ payload: [UInt8], after mark: UInt8) {
        outgoing.append(mark)
        let start = outgoing.count
        if compresses {
            outgoing.appendRunLengthEncoded(payload)
        } else {
            outgoing.appendEscaped(payload)
        }
        let checksum = Mark.checksum(outgoing[start...])
        outgoing.append(Mark.end)
        outgoing.appendHex(CollectionOfOne(checksum))
    }
}
