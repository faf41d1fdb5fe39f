import TestSupport
import Testing

@testable import RemoteProtocol

@Suite struct FramerTests {
    private var framer = Framer(maximumPacketSize: 64)

    @Test mutating func aPacketIsAcknowledgedAndHandedOver() {
        #expect(framer.events(ascii("$m0,4#fd")) == [.packet(ascii("m0,4")[...])])
        #expect(framer.takeOutgoing() == ascii("+"))
    }

    @Test mutating func checksumDigitsMayBeOfEitherCase() {
        #expect(framer.events(ascii("$m0,4#FD")) == [.packet(ascii("m0,4")[...])])
    }

    @Test mutating func theEmptyPacketIsAPacket() {
        #expect(framer.events(ascii("$#00")) == [.packet([])])
    }

    @Test mutating func everyByteSurvivesEscaping() {
        let payload = (0...255).map { UInt8($0) }
        framer = Framer()
        #expect(framer.events(frame(payload)) == [.packet(payload[...])])
    }

    @Test mutating func anyByteMayBeEscaped() {
        // 0x7d + 0x41 = 0xbe; `}A` is `a`.
        #expect(framer.events(ascii("$}A#be")) == [.packet(ascii("a")[...])])
    }

    @Test mutating func anInterruptCountsOnlyOutsideAPacket() {
        #expect(framer.events([3] + frame([0x58, 3]) + [3]) == [.interrupt, .packet([0x58, 3]), .interrupt])
    }

    @Test mutating func bytesBetweenPacketsAreSkipped() {
        #expect(framer.events(ascii("\r\n!x#00}+") + frame("g")) == [.ack, .packet(ascii("g")[...])])
    }

    @Test(arguments: ["$m0,4", "$m0,4#", "$m0,4#f", "$X}", "$$$"])
    func aDollarSignBeginsAnew(cutOff: String) {
        var framer = Framer()
        #expect(framer.events(ascii(cutOff) + frame("g")) == [.packet(ascii("g")[...])])
        #expect(framer.takeOutgoing() == ascii("+"))
    }

    @Test(arguments: ["$g#68", "$g#zz", "$g#6", "$g}#e4"])
    func aDamagedPacketIsAskedForAgain(damaged: String) {
        var framer = Framer()
        #expect(framer.events(ascii(damaged) + [0x0a]).first == .badChecksum)
        #expect(framer.takeOutgoing() == ascii("-"))
        #expect(framer.events(frame("g")) == [.packet(ascii("g")[...])])
    }

    @Test mutating func aDamagedPacketIsRefusedWithoutAcks() {
        framer.acknowledges = false
        #expect(framer.events(ascii("$g#68")) == [.badChecksum])
        #expect(framer.takeOutgoing() == ascii("$E01#a6"))
    }

    @Test mutating func withoutAcksNoAckIsSentNorAFrameRepeated() {
        framer.acknowledges = false
        #expect(framer.events(frame("g")) == [.packet(ascii("g")[...])])
        #expect(framer.takeOutgoing() == [])
        framer.frame(ascii("OK"))
        _ = framer.takeOutgoing()
        #expect(framer.events(ascii("-+")) == [.nak, .ack])
        #expect(framer.takeOutgoing() == [])
    }

    @Test mutating func anOversizedPacketIsDroppedAndReportedOnce() {
        let long = frame(Array(repeating: UInt8(ascii: "a"), count: 65))
        #expect(framer.events(long + frame("g")) == [.oversized, .packet(ascii("g")[...])])
        #expect(framer.takeOutgoing() == ascii("+$E01#a6+"))
    }

    @Test mutating func thePacketOfTheGreatestSizeIsTaken() {
        let payload = Array(repeating: UInt8(ascii: "#"), count: 64)
        #expect(framer.events(frame(payload)) == [.packet(payload[...])])
        #expect(framer.events(frame(payload + [0x23])) == [.oversized])
    }

    @Test mutating func aPacketWithoutEndTakesNoMemory() {
        framer.feed(ascii("$")[...])
        let piece = Array(repeating: UInt8(ascii: "a"), count: 4096)[...]
        for _ in 0..<1000 {
            framer.feed(piece)
            #expect(framer.next() == nil)
        }
        #expect(framer.bufferedBytes <= 64 + 2 * 4096)
        #expect(framer.events(ascii("#00")) == [.oversized])
    }

    @Test mutating func theLastFrameIsRepeatedAsOftenAsAskedFor() {
        framer.frame(ascii("OK"))
        #expect(framer.takeOutgoing() == ascii("$OK#9a"))
        #expect(framer.events(ascii("--")) == [.nak, .nak])
        #expect(framer.takeOutgoing() == ascii("$OK#9a$OK#9a"))
    }

    @Test mutating func nothingIsRepeatedBeforeTheFirstFrame() {
        #expect(framer.events(ascii("-")) == [.nak])
        #expect(framer.takeOutgoing() == [])
    }

    @Test mutating func theLastFrameOfAckModeCanStillBeAskedForAfterItsEnd() {
        framer.frame(ascii("OK"))
        framer.acknowledges = false
        _ = framer.takeOutgoing()
        #expect(framer.events(ascii("-")) == [.nak])
        #expect(framer.takeOutgoing() == ascii("$OK#9a"))
    }

    @Test mutating func aNotificationIsNeverRepeated() {
        framer.frame(ascii("OK"))
        framer.frameNotification(ascii("Stop:T05"))
        #expect(framer.takeOutgoing() == ascii("$OK#9a%Stop:T05#99"))
        _ = framer.events(ascii("-"))
        #expect(framer.takeOutgoing() == ascii("$OK#9a"))
    }

    @Test mutating func partlySentBytesAreNotSentTwice() {
        framer.frame(ascii("OK"))
        framer.sent(2)
        #expect(framer.outgoing == ascii("K#9a"))
        framer.sent(4)
        #expect(framer.outgoing.isEmpty)
    }

    @Test mutating func aKeptPacketIsNotOverwrittenByTheNext() {
        framer.feed((frame("first") + frame("second"))[...])
        let first = framer.next()
        let second = framer.next()
        #expect(first == .packet(ascii("first")[...]))
        #expect(second == .packet(ascii("second")[...]))
    }

    @Test(arguments: 1...UInt64(200))
    func chunksMakeNoDifference(seed: UInt64) {
        var random = Seeded(seed)
        var whole = Framer(maximumPacketSize: 64)
        let expected = whole.events(recording)
        var pieces = Framer(maximumPacketSize: 64)
        var events: [Framer.Event] = []
        var rest = recording[...]
        while !rest.isEmpty {
            let count = min(Int.random(in: 1...(seed % 2 == 0 ? 4 : 40), using: &random), rest.count)
            events += pieces.events(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        #expect(events == expected)
        #expect(pieces.outgoing == whole.outgoing)
    }

    @Test func everyTwoChunksMakeNoDifference() {
        var whole = Framer(maximumPacketSize: 64)
        let expected = whole.events(recording)
        #expect(expected.count == 15)
        for split in 0...recording.count {
            var pieces = Framer(maximumPacketSize: 64)
            // Fed twice before reading, and read in between: both must give the same.
            var unread = Framer(maximumPacketSize: 64)
            unread.feed(recording[..<split])
            #expect(unread.events(Array(recording[split...])) == expected)
            let events = pieces.events(Array(recording[..<split])) + pieces.events(Array(recording[split...]))
            #expect(events == expected)
        }
    }

    @Test mutating func feedingBeforeAllIsReadLosesNothing() {
        framer.feed((frame("a") + frame("b"))[...])
        #expect(framer.next() == .packet(ascii("a")[...]))
        framer.feed(frame("c")[...])
        #expect(framer.next() == .packet(ascii("b")[...]))
        #expect(framer.next() == .packet(ascii("c")[...]))
        #expect(framer.next() == nil)
    }

    /// A bit of everything a stream can hold.
    private let recording: [UInt8] = {
        let pieces: [[UInt8]] = [
            ascii("+"),
            frame("qSupported:multiprocess+;swbreak+"),
            ascii("+-\u{3}"),
            frame([0x58, 0x23, 0x24, 0x7d, 3, 0]),
            ascii("$cut"),
            frame("g"),
            ascii("noise\n$bad#00"),
            frame(Array(repeating: 0x41, count: 100)),
            ascii("$}#7d"),
            frame("vCont;s:p1.1;c"),
            ascii("\u{3}\u{3}"),
            frame(""),
            frame("k"),
        ]
        return Array(pieces.joined())
    }()
}
