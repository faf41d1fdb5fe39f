import TestSupport
import Testing

@testable import RemoteProtocol

/// Nothing a client sends may crash, hang or fill memory. Seeded: a failure is found again.
@Suite struct FuzzTests {
    private static let limit = 256

    /// Packets to spoil: one or more of each family.
    private let valid = [
        "qSupported:multiprocess+;swbreak+;xmlRegisters=i386", "QStartNoAckMode", "Hgp1.1", "Hc-1", "Tp1.2", "D;1",
        "vKill;1",
        "vRun;6162;63", "vAttach;1", "vCont;s:p1.1;c:p1.-1", "vCont;r1000,1010:p1.1;C05:2", "c1000", "S05;1000",
        "g;thread:1;", "G00112233;thread:p1.1;", "p1f", "P10=0011223344556677", "mffffffff81000000,40", "M10,2:abcd",
        "X10,4:a}bc", "x1000,200", "Z0,1000,1;X3,220027;cmds:0,X1,27", "z4,1000,8", "qThreadExtraInfo,p1.1",
        "qXfer:features:read:target.xml:0,ffb", "qRcmd,776879", "qSearch:memory:1000;200;ab", "qCRC:1000,20",
        "qSymbol:1:61",
        "Qqemu.sstep=7", "Qqemu.PhyMemMode:1", "QNonStop:1", "qMemoryRegionInfo:0", "qRegisterInfo1a",
        "qProcessInfoPID:1",
    ]

    /// Feeds and parses; the number of events that came.
    private func swallow(_ bytes: [UInt8], _ framer: inout Framer, _ random: inout Seeded) -> Int {
        var events = 0
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Int.random(in: 1...rest.count, using: &random)
            framer.feed(rest.prefix(count))
            rest = rest.dropFirst(count)
            while let event = framer.next() {
                events += 1
                guard case .packet(let packet) = event else { continue }
                #expect(packet.count <= Self.limit)
                _ = Command(parsing: packet)
            }
        }
        framer.sent(framer.outgoing.count)
        return events
    }

    @Test func randomBytesAreSurvived() {
        var random = Seeded(1)
        var framer = Framer(maximumPacketSize: Self.limit)
        let alphabet = ascii("$#}+-*:;,=0123456789abcdefgGmMxXzZpPqQvHTcCsS.") + [0, 3, 255]
        for _ in 0..<100_000 {
            let count = Int.random(in: 1...60, using: &random)
            let isPlain = Bool.random(using: &random)
            let bytes = (0..<count).map { _ in
                isPlain
                    ? UInt8.random(in: 0...255, using: &random)
                    : alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
            }
            #expect(swallow(bytes, &framer, &random) <= count)
            _ = Command(parsing: bytes[...])
        }
        #expect(framer.bufferedBytes < 0x2000)
        #expect(framer.events(frame("g")).last == .packet(ascii("g")[...]))
    }

    @Test func spoiledPacketsAreSurvived() {
        var random = Seeded(2)
        var framer = Framer(maximumPacketSize: Self.limit)
        for round in 0..<100_000 {
            var packet = ascii(valid[round % valid.count])
            for _ in 0..<Int.random(in: 1...4, using: &random) { spoil(&packet, &random) }
            let command = Command(parsing: packet[...])
            // Framed rightly, it must arrive as it is; framed and then spoiled, it must do no harm.
            if packet.count <= Self.limit {
                #expect(framer.events(frame(packet)).last == .packet(packet[...]))
                #expect(Command(parsing: packet[...]) == command)
            }
            var damaged = frame(packet)
            spoil(&damaged, &random)
            _ = swallow(damaged, &framer, &random)
        }
        #expect(framer.bufferedBytes < 0x2000)
    }

    private func spoil(_ packet: inout [UInt8], _ random: inout Seeded) {
        let index = Int.random(in: 0...packet.count, using: &random)
        let byte = UInt8.random(in: 0...255, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0 where index < packet.count: packet[index] = byte
        case 1 where index < packet.count: packet[index] ^= 1 << (byte & 7)
        case 2 where index < packet.count: packet.remove(at: index)
        case 3: packet.removeSubrange(index...)
        case 4: packet.insert(contentsOf: packet[index...], at: index)
        default: packet.insert(byte, at: index)
        }
    }
}
