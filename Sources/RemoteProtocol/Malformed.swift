// What can be wrong with a packet that was recognised by its name.

/// Why a packet could not be read. The answer is `E01`, or `E.` and `description` where the client takes text.
package enum Malformed: Error, Equatable, Sendable {
    case noNumber
    /// Beyond 64 bits, or beyond what the field can hold.
    case numberTooLarge
    /// A separator is missing or another one stands in its place.
    case noSeparator
    case badThread
    case badHexadecimal
    /// The data is not as long as the packet says.
    case wrongLength
    case unknownAction
    /// Something follows where the packet should end.
    case trailingBytes
}

extension Malformed: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noNumber: "malformed packet: a hexadecimal number is missing"
        case .numberTooLarge: "malformed packet: a number is too large"
        case .noSeparator: "malformed packet: a separator is missing"
        case .badThread: "malformed packet: not a thread or process id"
        case .badHexadecimal: "malformed packet: data is not pairs of hexadecimal digits"
        case .wrongLength: "malformed packet: the data is not as long as announced"
        case .unknownAction: "malformed packet: no such resume action"
        case .trailingBytes: "malformed packet: unexpected bytes at the end"
        }
    }
}
