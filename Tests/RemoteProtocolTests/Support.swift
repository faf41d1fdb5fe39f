// What the tests of this module share: text as bytes, a client's half of the framing, repeatable randomness.

@testable import RemoteProtocol

func ascii(_ text: String) -> [UInt8] { Array(text.utf8) }

func parse(_ packet: String) -> Command { Command(parsing: ascii(packet)[...]) }

/// A client's frame, byte by byte as the manual describes it.
func frame(_ payload: [UInt8]) -> [UInt8] {
    var body: [UInt8] = []
    for byte in payload {
        if ascii("#$}").contains(byte) {
            body += [UInt8(ascii: "}"), byte ^ 0x20]
        } else {
            body.append(byte)
        }
    }
    let sum = body.reduce(0) { ($0 + Int($1)) % 256 }
    let digits = String(sum, radix: 16)
    return ascii("$") + body + ascii("#" + (digits.count == 1 ? "0" : "") + digits)
}

func frame(_ payload: String) -> [UInt8] { frame(ascii(payload)) }

/// A frame's data as a client reads it: checksum verified, runs and then escapes undone. Nil for what a client refuses.
func unframe(_ frame: [UInt8]) -> [UInt8]? {
    guard frame.count >= 4, frame[0] == UInt8(ascii: "$") else { return nil }
    let body = frame[1..<frame.count - 3]
    let sum = body.reduce(0) { ($0 + Int($1)) % 256 }
    guard frame[frame.count - 3] == UInt8(ascii: "#"),
        Int(String(decoding: frame[(frame.count - 2)...], as: UTF8.self), radix: 16) == sum,
        !body.contains(UInt8(ascii: "#")), !body.contains(UInt8(ascii: "$"))
    else { return nil }
    var expanded: [UInt8] = []
    var index = body.startIndex
    while index < body.endIndex {
        if body[index] == UInt8(ascii: "*") {
            guard index + 1 < body.endIndex, let last = expanded.last else { return nil }
            let count = body[index + 1]
            guard 32...126 ~= count, !ascii("#$+-").contains(count) else { return nil }
            expanded += Array(repeating: last, count: Int(count) - 29)
            index += 2
        } else {
            expanded.append(body[index])
            index += 1
        }
    }
    var data: [UInt8] = []
    var escaped = false
    for byte in expanded {
        if escaped {
            data.append(byte ^ 0x20)
            escaped = false
        } else if byte == UInt8(ascii: "}") {
            escaped = true
        } else {
            data.append(byte)
        }
    }
    return escaped ? nil : data
}

extension Framer {
    /// Everything that `bytes` bring, in one piece.
    mutating func events(_ bytes: [UInt8]) -> [Event] {
        feed(bytes[...])
        var events: [Event] = []
        while let event = next() { events.append(event) }
        return events
    }

    /// The pending output, which the client gets.
    mutating func takeOutgoing() -> [UInt8] {
        defer { sent(outgoing.count) }
        return outgoing
    }
}
