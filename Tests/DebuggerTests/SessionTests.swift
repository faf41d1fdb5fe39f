import Architecture
import Primitives
import RemoteProtocol
import TestSupport
import Testing

@testable import Debugger

@Suite("The session itself")
struct SessionTests {
    @Test("what is advertised works")
    func advertised() {
        let client = Conversation(features: nil)
        #expect(client.exchange(frame("QStartNoAckMode")).last == .packet(Array("OK".utf8)))
        let fields = client.ask("qSupported:multiprocess+").split(separator: ";").map(String.init)
        #expect(Set(fields).count == fields.count)
        for (feature, packet) in [
            ("QStartNoAckMode+", "QStartNoAckMode"), ("qXfer:features:read+", "qXfer:features:read:target.xml:0,10"),
            ("qXfer:threads:read+", "qXfer:threads:read::0,10"), ("vContSupported+", "vCont?"),
            ("multiprocess+", "Hgp1.1"),
        ] {
            #expect(fields.contains(feature))
            let reply = client.ask(packet)
            #expect(!reply.isEmpty && !reply.hasPrefix("E"), "\(packet)")
        }
        for feature in ["swbreak+", "hwbreak+", "error-message+"] { #expect(fields.contains(feature)) }
    }

    @Test(
        "what is not known gets the empty reply",
        arguments: [
            "", "qNonsense", "vMustReplyEmpty", "vFile:setfs:0", "QNonsense:1", "bc", "bs", "qTStatus", "qOffsets",
            "qXfer:auxv:read::0,100", "B1000", "A", "y", "t", "_M1000,rw", "_m1000", "qGetWorkingDir",
            "qWatchpointSupportInfo:", "jThreadExtendedInfo:{\"thread\":1}", "vAttachWait;6162", "qModuleInfo:61;62",
        ])
    func unknown(packet: String) { #expect(Conversation().ask(packet) == "") }

    @Test(
        "questions about the session have their plain answers",
        arguments: [
            ("qAttached", "1"), ("qAttached:1", "1"), ("!", "OK"), ("qSymbol::", "OK"), ("QNonStop:0", "OK"),
            ("QThreadSuffixSupported", "OK"), ("QEnableErrorStrings", "OK"), ("qqemu.sstep", "0x7"),
            ("Qqemu.sstep=7", "OK"),
        ])
    func plain(packet: String, reply: String) { #expect(Conversation().ask(packet) == reply) }

    // MARK: - Errors

    private static let wrong = [
        "m10", "Z0,1", "T99", "P0=00", "p1000", "vCont;x", "Hgp9.9", "qXfer:features:read:a:0,1",
    ]

    @Test("a client that takes no text gets numbers", arguments: wrong)
    func numbers(packet: String) {
        let reply = Conversation(features: "").ask(packet)
        #expect(reply.count == 3 && reply.hasPrefix("E") && UInt8(reply.dropFirst(), radix: 16) != nil, "\(reply)")
    }

    @Test("a client with error-message gets the reason in words", arguments: wrong)
    func messages(packet: String) {
        let reply = Conversation(features: "error-message+").ask(packet)
        #expect(reply.hasPrefix("E.") && reply.count > 8 && reply.allSatisfy { $0.isASCII && !"#$}*".contains($0) })
    }

    @Test("LLDB's error strings are the number and the same words in hexadecimal", arguments: wrong)
    func errorStrings(packet: String) {
        let number = Conversation(features: "").ask(packet)
        let words = Conversation(features: "error-message+").ask(packet).dropFirst(2)
        let client = Conversation(features: "")
        #expect(client.ask("QEnableErrorStrings") == "OK")
        let fields = client.ask(packet).split(separator: ";")
        #expect(fields.count == 2 && fields[0] == number)
        #expect(fields.last.flatMap { text(hex: $0) } == String(words))
    }

    // MARK: - Documents

    @Test("target.xml read in pieces of any size is the layout's own", arguments: 1...6 as ClosedRange<UInt64>)
    func targetDescription(seed: UInt64) {
        var random = Seeded(seed)
        let client = Conversation()
        var document = ""
        while true {
            let count = Int.random(in: 1...0xffb, using: &random)
            let offset = String(document.utf8.count, radix: 16)
            let reply = client.ask("qXfer:features:read:target.xml:\(offset),\(String(count, radix: 16))")
            document += reply.dropFirst()
            guard reply.hasPrefix("m") else {
                #expect(reply.hasPrefix("l"))
                break
            }
            #expect(reply.utf8.count == count + 1)
        }
        let isTheSame = Array(document.utf8) == X86.layout64.targetDescription
        #expect(isTheSame)
        #expect(client.ask("qXfer:features:read:target.xml:ffffff,100") == "l")
    }

    // MARK: - Leaving

    @Test("D says OK and lets the machine go on; k says nothing and ends it; vKill says OK and ends it")
    func leaving() {
        let rows: [(String, [String], Session.Demand)] = [
            ("D", ["OK"], .detach), ("D;1", ["OK"], .detach), ("k", [], .kill), ("vKill;1", ["OK"], .kill),
        ]
        for (packet, replies, demand) in rows {
            let client = Conversation()
            #expect(client.replies(packet) == replies, "\(packet)")
            #expect(client.demands == [demand], "\(packet)")
        }
    }

    @Test("R and vRun bring the machine back to its start: R without a reply, vRun with the stop")
    func restart() {
        for (packet, hasReply) in [("R00", false), ("vRun;", true), ("vRun;6b65726e656c", true)] {
            let client = Conversation(SimulatedTarget(processors: 2))
            _ = client.stop(StopEvent(.tripleFault, on: 1))
            #expect(client.replies(packet).count == (hasReply ? 1 : 0), "\(packet)")
            #expect(client.target.resets == 1, "\(packet)")
            #expect(client.demands.isEmpty, "\(packet)")
            #expect(client.ask("?").hasPrefix("T05thread:p1.1;"), "\(packet)")
            #expect(client.ask("qC") == "QCp1.1", "\(packet)")
        }
    }

    @Test("a reset that cannot be done is refused with its reason, and nothing has changed")
    func refusedRestart() {
        let client = Conversation(features: "error-message+")
        _ = client.stop(StopEvent(.tripleFault, on: 0))
        client.target.resetObjection = "the image is gone"
        #expect(client.ask("vRun;") == "E.the image is gone")
        #expect(client.monitor("reset") == "error: the image is gone\n")
        #expect(client.ask("?").hasPrefix("T0b"))
    }

    // MARK: - Acknowledgements

    @Test("in ack mode each packet is acknowledged, and a spoiled one asked for again")
    func acks() {
        let client = Conversation(features: nil)
        #expect(client.exchange(frame("qAttached")) == [.ack, .packet(Array("1".utf8))])
        #expect(client.exchange(Array("$qAttached#00".utf8)) == [.nak])
        #expect(client.exchange(Array("+".utf8)).isEmpty)
    }

    @Test("a client's - brings the last reply back, as often as it likes")
    func resend() {
        let client = Conversation(features: nil)
        let reply = client.exchange(frame("?")).last
        for _ in 0..<3 { #expect(client.exchange(Array("-".utf8)).last == reply) }
        #expect(client.exchange(Array("+".utf8)).isEmpty)
    }

    @Test("QStartNoAckMode's own OK is still acknowledged, what follows is not, even in one piece")
    func noAck() {
        let client = Conversation(features: nil)
        let stream = frame("QStartNoAckMode") + Array("+".utf8) + frame("qAttached") + frame("qC")
        #expect(client.exchange(stream).map(\.text) == [Received.ack.text, "OK", "1", "QC1"])
        // A wrong sum cannot be asked for again: it is refused.
        #expect(client.exchange(Array("$qAttached#00".utf8)).map(\.text) == ["E01"])
    }

    @Test("a packet longer than the announced size is refused, and the next one answered")
    func oversized() {
        let client = Conversation()
        let long = frame([UInt8](repeating: UInt8(ascii: "0"), count: 0x3_0000))
        #expect(client.exchange(long + frame("qAttached")).map(\.text) == ["E01", "1"])
    }
}
