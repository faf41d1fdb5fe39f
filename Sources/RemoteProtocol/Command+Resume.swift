// Going and stopping. GDB manual, "Remote Serial Protocol": Packets (vCont, `c`, `s`, `C`, `S`, vCtrlC), Notification
// Packets (vStopped). Left out: `bc` and `bs`, which go backwards.

import Primitives

/// What a thread is to do.
package enum ResumeAction: Hashable, Sendable {
    case resume
    case resumeWithSignal(Signal)
    case step
    case stepWithSignal(Signal)
    case stop
    /// Steps while the program counter is in the range, its end not included. Equal ends: one step.
    case stepRange(Range<VirtualAddress>)
}

/// One action of vCont.
package struct ThreadAction: Hashable, Sendable {
    package var action: ResumeAction
    /// `ThreadID.all` in an action that names none.
    package var thread: ThreadID

    package init(_ action: ResumeAction, _ thread: ThreadID = .all) {
        self.action = action
        self.thread = thread
    }
}

extension Command {
    static let resumeNames: [NamedPacket] = [
        NamedPacket("vCont;", then: resume),
        NamedPacket("vCont?", .resumeActions),
        NamedPacket("vStopped", .nextStop),
        NamedPacket("vCtrlC", .interrupt),
    ]

    /// `vCont;action:thread;action...`.
    private static func resume(_ reader: inout PacketReader) throws(Malformed) -> Command {
        var actions: [ThreadAction] = []
        actions.reserveCapacity(2)
        repeat {
            let action = try action(&reader)
            actions.append(ThreadAction(action, reader.skip(":") ? try reader.thread() : .all))
        } while reader.skip(";")
        return .resume(actions)
    }

    private static func action(_ reader: inout PacketReader) throws(Malformed) -> ResumeAction {
        switch reader.character() {
        case "c": return .resume
        case "s": return .step
        case "C": return .resumeWithSignal(try signal(&reader))
        case "S": return .stepWithSignal(try signal(&reader))
        case "t": return .stop
        case "r":
            let start = try reader.address()
            try reader.expect(",")
            let end = try reader.address()
            guard start <= end else { throw .wrongLength }
            return .stepRange(start..<end)
        default: throw .unknownAction
        }
    }

    static func signal(_ reader: inout PacketReader) throws(Malformed) -> Signal {
        Signal(rawValue: try reader.number(as: UInt8.self))
    }

    /// The address behind `c` or `s`, or behind `C sig;` or `S sig;`, if there is one.
    static func resumeSelected(
        _ action: ResumeAction, after separator: Unicode.Scalar? = nil, _ reader: inout PacketReader
    ) throws(Malformed) -> Command {
        guard !reader.isAtEnd else { return .resumeSelected(action, at: nil) }
        if let separator { try reader.expect(separator) }
        let address = try reader.address()
        try reader.expectEnd()
        return .resumeSelected(action, at: address)
    }
}
