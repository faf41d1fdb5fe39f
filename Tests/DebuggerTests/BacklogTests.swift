import Primitives
import Testing

@testable import Debugger

@Suite("A client that asks without listening")
struct BacklogTests {
    @Test("pending output stays bounded; nothing is lost when it is sent at last")
    func pendingOutput() {
        let session = Session(SimulatedTarget(), stop: StopEvent(.held, on: 0))
        session.feed(frame("QStartNoAckMode")[...])
        #expect(session.next() == nil)
        session.sent(session.framer.outgoing.count)
        let count = 100
        session.feed((0..<count).flatMap { _ in frame("m0,4000") }[...])
        var replies = 0
        repeat {
            #expect(session.next() == nil)
            #expect(session.framer.outgoing.count <= 0x12_0000)
            replies += session.framer.outgoing.filter { $0 == UInt8(ascii: "$") }.count
            session.sent(session.framer.outgoing.count)
        } while session.isBehind
        #expect(replies == count)
    }

    @Test("packets that gather while the machine runs make it stop in the end")
    func early() {
        let session = Session(SimulatedTarget(), stop: StopEvent(.held, on: 0))
        var sent = 0
        repeat {
            session.feed((0..<100).flatMap { _ in frame("qC") }[...])
            sent += 100
        } while !session.interrupts() && sent < 100_000
        #expect(sent < 10_000)
    }
}
