/// The key that speaks to this program while the terminal is the guest's: Ctrl-A, and one key behind it.
struct EscapeKey {
    enum Outcome: Equatable {
        case send(UInt8)
        case nothing
        case help
        case quit
    }

    static let help = "Ctrl-A x ends the machine, Ctrl-A h shows this, Ctrl-A Ctrl-A sends Ctrl-A to the guest"

    private static let key: UInt8 = 0x01
    private var isEscaped = false

    mutating func take(_ byte: UInt8) -> Outcome {
        guard isEscaped else {
            isEscaped = byte == Self.key
            return isEscaped ? .nothing : .send(byte)
        }
        isEscaped = false
        switch byte {
        case UInt8(ascii: "x"): return .quit
        case UInt8(ascii: "h"): return .help
        case Self.key: return .send(byte)
        default: return .nothing
        }
    }
}
