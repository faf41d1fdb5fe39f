import TestSupport

@testable import RemoteProtocol

/// One or more packets of each family.
let validPackets =
    [
        "qSupported:multiprocess+;swbreak+;hwbreak+;error-message+;xmlRegisters=i386", "QStartNoAckMode", "Hgp1.1",
        "Hc-1",
        "Hc2", "Tp1.2", "?", "!", "D;1", "D", "vKill;1", "k", "R00", "vRun;6162;63", "vAttach;1", "vCont?", "vCont;c",
        "vCont;s:p1.1;c:p1.-1", "vCont;r100,110:p1.1;C05:2", "vCtrlC", "vStopped", "c", "s", "c1000", "C05", "S05;1000",
        "g", "g;thread:1;", "G00112233;thread:p1.1;", "p1f", "p30;thread:2;", "P10=0011223344556677",
        "P0=00112233445566",
        "mffffffff81000000,40", "m100,40", "m7ff0,20", "M10,2:abcd", "X10,4:a}bc", "x0,0", "x1000,200", "Z0,100,1",
        "Z0,1ff0,1;X3,220027;cmds:0,X1,27", "z0,100,1", "Z1,400,1", "Z2,500,4", "z2,500,4", "Z3,500,8", "Z4,1000,1000",
        "qC", "qfThreadInfo", "qsThreadInfo", "qThreadExtraInfo,p1.1", "qThreadStopInfo1", "jThreadsInfo",
        "qAttached:1",
        "qXfer:features:read:target.xml:0,ffb", "qXfer:threads:read::0,ffb", "qSymbol:1:61", "QNonStop:1", "qTStatus",
        "qSearch:memory:0;800;ab", "qSearch:memory:1000;200;abcdef", "qCRC:0,100", "qMemoryRegionInfo:100", "qHostInfo",
        "qProcessInfo", "qProcessInfoPID:1", "qRegisterInfo1a", "QListThreadsInStopReply", "QThreadSuffixSupported",
        "QEnableErrorStrings", "QSaveRegisterState;thread:1;", "QRestoreRegisterState:1;thread:1;", "qqemu.sstepbits",
        "Qqemu.sstep=7", "Qqemu.PhyMemMode:1", "Qqemu.PhyMemMode:0", "vMustReplyEmpty",
    ] + monitorCommands.map { "qRcmd," + hex($0) }

/// `monitor` commands, with arguments where they take some; not `info mem`, which walks every page there is (see Find).
let monitorCommands = [
    "help", "why", "status", "capabilities", "breakpoints", "info registers", "info registers 1",
    "info mtree", "info cpus", "info exits", "gva2gpa 0x100", "xp/4xw 0x100", "xp/8xb 100", "catch io 0x3f8-0x3ff",
    "catch mmio 0xfee00000", "catch list", "uncatch 1", "reset", "quit", "catch",
]

func hex(_ text: String) -> String { text.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

/// A client's frame around `payload`.
func frame(_ payload: some Collection<UInt8>) -> [UInt8] {
    var body: [UInt8] = []
    for byte in payload {
        if "#$}*".utf8.contains(byte) { body += [0x7d, byte ^ 0x20] } else { body.append(byte) }
    }
    let digits = String(body.reduce(0, &+), radix: 16)
    return Array("$".utf8) + body + Array("#\(digits.count == 1 ? "0" : "")\(digits)".utf8)
}

extension FuzzEntry {
    private static let packetSize = 256

    /// A stream, whose first byte says in which pieces it comes and whether acks are on.
    static let framer = FuzzEntry(
        name: "framer", quick: 20_000,
        seeds: validPackets.enumerated().map { [UInt8($0 % 256)] + Array("+".utf8) + frame(Array($1.utf8)) + [3] },
        words: [Array("$".utf8), Array("#".utf8), Array("}".utf8), Array("-".utf8), [3], Array("#00$".utf8)]
    ) { input in
        var framer = Framer(maximumPacketSize: packetSize)
        let mode = input.first ?? 0
        framer.acknowledges = mode & 1 == 0
        var rest = input.dropFirst()
        var events = 0
        while !rest.isEmpty {
            framer.feed(rest.prefix(Int(mode >> 1) + 1))
            rest = rest.dropFirst(Int(mode >> 1) + 1)
            while let event = framer.next() {
                events += 1
                guard case .packet(let packet) = event else { continue }
                if packet.count > packetSize { return "a packet of \(packet.count) bytes" }
                framer.frame(Array(packet))
            }
            framer.sent(framer.outgoing.count)
        }
        if events > input.count { return "\(events) events from \(input.count) bytes" }
        if framer.bufferedBytes > 0x2000 { return "\(framer.bufferedBytes) bytes are held" }
        // Whatever packet was cut off ends here; the next one arrives.
        framer.feed((Array("#00".utf8) + frame([0x67]))[...])
        var last: [UInt8] = []
        while let event = framer.next() { if case .packet(let packet) = event { last = Array(packet) } }
        return last == [0x67] ? nil : "a packet behind it did not arrive"
    }

    /// A packet's data.
    static let command = FuzzEntry(
        name: "command", quick: 20_000, seeds: validPackets.map { Array($0.utf8) },
        words: [",", ":", ";", "p", "-1", "p1.-1", "thread:", "=", "+", "cmds:", "X3,220027"].map { Array($0.utf8) }
    ) { input in
        let command = Command(parsing: input[...])
        guard command == Command(parsing: ([0] + input)[1...]) else { return "it depends on where the bytes are" }
        // Framed rightly, it arrives as it is.
        var framer = Framer(maximumPacketSize: max(input.count, 1))
        framer.feed(frame(input)[...])
        return framer.next() == .packet(input[...]) ? nil : "its frame did not bring it"
    }
}
