import Primitives
import Testing

@testable import Interrupts

/// An input that a device and a debugger hold up, each by itself; interrupts that are not ended.
@Suite struct GICLevelTests {
    private static let second: UInt64 = 1_000_000_000

    @Test("lower-irq takes back what inject-irq raised, and not what the device holds up", arguments: [27, 40])
    func injectedAndHeld(id: Int) {
        let gic = GICBoard()
        gic.level(id)
        gic.line(id, true)
        _ = gic.gic.inject(id, .level, at: at(0))
        #expect(gic.gic.lower(id, at: at(0)).text.hasSuffix("stays high: its device holds it up"))
        #expect(gic.isPending(id))
        gic.line(id, false)
        #expect(!gic.isPending(id))
    }

    @Test("a device that lowers its line does not take back what inject-irq raised")
    func injectedStays() {
        let gic = GICBoard()
        gic.level(40)
        _ = gic.gic.inject(40, .level, at: at(0))
        gic.line(40, true)
        gic.line(40, false)
        #expect(gic.isPending(40))
        #expect(gic.gic.lower(40, at: at(0)).text == "the line of SPI 40 is low" && !gic.isPending(40))
    }

    @Test("a reset keeps the levels that devices hold, and lets go of the debugger's")
    func reset() {
        let gic = GICBoard()
        gic.level(40)
        gic.level(41)
        gic.line(40, true)
        _ = gic.gic.inject(41, .level, at: at(0))
        _ = gic.gic.reset(at: at(1))
        #expect(gic.gic.distributor.state(40, 0).isLineHigh && !gic.gic.distributor.state(41, 0).isLineHigh)
        gic.line(40, false)
        #expect(!gic.gic.distributor.state(40, 0).isLineHigh)
    }

    @Test("an interrupt that is not ended is reported with its age and with what it holds back")
    func missingEnd() {
        let gic = GICBoard()
        for id in [33, 34, 35] { gic.priority(id, id == 35 ? 0x40 : 0xa0) }
        gic.pulse(33, at: at(Self.second))
        let value = gic.ack(at: at(Self.second))
        gic.pulse(34, at: at(Self.second))
        gic.pulse(35, at: at(Self.second))
        let found = gic.gic.missingEnds(at: at(3 * Self.second))
        #expect(
            found.map { "\($0)" } == [
                "cpu0 has SPI 33 active since 2.0 s, 1 interrupt of its priority and below waits: EOI is missing"
            ])
        #expect(gic.journal.warnings.text(with: found).hasPrefix("cpu0 has SPI 33 active"))
        #expect(gic.gic.missingEnds(at: at(Self.second + 50_000_000)).isEmpty, "a handler takes its time")
        gic.eoi(value, at: at(3 * Self.second))
        #expect(gic.gic.missingEnds(at: at(9 * Self.second)).isEmpty)
    }

    @Test("of nested interrupts the innermost one is reported, on its processor; an SGI by its number")
    func nestedEnds() {
        let gic = GICBoard(processors: 2)
        gic.priority(3, 0x20, 1)
        gic.target(40, 2)
        gic.priority(40, 0xa0)
        gic.pulse(40, at: at(Self.second))
        _ = gic.ack(1, at: at(Self.second))
        gic.send(3, to: 2, at: at(Self.second))
        #expect(gic.ack(1, at: at(Self.second)) == 3)
        let found = gic.gic.missingEnds(at: at(2 * Self.second))
        #expect(found.map(\.number) == [3] && found.map(\.processor) == [1] && found.map(\.waiting) == [0])
    }
}
