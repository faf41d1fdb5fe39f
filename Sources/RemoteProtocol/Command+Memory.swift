// Memory: read, write, search, checksum. GDB manual, "Remote Serial Protocol": Packets (`m`, `M`, `X`, `x`), General
// Query Packets (qCRC, qSearch:memory); LLDB's qMemoryRegionInfo. The framing has undone the escapes of binary data.

import Primitives

extension Command {
    static let memoryNames: [NamedPacket] = [
        NamedPacket("qSearch:memory:", then: searchMemory),
        NamedPacket(
            "qCRC:",
            then: { (reader) throws(Malformed) in
                let (address, count) = try range(&reader)
                return .checkMemory(address, count: count)
            }),
        NamedPacket(
            "qMemoryRegionInfo:",
            then: { (reader) throws(Malformed) in
                .memoryRegion(try reader.address())
            }),
    ]

    /// `m address,count`.
    static func readMemory(_ reader: inout PacketReader) throws(Malformed) -> Command {
        let (address, count) = try range(&reader)
        try reader.expectEnd()
        return .readMemory(address, count: count)
    }

    /// `x address,count`.
    static func readMemoryBinary(_ reader: inout PacketReader) throws(Malformed) -> Command {
        let (address, count) = try range(&reader)
        try reader.expectEnd()
        return .readMemoryBinary(address, count: count)
    }

    /// `M address,count:hexadecimal`.
    static func writeMemoryHexadecimal(_ reader: inout PacketReader) throws(Malformed) -> Command {
        let (address, count) = try range(&reader)
        try reader.expect(":")
        let data = try decoded(reader.rest())
        guard data.count == count else { throw .wrongLength }
        return .writeMemory(address, data)
    }

    /// `X address,count:binary`.
    static func writeMemoryBinary(_ reader: inout PacketReader) throws(Malformed) -> Command {
        let (address, count) = try range(&reader)
        try reader.expect(":")
        let data = reader.rest()
        guard data.count == count else { throw .wrongLength }
        return .writeMemory(address, data)
    }

    /// `qSearch:memory:address;count;binary`.
    private static func searchMemory(_ reader: inout PacketReader) throws(Malformed) -> Command {
        let address = try reader.address()
        try reader.expect(";")
        let count = try reader.count()
        try reader.expect(";")
        return .searchMemory(address, count: count, pattern: reader.rest())
    }

    /// `address,count`.
    private static func range(_ reader: inout PacketReader) throws(Malformed) -> (VirtualAddress, Int) {
        let address = try reader.address()
        try reader.expect(",")
        return (address, try reader.count())
    }
}
