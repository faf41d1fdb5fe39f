import Primitives

/// `monitor xp/FMT ADDRESS`: physical memory in QEMU's format letters, `xp/8xw 0x1000`. Instructions are gdb's to show.
struct PhysicalDump {
    private var count = 1
    private var letter: Character = "x"
    /// Bytes a unit.
    private var size = 4

    /// The most units shown, so that a slip of the finger keeps no client waiting.
    private static let limit = 4096
    private static let sizes: [Character: Int] = ["b": 1, "h": 2, "w": 4, "g": 8]

    /// Reads what follows `xp/`: a count, a letter of `x d u o c`, and a size of `b h w g`, each optional.
    init(format: Substring) throws(Refusal) {
        let digits = format.prefix { $0.isNumber }
        if !digits.isEmpty {
            guard let number = Int(digits), (1...Self.limit).contains(number) else {
                throw Refusal("a count of \(digits) is not in 1 to \(Self.limit)")
            }
            count = number
        }
        for character in format.dropFirst(digits.count) {
            if let bytes = Self.sizes[character] {
                size = bytes
            } else if "xduoc".contains(character) {
                letter = character
                if character == "c" { size = 1 }
            } else {
                throw Refusal("\"\(character)\" is no format: x, d, u, o or c, and a size b, h, w or g")
            }
        }
    }

    func text(of memory: any PhysicalMemory, at start: PhysicalAddress) throws(Refusal) -> String {
        let perLine = letter == "c" ? 8 : 16 / size
        var lines: [String] = []
        for first in stride(from: 0, to: count, by: perLine) {
            let place = start + first * size
            var bytes = [UInt8](repeating: 0, count: min(perLine, count - first) * size)
            guard memory.read(place, into: &bytes) else { throw Refusal("physical \(place) is not memory") }
            let units = stride(from: 0, to: bytes.count, by: size).map { unit(bytes.number(at: $0, count: size)) }
            lines.append("\(hexadecimal(place.rawValue, digits: 16)): " + units.joined(separator: " "))
        }
        return lines.joined(separator: "\n")
    }

    private func unit(_ value: UInt64) -> String {
        let shift = UInt64(64 - size * 8)
        switch letter {
        case "d": return String(Int64(bitPattern: value << shift) >> Int64(shift))
        case "u": return String(value)
        case "o": return "0" + String(value, radix: 8)
        case "c":
            let isPrintable = (0x20..<0x7f).contains(value)
            return isPrintable ? "'\(Character(Unicode.Scalar(UInt8(value))))'" : hexadecimal(value, digits: 2)
        default: return hexadecimal(value, digits: size * 2)
        }
    }
}
