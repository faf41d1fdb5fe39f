// Registers by number or all at once, in the order of the target description.
// GDB manual, "Remote Serial Protocol", Packets: `g`, `G`, `p`, `P`; LLDB's suffix `;thread:id;` on all four.

extension Command {
    private static let suffixName = Array("thread:".utf8)

    static func readRegisters(_ reader: inout PacketReader) throws(Malformed) -> Command {
        reader.isAtEnd || reader.peek == ";" ? .readRegisters(try suffix(&reader)) : .unknown
    }

    static func writeRegisters(_ reader: inout PacketReader) throws(Malformed) -> Command {
        let data = try decoded(reader.field(before: ";"))
        return .writeRegisters(data, try suffix(&reader))
    }

    static func readRegister(_ reader: inout PacketReader) throws(Malformed) -> Command {
        let number = try reader.number(as: Int.self)
        return .readRegister(number, try suffix(&reader))
    }

    static func writeRegister(_ reader: inout PacketReader) throws(Malformed) -> Command {
        let number = try reader.number(as: Int.self)
        try reader.expect("=")
        let data = try decoded(reader.field(before: ";"))
        return .writeRegister(number, data, try suffix(&reader))
    }

    /// LLDB's `;thread:id;` with or without the last semicolon, or nothing at all; then the packet ends.
    static func suffix(_ reader: inout PacketReader) throws(Malformed) -> ThreadID? {
        guard !reader.isAtEnd else { return nil }
        try reader.expect(";")
        guard reader.skip(suffixName) else { throw .trailingBytes }
        let thread = try reader.thread()
        _ = reader.skip(";")
        try reader.expectEnd()
        return thread
    }
}
