/// A JSON text (RFC 8259) as a value, for writing only. Members keep their order.
package indirect enum JSON: Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(UInt64)
    /// A fraction in thousandths, as the trace format's microseconds want it.
    case thousandths(UInt64)
    case string(String)
    case array([JSON])
    case object([(String, JSON)])

    package static func number(_ value: Int) -> Self { .integer(Int64(value)) }

    /// The value, or null.
    package static func optional<T>(_ value: T?, _ make: (T) -> Self) -> Self { value.map(make) ?? .null }
}

extension JSON: CustomStringConvertible {
    /// On one line.
    package var description: String {
        var text = ""
        write(to: &text)
        return text
    }

    private func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .integer(let value): text += "\(value)"
        case .number(let value): text += "\(value)"
        case .thousandths(let value):
            let digits = "\(value % 1000)"
            text += "\(value / 1000)." + String(repeating: "0", count: 3 - digits.utf8.count) + digits
        case .string(let value): Self.quote(value, to: &text)
        case .array(let values):
            text += "["
            for (i, value) in values.enumerated() {
                if i > 0 { text += "," }
                value.write(to: &text)
            }
            text += "]"
        case .object(let members):
            text += "{"
            for (i, member) in members.enumerated() {
                if i > 0 { text += "," }
                Self.quote(member.0, to: &text)
                text += ":"
                member.1.write(to: &text)
            }
            text += "}"
        }
    }

    private static func quote(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"", "\\": text += "\\\(scalar)"
            case "\n": text += "\\n"
            case "\t": text += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
