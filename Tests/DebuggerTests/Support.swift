// What the tests of this module share: repeatable randomness and a client's half of the framing.

import Primitives

@testable import Debugger

func hex(_ bytes: some Collection<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

func hex(_ text: String) -> String { hex(Array(text.utf8)) }

/// The text that hexadecimal digits stand for.
func text(hex digits: some StringProtocol) -> String? {
    bytes(fromHex: Array(digits.utf8)).map { String(decoding: $0, as: UTF8.self) }
}

/// A client's frame around `payload`, byte by byte as the manual describes it.
func frame(_ payload: [UInt8]) -> [UInt8] {
    var body: [UInt8] = []
    for byte in payload {
        if "#$}*".utf8.contains(byte) { body += [UInt8(ascii: "}"), byte ^ 0x20] } else { body.append(byte) }
    }
    let sum = body.reduce(0) { ($0 + Int($1)) % 256 }
    return Array("$".utf8) + body + Array("#\(hex([UInt8(sum)]))".utf8)
}

func frame(_ payload: String) -> [UInt8] { frame(Array(payload.utf8)) }

/// What a server sent, taken apart as a client does: `+`, `-`, and packets with their checksum verified.
enum Received: Equatable {
    case ack
    case nak
    case packet([UInt8])
    case notification([UInt8])
    /// Something that no client would take.
    case garbage([UInt8])

    /// A packet's data, a notification's behind its `%`; anything else as no packet looks.
    var text: String {
        switch self {
        case .packet(let payload): String(decoding: payload, as: UTF8.self)
        case .notification(let payload): "%" + String(decoding: payload, as: UTF8.self)
        case .ack, .nak, .garbage: "(\(self))"
        }
    }

    static func parse(_ stream: [UInt8]) -> [Received] {
        var result: [Received] = []
        var rest = stream[...]
        while let first = rest.popFirst() {
            switch first {
            case UInt8(ascii: "+"): result.append(.ack)
            case UInt8(ascii: "-"): result.append(.nak)
            case UInt8(ascii: "$"), UInt8(ascii: "%"):
                guard let end = rest.firstIndex(of: UInt8(ascii: "#")), end + 2 < rest.endIndex else {
                    return result + [.garbage(Array(rest))]
                }
                let body = rest[..<end]
                let sum = body.reduce(0) { ($0 + Int($1)) % 256 }
                guard String(decoding: rest[end + 1...end + 2], as: UTF8.self) == hex([UInt8(sum)]) else {
                    return result + [.garbage(Array(rest))]
                }
                let data = unescape(body)
                result.append(first == UInt8(ascii: "$") ? .packet(data) : .notification(data))
                rest = rest[(end + 3)...]
            default: return result + [.garbage([first] + rest)]
            }
        }
        return result
    }

    private static func unescape(_ body: ArraySlice<UInt8>) -> [UInt8] {
        var (data, isEscaped): ([UInt8], Bool) = ([], false)
        for byte in body {
            if isEscaped {
                data.append(byte ^ 0x20)
                isEscaped = false
            } else if byte == UInt8(ascii: "}") {
                isEscaped = true
            } else {
                data.append(byte)
            }
        }
        return data
    }
}
