// Breakpoints and watchpoints. GDB manual, "Remote Serial Protocol", Packets: `Z0` to `Z4` and `z0` to `z4`.

import Primitives

/// The five kinds, numbered as in the packet.
package enum BreakpointKind: UInt8, CaseIterable, Sendable {
    case software = 0
    case hardware = 1
    case writeWatchpoint = 2
    case readWatchpoint = 3
    case accessWatchpoint = 4
}

/// One breakpoint to insert or remove.
package struct BreakpointRequest: Hashable, Sendable {
    package var kind: BreakpointKind
    package var address: VirtualAddress
    /// Watchpoints: bytes to watch. Breakpoints: the architecture's kind, on x86 1 and on arm64 4.
    package var length: Int
    /// What follows the length, without its first semicolon: conditions (`X3,hex...`) and commands (`cmds:...`) as
    /// agent expressions, unread.
    package var tail: ArraySlice<UInt8>

    package init(_ kind: BreakpointKind, _ address: VirtualAddress, length: Int, tail: ArraySlice<UInt8> = []) {
        self.kind = kind
        self.address = address
        self.length = length
        self.tail = tail
    }
}

extension Command {
    static func insertBreakpoint(_ reader: inout PacketReader) throws(Malformed) -> Command {
        try breakpoint(&reader).map(Command.insertBreakpoint) ?? .unknown
    }

    static func removeBreakpoint(_ reader: inout PacketReader) throws(Malformed) -> Command {
        try breakpoint(&reader).map(Command.removeBreakpoint) ?? .unknown
    }

    /// `kind,address,length;tail`; nil when the kind is a number that has no meaning yet.
    private static func breakpoint(_ reader: inout PacketReader) throws(Malformed) -> BreakpointRequest? {
        guard let kind = BreakpointKind(rawValue: UInt8(clamping: try reader.number())) else { return nil }
        try reader.expect(",")
        let address = try reader.address()
        try reader.expect(",")
        let length = try reader.count()
        guard !reader.isAtEnd else { return BreakpointRequest(kind, address, length: length) }
        try reader.expect(";")
        return BreakpointRequest(kind, address, length: length, tail: reader.rest())
    }
}
