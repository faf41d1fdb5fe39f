import Primitives
import Testing

@testable import Interrupts

/// The 8254 datasheet (231164-005): "Mode Definitions", "Read Operations", "Read-Back Command". Times are in input
/// clocks of the tests' own: the count is loaded by the clock after its last byte.
@Suite struct PITTests {
    private func channel(_ mode: UInt8, _ count: UInt16, gate: Bool = true, isDecimal: Bool = false) -> PITChannel {
        var channel = PITChannel(gate: gate)
        channel.control(0x30 | mode << 1 | (isDecimal ? 1 : 0))
        channel.write(UInt8(truncatingIfNeeded: count), at: 99)
        channel.write(UInt8(count >> 8), at: 99)
        return channel
    }

    /// OUT from the clock of the load on, 100, as the datasheet's diagrams draw it.
    private func diagram(_ channel: PITChannel, _ count: Int, from start: UInt64 = 100) -> String {
        var channel = channel
        return (0..<UInt64(count)).map {
            channel.takeNextCount(at: start + $0)
            return channel.output(at: start + $0) ? "1" : "0"
        }
        .joined()
    }

    @Test(
        "OUT in each mode",
        arguments: [
            (0, 4, "0000111111"), (2, 3, "1101101101"), (3, 4, "1100110011"), (3, 5, "1110011100"),
            (4, 3, "1110111111"),
        ] as [(UInt8, UInt16, String)])
    func outInEachMode(mode: UInt8, count: UInt16, expected: String) {
        #expect(diagram(channel(mode, count), 10) == expected)
    }

    @Test(
        "a rising gate triggers modes 1 and 5, again and again",
        arguments: [(1, 4, "11000011", 108), (5, 3, "11111011", 108), (5, 5, "11111110", 110)]
            as [(UInt8, UInt16, String, UInt64)])
    func aRisingGateTriggers(mode: UInt8, count: UInt16, once: String, risesAgain: UInt64) {
        var one = channel(mode, count, gate: false)
        #expect(diagram(one, 5) == "11111")
        one.setGate(true, at: 101)
        #expect(diagram(one, once.count) == once)
        one.setGate(false, at: 103)
        one.setGate(true, at: 103)
        #expect(one.nextRise(after: 103) == risesAgain)
    }

    @Test("a low gate holds modes 0 and 4, and stops 2 and 3 with OUT high")
    func aLowGate() {
        var zero = channel(0, 4)
        zero.setGate(false, at: 102)
        #expect(zero.current(at: 102) == 2 && zero.current(at: 150) == 2 && !zero.output(at: 150))
        zero.setGate(true, at: 150)
        #expect(!zero.output(at: 151) && zero.output(at: 152) && zero.nextRise(after: 150) == 152)
        for mode in [2, 3] as [UInt8] {
            var periodic = channel(mode, 4)
            periodic.setGate(false, at: 103)
            #expect(diagram(periodic, 8, from: 103) == "11111111" && periodic.nextRise(after: 103) == nil)
            periodic.setGate(true, at: 120)
            #expect(diagram(periodic, 8, from: 121) == (mode == 2 ? "11101110" : "11001100"))
        }
    }

    @Test("a new count takes effect at once, or at the end of the cycle or half cycle")
    func aNewCount() {
        func rewritten(_ mode: UInt8, at clock: UInt64) -> PITChannel {
            var one = channel(mode, 6)
            one.write(4, at: clock)
            one.write(0, at: clock)
            return one
        }
        #expect(diagram(rewritten(0, at: 102), 8, from: 103) == "00001111")
        #expect(diagram(rewritten(2, at: 102), 12) == "111110111011")
        #expect(diagram(rewritten(3, at: 101), 12) == "111001100110")
        #expect(diagram(rewritten(3, at: 104), 12) == "111000110011")
        #expect(rewritten(3, at: 101).nextRise(after: 101) == 105)
        #expect(rewritten(3, at: 104).nextRise(after: 104) == 106)
        #expect(rewritten(2, at: 102).nextRise(after: 102) == 106)
    }

    @Test("the first byte of a new count stops mode 0")
    func theFirstByteStopsMode0() {
        var zero = channel(0, 4)
        zero.write(9, at: 110)
        #expect(!zero.output(at: 120))
        zero.write(0, at: 120)
        #expect(!zero.output(at: 129) && zero.output(at: 130))
    }

    @Test(
        "OUT rises when the diagrams say so",
        arguments: [(0, 4, 104), (2, 3, 103), (3, 4, 104), (3, 5, 105), (4, 3, 104)] as [(UInt8, UInt16, UInt64)])
    func outRises(mode: UInt8, count: UInt16, rise: UInt64) {
        let one = channel(mode, count)
        #expect(one.nextRise(after: 99) == rise)
        #expect(!one.output(at: rise - 1) && one.output(at: rise))
        #expect(one.nextRise(after: rise) == (mode == 2 || mode == 3 ? rise + UInt64(count) : nil))
    }

    @Test("the count is read low byte first, and the latch holds both")
    func theLatchHoldsBothBytes() {
        var one = channel(2, 0x1234)
        #expect(one.read(at: 100) == 0x34 && one.read(at: 100) == 0x12)
        one.latchCount(at: 105)
        one.latchCount(at: 110)
        #expect(one.read(at: 200) == 0x2f && one.read(at: 300) == 0x12)
        #expect(one.read(at: 105) == 0x2f)
    }

    @Test("one-byte accesses read and write their half")
    func oneByteAccesses() {
        for (control, written, expected) in [(0x14, 0x56, 0x56), (0x24, 0x56, 0x56)] as [(UInt8, UInt8, UInt8)] {
            var one = PITChannel(gate: true)
            one.control(control)
            one.write(written, at: 99)
            #expect(one.count == (control == 0x14 ? 0x56 : 0x5600))
            #expect(one.read(at: 100) == expected && one.read(at: 100) == expected)
        }
    }

    @Test("binary counts end at 65,536, decimal ones at 10,000")
    func countsOfZero() {
        #expect(channel(2, 0).count == 65_536 && channel(2, 0, isDecimal: true).count == 10_000)
        let decimal = channel(2, 0x1000, isDecimal: true)
        #expect(decimal.count == 1000 && decimal.current(at: 101) == 0x0999)
        #expect(channel(0, 3).current(at: 104) == 0xffff)
        #expect(channel(0, 3, isDecimal: true).current(at: 104) == 0x9999)
    }

    @Test("mode 3 counts by two")
    func mode3CountsByTwo() {
        #expect((100..<106).map { channel(3, 6).current(at: $0) } == [6, 4, 2, 6, 4, 2])
        #expect((100..<105).map { channel(3, 5).current(at: $0) } == [4, 2, 0, 4, 2])
    }

    @Test("modes 6 and 7 are 2 and 3")
    func modes6And7() {
        var one = PITChannel(gate: true)
        one.control(0x3c)
        #expect(one.mode == 2)
        one.control(0x3e)
        #expect(one.mode == 3)
    }

    // MARK: In the machine

    @Test("counter 0 interrupts a hundred times a second when programmed so, without drift")
    func counter0Interrupts() {
        let pc = machine()
        pc.program(2, 0x30)
        pc.out(0x43, 0x34)
        pc.out(0x40, 0x9c)
        pc.out(0x40, 0x2e)  // 11,932 clocks: 100 Hz
        _ = pc.take()
        pc.eoi()
        var (now, ticks) = (0 as UInt64, 0)
        while let deadline = pc.nextDeadline, deadline <= 10_000_000_000 {
            now = deadline
            pc.advance(now)
            if pc.take(at: at(now)) == 0x30 { ticks += 1 }
            pc.eoi(at: at(now))
        }
        #expect(ticks == 10_000_000_000 * 1_193_182 / 11_932 / 1_000_000_000)
    }

    @Test("the read-back command latches counts and status of several counters")
    func theReadBackCommand() {
        let pc = machine()
        pc.out(0x43, 0x34)
        pc.out(0x43, 0xb6)
        pc.out(0x43, 0xea)  // status of 0 and 2
        #expect(pc.inp(0x40) == 0xf4 && pc.inp(0x42) == 0xf6, "OUT high, no count, mode and access as written")
        for port in [0x40, 0x42] as [UInt16] {
            pc.out(port, 0x00)
            pc.out(port, 0x10)
        }
        let later = at(10_000)
        pc.out(0x43, 0xc2, at: later)  // status and count of 0
        #expect(pc.inp(0x40, at: at(500_000)) == 0xb4, "the status comes first")
        // 11 clocks have passed, the count was loaded after the first.
        #expect(pc.inp(0x40, at: at(500_000)) == 0xf6 && pc.inp(0x40, at: at(500_000)) == 0x0f)
        pc.out(0x43, 0xe8, at: later)
        #expect(pc.inp(0x42) & 0x40 == 0)
    }

    @Test("port 0x61 opens counter 2's gate and shows its output")
    func port61() {
        let pc = machine()
        pc.out(0x43, 0xb0)
        pc.out(0x61, 0x01)
        pc.out(0x42, 0x20)
        pc.out(0x42, 0x00)
        #expect(pc.inp(0x61, at: at(1_000)) & 0x2f == 0x01)
        #expect(pc.inp(0x61, at: at(100_000)) & 0x2f == 0x21)
        #expect(Set((0..<4).map { pc.inp(0x61, at: at(200_000 + 10_000 * $0)) & 0x10 }) == [0, 0x10])
        pc.out(0x61, 0x0e)
        #expect(pc.inp(0x61) & 0x0f == 0x0e)
    }

    @Test("a very short period does not occupy the host, and no tick is made up")
    func aVeryShortPeriod() {
        let pc = machine()
        pc.program(2, 0x30)
        pc.out(0x43, 0x14)
        pc.out(0x40, 2)
        var (now, steps) = (0 as UInt64, 0)
        while let deadline = pc.nextDeadline, deadline < 1_000_000 {
            now = deadline
            pc.advance(now)
            steps += 1
        }
        #expect((10...21).contains(steps))
    }

    // MARK: The count register and the counting element

    /// The status byte of the read-back command.
    private func status(_ channel: PITChannel, at now: UInt64) -> UInt8 {
        var channel = channel
        channel.takeNextCount(at: now)
        channel.latchStatus(at: now)
        return channel.read(at: now)
    }

    private func write(_ count: UInt16, to channel: inout PITChannel, at now: UInt64) {
        channel.write(UInt8(truncatingIfNeeded: count), at: now)
        channel.write(UInt8(count >> 8), at: now)
    }

    @Test(
        "a new count leaves a one-shot that runs as it is, and the next trigger takes it",
        arguments: [1, 5] as [UInt8], [2, 1000] as [UInt16])
    func aNewCountLeavesAOneShot(mode: UInt8, new: UInt16) {
        var one = channel(mode, 20, gate: false)
        one.setGate(true, at: 100)
        let undisturbed = one
        write(new, to: &one, at: 105)
        #expect(diagram(one, 60, from: 101) == diagram(undisturbed, 60, from: 101))
        #expect(
            one.current(at: 110) == undisturbed.current(at: 110)
                && one.nextRise(after: 105) == undisturbed.nextRise(after: 105))
        #expect(status(undisturbed, at: 110) & 0x40 == 0 && status(one, at: 110) & 0x40 != 0, "null count")
        one.setGate(false, at: 112)
        #expect(status(one, at: 113) & 0x40 != 0, "only a rising gate loads")
        one.setGate(true, at: 114)
        #expect(one.current(at: 115) == new && status(one, at: 115) & 0x40 == 0)
    }

    @Test("a trigger without a new count loads the old one again, and none happens before the first count")
    func aTriggerLoadsAgain() {
        var one = PITChannel(gate: false)
        one.control(0x32)
        one.setGate(true, at: 10)
        #expect(one.output(at: 20) && one.nextRise(after: 20) == nil && status(one, at: 20) & 0x40 != 0)
        one.setGate(false, at: 20)
        write(5, to: &one, at: 30)
        #expect(one.output(at: 40) && one.nextRise(after: 40) == nil, "it waits for its trigger")
        one.setGate(true, at: 40)
        one.setGate(false, at: 42)
        one.setGate(true, at: 43)
        #expect(one.current(at: 44) == 5 && one.nextRise(after: 44) == 49)
    }

    @Test("the first of two bytes freezes mode 0 where it is, with OUT low, and no other mode")
    func theFirstByteFreezesMode0() {
        var zero = channel(0, 10)
        zero.write(0x34, at: 104)
        #expect(zero.current(at: 104) == 6 && zero.current(at: 900) == 6)
        #expect(!zero.output(at: 900) && zero.nextRise(after: 104) == nil)
        #expect(status(zero, at: 900) & 0x40 == 0, "the count is not written yet")
        zero.write(0x12, at: 900)
        #expect(zero.current(at: 901) == 0x1234)
        var over = channel(0, 3)
        over.write(1, at: 200)
        #expect(!over.output(at: 200), "OUT goes low at once")
        for mode in [1, 2, 3, 4, 5] as [UInt8] {
            var other = channel(mode, 50, gate: mode == 2 || mode == 3 || mode == 4)
            other.setGate(true, at: 99)
            let undisturbed = other
            other.write(7, at: 110)
            #expect(other.current(at: 120) == undisturbed.current(at: 120))
            #expect(diagram(other, 200) == diagram(undisturbed, 200))
        }
    }

    @Test("a count written while GATE is low: modes 0 and 4 load it and wait, 2 and 3 keep the old one until a trigger")
    func aCountWhileGateIsLow() {
        for mode in [0, 2, 3, 4] as [UInt8] {
            var one = channel(mode, 50)
            one.setGate(false, at: 110)
            let old = one.current(at: 110)
            write(8, to: &one, at: 120)
            let loads = mode == 0 || mode == 4
            #expect(one.current(at: 130) == (loads ? 8 : old))
            #expect(status(one, at: 130) & 0x40 == (loads ? 0 : 0x40))
            one.setGate(true, at: 140)
            #expect(one.nextRise(after: 140) == [0: 148, 2: 149, 3: 149, 4: 149][mode])
        }
    }

    @Test("null count is set by the control word and by a count, and cleared when the counting element has it")
    func nullCount() {
        for mode in [0, 2, 3, 4] as [UInt8] {
            var one = PITChannel(gate: true)
            one.control(0x30 | mode << 1)
            #expect(status(one, at: 1) & 0x40 != 0)
            write(6, to: &one, at: 99)
            #expect(status(one, at: 99) & 0x40 != 0 && status(one, at: 100) & 0x40 == 0)
            write(8, to: &one, at: 101)
            let loaded = [0: 102, 2: 106, 3: 103, 4: 102][mode]! as UInt64
            #expect(status(one, at: loaded - 1) & 0x40 != 0 && status(one, at: loaded) & 0x40 == 0)
        }
    }

    @Test("count 0 is the largest, and a one-shot that is over counts on through it")
    func countZero() {
        var binary = channel(0, 0)
        let (longest, longestDecimal): (UInt64, UInt64) = (65_536, 10_001)
        #expect(binary.nextRise(after: 100) == 100 + longest)
        binary = channel(0, 3)
        #expect(binary.current(at: 103) == 0 && binary.current(at: 104) == 0xffff && binary.output(at: 200))
        let decimal = channel(4, 0, isDecimal: true)
        #expect(decimal.nextRise(after: 100) == 100 + longestDecimal && decimal.current(at: 101) == 0x9999)
    }

    @Test("the status shows the mode as it was written", arguments: 0..<8 as Range<UInt8>)
    func modeAsWritten(bits: UInt8) {
        var one = PITChannel(gate: true)
        one.control(0x30 | bits << 1)
        #expect(status(one, at: 1) & 0xe == bits << 1 && one.mode == [0, 1, 2, 3, 4, 5, 2, 3][Int(bits)])
    }
}
