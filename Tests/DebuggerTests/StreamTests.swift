import Architecture
import Primitives
import RemoteProtocol
import TestSupport
import Testing

@testable import Debugger

/// The whole way from received bytes to sent ones: framing, parsing and answering together.
@Suite("Byte streams")
struct StreamTests {
    /// One or more packets of each family.
    private static let packets = [
        "qSupported:multiprocess+;swbreak+;hwbreak+;error-message+", "QStartNoAckMode", "Hgp1.2", "Hc-1", "Hc2",
        "Tp1.2",
        "?", "qC", "qfThreadInfo", "qsThreadInfo", "qThreadExtraInfo,p1.1", "g", "p10", "p30;thread:2;",
        "P0=0011223344556677", "G0011223344556677", "m100,40", "m7ff0,20", "M100,4:01020304", "X200,3:}\u{3}abc",
        "x0,0",
        "x100,20", "Z0,100,1", "Z0,1ff0,1", "z0,100,1", "Z1,400,1", "Z2,500,4", "z2,500,4", "vCont;c", "vCont;s:p1.1",
        "vCont;r100,110:p1.1;c", "c", "s", "C05", "s100", "vCont?", "qXfer:features:read:target.xml:0,100",
        "qXfer:threads:read::0,ffb", "qRcmd,68656c70", "qRcmd,696e666f2072656769737465727320", "qRcmd,627265616b",
        "qRcmd,67766132677061203078313030", "qSearch:memory:0;800;ab", "qCRC:0,100", "qMemoryRegionInfo:100",
        "qHostInfo", "QListThreadsInStopReply", "jThreadsInfo", "qThreadStopInfo2", "QSaveRegisterState;thread:1;",
        "QRestoreRegisterState:1;thread:1;", "QEnableErrorStrings", "Qqemu.PhyMemMode:1", "Qqemu.PhyMemMode:0", "D",
        "vKill;1", "k", "vAttach;1", "QNonStop:1", "vCtrlC", "vStopped", "nonsense", "",
    ]

    private func target(_ seed: UInt64) -> SimulatedTarget {
        var random = Seeded(seed)
        let target = SimulatedTarget(processors: 2, memory: random.bytes(0x8000))
        target.pages = Dictionary(
            uniqueKeysWithValues: stride(from: 0 as UInt64, to: 0x8000, by: 0x1000).map { ($0, 0x7000 - $0) })
        return target
    }

    /// A client whose machine stops again as soon as it moves.
    private func conversation(_ seed: UInt64) -> Conversation {
        let client = Conversation(target(seed), features: nil)
        client.nextStop = { plan in
            StopEvent(.stepped, on: plan.actions.firstIndex { $0 != .stay } ?? 0, explanation: "moved")
        }
        return client
    }

    @Test("any chunking of a stream gives the same replies and demands", arguments: 1...30 as ClosedRange<UInt64>)
    func chunking(seed: UInt64) {
        var random = Seeded(seed)
        var stream: [UInt8] = []
        for _ in 0..<60 {
            stream += frame(Self.packets.randomElement(using: &random)!)
            switch Int.random(in: 0..<12, using: &random) {
            case 0: stream += Array("-".utf8)
            case 1: stream += [3]
            case 2: stream += Array("$m10".utf8)
            case 3: stream += Array("$g#00".utf8)
            default: stream += Array("+".utf8)
            }
        }
        let whole = conversation(seed)
        let expected = whole.exchange(stream)
        #expect(!expected.contains { if case .garbage = $0 { true } else { false } })
        #expect(expected.count > 60)
        for _ in 0..<6 {
            let pieces = conversation(seed)
            var (rest, replies): (ArraySlice<UInt8>, [Received]) = (stream[...], [])
            let longest = [1, 3, 40, 2000].randomElement(using: &random)!
            while !rest.isEmpty {
                let count = min(rest.count, Int.random(in: 1...longest, using: &random))
                replies += pieces.exchange(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            let isTheSame = replies == expected && pieces.demands == whole.demands
            #expect(isTheSame)
            let isSameMachine =
                pieces.target.ram.bytes == whole.target.ram.bytes && pieces.target.armed == whole.target.armed
            #expect(isSameMachine)
        }
    }

    // MARK: - Anything whatsoever

    private static let alphabet = Array("$#}+-*:;,=0123456789abcdefgGmMxXzZpPqQvHTcCsSDk.?!".utf8) + [0, 3, 255]

    private func spoiledPacket(_ random: inout Seeded) -> [UInt8] {
        var packet = Array(Self.packets.randomElement(using: &random)!.utf8)
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            let index = Int.random(in: 0...packet.count, using: &random)
            let byte = random.chance(70) ? Self.alphabet.randomElement(using: &random)! : random.bytes(1)[0]
            switch Int.random(in: 0..<3, using: &random) {
            case 0 where index < packet.count: packet[index] = byte
            case 1 where index < packet.count: packet.remove(at: index)
            default: packet.insert(byte, at: index)
            }
        }
        return packet
    }

    @Test(
        "after any noise a closed session leaves memory without breakpoints", arguments: 1...10 as ClosedRange<UInt64>)
    func closing(seed: UInt64) {
        var random = Seeded(seed)
        let client = conversation(seed)
        let before = client.target.ram.bytes
        for _ in 0..<500 {
            let packet = spoiledPacket(&random)
            // Writes are the client's own doing.
            if let first = packet.first, "MX".utf8.contains(first) { continue }
            _ = client.exchange(frame(packet))
        }
        client.session.close()
        let isTheSame = client.target.ram.bytes == before
        #expect(isTheSame)
        #expect(client.target.armed == Arrangement())
    }
}
