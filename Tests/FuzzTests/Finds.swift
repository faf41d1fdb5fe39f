import Testing

/// An input that once crashed, hung or filled memory.
struct Find: CustomTestStringConvertible, Sendable {
    /// What went wrong, as a sentence.
    let name: String
    /// The entry it goes to.
    let entry: String
    let input: [UInt8]

    var testDescription: String { name }

    static let all = [
        Find(
            name: "a printf's width was INT64_MIN, from which nothing can be subtracted", entry: "agent-expression",
            input: printf("%*d|%.*s", [1 << 63, 1, 1 << 63, 1], end: [0x27])),
        Find(
            name: "a printf that went round forever filled memory", entry: "agent-expression",
            input: printf("%1024d%1024d%1024d%1024d", [], end: [0x21, 0, 0])),
        Find(
            name: "branches were looked up one by one, 5,000 times among 5,000", entry: "agent-expression",
            input: manyBranches),
        Find(
            name: "monitor info mem listed 2^64 bytes in real mode page by page", entry: "session",
            input: [0x0b] + infoMem),
        Find(
            name: "a search through tables that map everything had no end", entry: "session",
            input: [0x30] + Array("qSearch:memory:0;7fffffffffffffff;0123456789abcdef".utf8)),
        Find(
            name: "so had a checksum", entry: "session", input: [0x30] + Array("qCRC:0,7fffffffffffffff".utf8)),
        Find(
            name: "monitor info mem followed such tables a thousand times as far as one region", entry: "session",
            input: [0x30] + infoMem),
    ]

    private static let manyBranches: [UInt8] = {
        var bytes: [UInt8] = []
        for _ in 0..<5000 { bytes += [0x21, 0x3a, 0x98] }
        return bytes + [0x27]
    }()

    private static let infoMem = Array("qRcmd,\(hex("info mem"))".utf8)

    /// A printf of `arguments`, with function and channel 0.
    private static func printf(_ format: String, _ arguments: [UInt64], end: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        for value in arguments.reversed() {
            bytes.append(0x25)
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: value >> shift))
            }
        }
        let text = Array(format.utf8) + [0]
        bytes += [0x22, 0, 0x22, 0, 0x34, UInt8(arguments.count), 0, UInt8(text.count)]
        return bytes + text + end
    }
}
