// A reply's data, before framing. GDB manual, "Remote Serial Protocol": Standard Replies, General Query Packets.
// Every writer appends; escaping and checksums are the framing's.

import Primitives

/// Why a request was refused, as a number. GDB shows it and gives it no meaning; these are Linux's errno values, but
/// for the first.
package enum ErrorCode: UInt8, Sendable {
    case malformed = 0x01
    /// ESRCH.
    case noThread = 0x03
    /// EFAULT.
    case badAddress = 0x0e
    /// EBUSY.
    case busy = 0x10
    /// EINVAL.
    case invalid = 0x16
    /// ENOSPC.
    case noneLeft = 0x1c
    /// EOPNOTSUPP.
    case unsupported = 0x5f
}

/// A buffer for one reply after another.
package struct Reply: Sendable {
    /// How much of an error the client can take.
    package enum ErrorStyle: Sendable {
        /// `Enn`.
        case number
        /// `E.message`, for clients with `ClientFeatures.errorMessages`.
        case message
        /// `Enn;` and the message in hexadecimal, after LLDB's QEnableErrorStrings.
        case numberAndMessage
    }

    package private(set) var bytes: [UInt8] = []
    package var errorStyle = ErrorStyle.number

    package init() {}

    /// Begins the next reply. The empty one says that a packet is unknown.
    package mutating func clear() { bytes.removeAll(keepingCapacity: true) }

    package mutating func ok() { text("OK") }

    package mutating func error(_ code: ErrorCode, _ message: @autoclosure () -> String) {
        text("E")
        switch errorStyle {
        case .number:
            hex(code.rawValue)
        case .message:
            text(".")
            for byte in message().utf8 { bytes.append(Self.isPlain(byte) ? byte : UInt8(ascii: "?")) }
        case .numberAndMessage:
            hex(code.rawValue)
            text(";")
            hex(Array(message().utf8)[...])
        }
    }

    package mutating func error(_ reason: Malformed) { error(.malformed, reason.description) }

    /// ASCII text as it stands.
    package mutating func text(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// Bytes as they stand: binary data.
    package mutating func binary(_ data: ArraySlice<UInt8>) { bytes.append(contentsOf: data) }

    /// Bytes as two digits each.
    package mutating func hex(_ data: ArraySlice<UInt8>) { bytes.appendHex(data) }

    /// One byte as two digits.
    package mutating func hex(_ byte: UInt8) { bytes.appendHex(CollectionOfOne(byte)) }

    /// A number without leading zeroes.
    package mutating func number(_ value: UInt64) { bytes.appendHexNumber(value) }

    /// `O` and text in hexadecimal: the user sees it while the machine runs or a monitor command works.
    package mutating func console(_ output: ArraySlice<UInt8>) {
        text("O")
        hex(output)
    }

    /// The part of `document` that a `transfer` asked for: `m` and a part, or `l` and the last one.
    package mutating func transfer(_ document: [UInt8], offset: Int, count: Int) {
        let start = min(offset, document.count)
        let end = start + min(count, document.count - start)
        text(end == document.count ? "l" : "m")
        binary(document[start..<end])
    }

    /// `p1.2`, `2`, `-1`.
    package mutating func thread(_ id: ThreadID) {
        if let process = id.process {
            text("p")
            selector(process)
            text(".")
        }
        selector(id.thread)
    }

    /// `m` and every thread, in answer to `firstThreads`; `nextThreads` is then answered with `lastThreads`.
    package mutating func threads(_ ids: [ThreadID]) {
        guard !ids.isEmpty else { return lastThreads() }
        text("m")
        threadList(ids)
    }

    package mutating func lastThreads() { text("l") }

    /// `id,id...`
    mutating func threadList(_ ids: [ThreadID]) {
        for (index, id) in ids.enumerated() {
            if index > 0 { text(",") }
            thread(id)
        }
    }

    /// The answer to `supported`, `name+;name=value...`.
    package mutating func features(_ features: [ServerFeature]) {
        for (index, feature) in features.enumerated() {
            if index > 0 { text(";") }
            text(feature.name)
            switch feature.value {
            case .yes: text("+")
            case .no: text("-")
            case .number(let value):
                text("=")
                number(value)
            case .text(let value):
                text("=")
                text(value)
            }
        }
    }

    private mutating func selector(_ selector: ThreadID.Selector) {
        switch selector {
        case .all: text("-1")
        case .any: text("0")
        case .one(let value): number(UInt64(value.magnitude))
        }
    }

    /// Whether a byte survives in the text of an error, where clients undo no escapes.
    private static func isPlain(_ byte: UInt8) -> Bool { 0x20..<0x7f ~= byte && !Mark.needsEscape(byte) }
}

/// One row of what the server can do.
package struct ServerFeature: Sendable {
    package enum Value: Sendable {
        case yes
        case no
        /// Written in hexadecimal, as `PacketSize` is.
        case number(UInt64)
        case text(String)
    }

    package let name: String
    package let value: Value

    package init(_ name: String, _ value: Value = .yes) {
        self.name = name
        self.value = value
    }
}
