import Primitives

/// A printf format with its arguments, as gdb hands them to a dprintf that runs in the target: C's conversions `d i u
/// x X o c s p %` with flags, width and precision (ISO C, fprintf), and C's escapes, which gdb leaves in.
struct AgentFormat {
    private var format: ArraySlice<UInt8>
    private var arguments: ArraySlice<UInt64>

    /// The longest string that `%s` reads, and the widest field, in bytes.
    static let limit = 1024

    init(_ format: [UInt8], arguments: [UInt64]) {
        self.format = format[...]
        self.arguments = arguments[...]
    }

    private struct Specification {
        var left = false
        var zero = false
        var plus = false
        var space = false
        var alternate = false
        var width = 0
        var precision: Int?
        /// Bytes of the argument.
        var size = 4
    }

    /// Appends the text; `byte` reads the guest's memory for `%s`. Missing arguments count as 0. Ends where `output` has
    /// `maximum` bytes, give or take a field.
    mutating func append(to output: inout [UInt8], maximum: Int, byte: (VirtualAddress) -> UInt8?) {
        while output.count < maximum, let character = format.popFirst() {
            switch character {
            case UInt8(ascii: "\\"): output.append(escape())
            case UInt8(ascii: "%"): convert(&output, byte)
            default: output.append(character)
            }
        }
    }

    private mutating func escape() -> UInt8 {
        guard let character = format.popFirst() else { return UInt8(ascii: "\\") }
        let known: [UInt8: UInt8] = [
            UInt8(ascii: "n"): 10, UInt8(ascii: "t"): 9, UInt8(ascii: "r"): 13, UInt8(ascii: "a"): 7,
            UInt8(ascii: "b"): 8, UInt8(ascii: "f"): 12, UInt8(ascii: "v"): 11, UInt8(ascii: "e"): 27,
        ]
        if let byte = known[character] { return byte }
        guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(character) else { return character }
        var value = Int(character - UInt8(ascii: "0"))
        for _ in 0..<2 {
            guard let digit = format.first, (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(digit) else { break }
            value = value * 8 + Int(digit - UInt8(ascii: "0"))
            format.removeFirst()
        }
        return UInt8(truncatingIfNeeded: value)
    }

    private mutating func convert(_ output: inout [UInt8], _ byte: (VirtualAddress) -> UInt8?) {
        var specification = Specification()
        readFlags(&specification)
        let width = readNumber() ?? 0
        // A negative one stands for the flag and a width, a negative precision for none.
        if width < 0 { specification.left = true }
        specification.width = min(abs(width), Self.limit)
        if format.first == UInt8(ascii: ".") {
            format.removeFirst()
            let precision = readNumber() ?? 0
            specification.precision = precision < 0 ? nil : min(precision, Self.limit)
        }
        readSize(&specification)
        guard let conversion = format.popFirst() else { return output.append(UInt8(ascii: "%")) }
        switch conversion {
        case UInt8(ascii: "%"): output.append(conversion)
        case UInt8(ascii: "c"): pad([UInt8(truncatingIfNeeded: argument())], specification, &output)
        case UInt8(ascii: "s"): pad(string(specification, byte), specification, &output)
        case UInt8(ascii: "p"):
            pad(Array(hexadecimal(argument()).utf8), specification, &output)
        default: number(conversion, specification, &output)
        }
    }

    private mutating func readFlags(_ specification: inout Specification) {
        while let flag = format.first {
            switch flag {
            case UInt8(ascii: "-"): specification.left = true
            case UInt8(ascii: "0"): specification.zero = true
            case UInt8(ascii: "+"): specification.plus = true
            case UInt8(ascii: " "): specification.space = true
            case UInt8(ascii: "#"): specification.alternate = true
            default: return
            }
            format.removeFirst()
        }
    }

    /// Digits, or for `*` an argument, which is an `int`.
    private mutating func readNumber() -> Int? {
        if format.first == UInt8(ascii: "*") {
            format.removeFirst()
            return Int(Int32(truncatingIfNeeded: argument()))
        }
        var value: Int?
        while let digit = format.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) {
            value = min((value ?? 0) * 10 + Int(digit - UInt8(ascii: "0")), Self.limit)
            format.removeFirst()
        }
        return value
    }

    private mutating func readSize(_ specification: inout Specification) {
        while let letter = format.first {
            switch letter {
            case UInt8(ascii: "l"), UInt8(ascii: "z"), UInt8(ascii: "t"), UInt8(ascii: "j"): specification.size = 8
            case UInt8(ascii: "h"): specification.size = specification.size == 2 ? 1 : 2
            default: return
            }
            format.removeFirst()
        }
    }

    private mutating func argument() -> UInt64 { arguments.popFirst() ?? 0 }

    private mutating func string(_ specification: Specification, _ byte: (VirtualAddress) -> UInt8?) -> [UInt8] {
        let start = VirtualAddress(argument())
        var text: [UInt8] = []
        while text.count < specification.precision ?? Self.limit, let next = byte(start + text.count), next != 0 {
            text.append(next)
        }
        return text
    }

    private mutating func number(_ conversion: UInt8, _ specification: Specification, _ output: inout [UInt8]) {
        let value = argument() & .mask(specification.size * 8)
        var sign = ""
        var digits: String
        switch conversion {
        case UInt8(ascii: "d"), UInt8(ascii: "i"):
            let isNegative = value[bit: specification.size * 8 - 1]
            digits = String(isNegative ? (~value &+ 1) & .mask(specification.size * 8) : value)
            sign = isNegative ? "-" : specification.plus ? "+" : specification.space ? " " : ""
        case UInt8(ascii: "u"): digits = String(value)
        case UInt8(ascii: "o"): digits = String(value, radix: 8)
        case UInt8(ascii: "x"): digits = String(value, radix: 16)
        case UInt8(ascii: "X"): digits = String(value, radix: 16, uppercase: true)
        default: return output.append(contentsOf: [UInt8(ascii: "%"), conversion])
        }
        if specification.alternate, value != 0, conversion == UInt8(ascii: "x") || conversion == UInt8(ascii: "X") {
            sign = conversion == UInt8(ascii: "x") ? "0x" : "0X"
        }
        var least = specification.precision ?? 1
        if specification.zero, !specification.left, specification.precision == nil {
            least = specification.width - sign.count
        }
        digits = String(repeating: "0", count: max(0, least - digits.count)) + digits
        pad(Array((sign + digits).utf8), specification, &output)
    }

    private func pad(_ text: [UInt8], _ specification: Specification, _ output: inout [UInt8]) {
        let space = repeatElement(UInt8(ascii: " "), count: max(0, specification.width - text.count))
        output += specification.left ? text + space : space + text
    }
}
