import Testing

/// An input that once crashed, hung or filled memory.
struct Find: CustomTestStringConvertible, Sendable {
    /// What went wrong, as a sentence.
    let name: String
    /// The entry it goes to.
    let entry: String
    let input: [UInt8]

    var testDescription: String { name }

    static let all: [Find] = []
}
