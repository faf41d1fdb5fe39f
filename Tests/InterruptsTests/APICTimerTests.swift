import Primitives
import Testing

@testable import Interrupts

/// Intel SDM volume 3, section 11.5.4.
@Suite struct APICTimerTests {
    /// A switched-on APIC whose timer has vector 0x40 in `mode` (LVT bits 18 and 17) and divides by one.
    private func timer(_ mode: UInt32) -> Board {
        let pc = machine()
        pc.put(0x320, mode << 17 | 0x40)
        pc.put(0x3e0, 0xb)
        return pc
    }

    @Test("a one-shot timer counts down and comes once")
    func aOneShotTimerComesOnce() {
        let pc = timer(0)
        pc.put(0x380, 1000, at: at(100))
        #expect(pc.nextDeadline == 1100)
        #expect(pc.get(0x390, at: at(100)) == 1000 && pc.get(0x390, at: at(700)) == 400)
        #expect(pc.advance(1099).wake.isEmpty)
        #expect(pc.advance(1100).wake.contains(0) && pc.take() == 0x40)
        #expect(pc.get(0x390, at: at(1200)) == 0 && pc.get(0x380) == 1000 && pc.nextDeadline == nil)
        pc.eoi()
        #expect(pc.advance(9999).wake.isEmpty)
    }

    @Test("a periodic timer keeps its pace when it is served late")
    func aPeriodicTimerKeepsItsPace() {
        let pc = timer(1)
        pc.put(0x380, 100_000, at: at(50))
        for (now, next) in [(100_050, 200_050), (230_000, 300_050), (750_000, 800_050)] as [(UInt64, UInt64)] {
            #expect(pc.nextDeadline ?? .max <= now)
            pc.advance(now)
            #expect(pc.take(at: at(now)) == 0x40)
            pc.eoi(at: at(now))
            #expect(pc.take() == nil && pc.nextDeadline == next)
        }
        #expect(pc.get(0x390, at: at(750_050)) == 50_000)
        pc.put(0x380, 0, at: at(750_050))
        #expect(pc.nextDeadline == nil && pc.get(0x390, at: at(750_060)) == 0)
    }

    @Test("a very short period does not occupy the host")
    func aVeryShortPeriodIsStretched() {
        let pc = timer(1)
        pc.put(0x380, 1, at: at(0))
        var now: UInt64 = 0
        for _ in 0..<10 {
            now = pc.nextDeadline ?? .max
            pc.advance(now)
        }
        #expect(now >= 9 * LocalAPICTimer.shortestPeriod && now < .max)
    }

    @Test(
        "the divider counts (figure 11-10)",
        arguments: [(0, 2), (1, 4), (2, 8), (3, 16), (8, 32), (9, 64), (0xa, 128), (0xb, 1)] as [(UInt32, UInt64)])
    func theDividerCounts(code: UInt32, divisor: UInt64) {
        let pc = timer(0)
        pc.put(0x3e0, code)
        pc.put(0x380, 1000, at: at(0))
        #expect(pc.nextDeadline == 1000 * divisor)
        #expect(pc.get(0x390, at: at(250 * divisor)) == 750)
    }

    @Test("a new divider goes on from the count")
    func aNewDividerGoesOn() {
        let pc = timer(0)
        pc.put(0x380, 1000, at: at(0))
        pc.put(0x3e0, 1, at: at(400))
        #expect(pc.get(0x390, at: at(400)) == 600 && pc.nextDeadline == 400 + 2400)
    }

    @Test("a masked timer runs without interrupting")
    func aMaskedTimerRuns() {
        let pc = timer(0)
        pc.put(0x320, 0x1_0040)
        pc.put(0x380, 10, at: at(0))
        pc.advance(10)
        #expect(pc.take() == nil && pc.get(0x390, at: at(10)) == 0)
    }

    @Test(
        "a change from or to TSC-deadline disarms the timer (11.5.4.1)", arguments: [0, 1] as [UInt32])
    func aChangeToDeadlineDisarms(mode: UInt32) {
        let pc = timer(mode)
        pc.put(0x380, 1000, at: at(0))
        pc.put(0x320, 2 << 17 | 0x40, at: at(10))
        #expect(pc.nextDeadline == nil && pc.get(0x390, at: at(10)) == 0 && pc.get(0x380) == 0)
        pc.wrmsr(0x6e0, 5000, at: at(20))
        #expect(pc.nextDeadline == 5000)
        pc.put(0x320, mode << 17 | 0x40, at: at(30))
        #expect(pc.nextDeadline == nil && pc.rdmsr(0x6e0) == 0)
        pc.put(0x320, 2 << 17 | 0x40, at: at(40))
        #expect(pc.rdmsr(0x6e0) == 0 && pc.nextDeadline == nil, "going back does not arm it again")
    }

    @Test("a change between one-shot and periodic leaves a running count alone")
    func aChangeBetweenOneShotAndPeriodic() {
        let pc = timer(0)
        pc.put(0x380, 100_000, at: at(0))
        pc.put(0x320, 1 << 17 | 0x40, at: at(10_000))
        #expect(pc.nextDeadline == 100_000 && pc.get(0x390, at: at(20_000)) == 80_000)
        pc.advance(100_000)
        #expect(pc.take() == 0x40 && pc.nextDeadline == 200_000, "it is periodic now")
        pc.eoi(at: at(100_000))
        pc.put(0x320, 0x40, at: at(150_000))
        #expect(pc.nextDeadline == 200_000 && pc.get(0x380) == 100_000)
        pc.advance(200_000)
        #expect(pc.take() == 0x40 && pc.nextDeadline == nil, "and one-shot again")
        pc.put(0x320, 1 << 17 | 0x40, at: at(210_000))
        #expect(pc.nextDeadline == nil, "a count that has ended does not start again")
    }

    @Test("a deadline comes when the time stamp counter gets there, and reads 0 afterwards")
    func aDeadlineComes() {
        var configuration = PCInterruptController.Configuration()
        configuration.timeStampFrequency = 3_000_000_000
        let pc = Board(configuration)
        pc.start()
        pc.put(0x320, 2 << 17 | 0x40)
        #expect(pc.wrmsr(0x6e0, 10_000, at: ModelTime(nanoseconds: 500, timeStamp: 4_000)))
        #expect(pc.nextDeadline == 2_500 && pc.rdmsr(0x6e0) == 10_000)
        #expect(pc.get(0x390) == 0)
        #expect(pc.controller.advance(to: ModelTime(nanoseconds: 2_500, timeStamp: 10_000)).wake.contains(0))
        #expect(pc.rdmsr(0x6e0) == 0 && pc.nextDeadline == nil)
    }

    @Test("a deadline that has passed is due at once, zero disarms, and another mode knows none")
    func deadlinesAtTheEdges() {
        let pc = timer(2)
        #expect(pc.wrmsr(0x6e0, 5, at: at(10)) && pc.take() == 0x40)
        pc.eoi()
        pc.wrmsr(0x6e0, 500, at: at(10))
        pc.wrmsr(0x6e0, 0, at: at(20))
        #expect(pc.nextDeadline == nil && pc.advance(1000).wake.isEmpty)
        pc.wrmsr(0x6e0, .max, at: at(20))
        #expect(pc.nextDeadline ?? .max > 1 << 62)
        pc.put(0x380, 77, at: at(20))
        #expect(pc.get(0x380) == 0, "in deadline mode the initial count cannot be written")
        pc.put(0x320, 0x40)
        #expect(pc.wrmsr(0x6e0, 50) && pc.rdmsr(0x6e0) == 0)
    }

    @Test("a time stamp counter that the guest changed moves the deadline")
    func aChangedTimeStampMovesTheDeadline() {
        let pc = timer(2)
        pc.wrmsr(0x6e0, 1000, at: at(0))
        _ = pc.controller.timeStampChanged(0, at: ModelTime(nanoseconds: 100, timeStamp: 900))
        #expect(pc.nextDeadline == 200)
        #expect(pc.controller.timeStampChanged(0, at: ModelTime(nanoseconds: 110, timeStamp: 2000)).wake.contains(0))
    }

    @Test("without the feature the deadline register and the mode do not exist")
    func withoutTheFeature() {
        var configuration = PCInterruptController.Configuration()
        configuration.features.hasDeadlineTimer = false
        let pc = Board(configuration)
        pc.start()
        pc.put(0x320, 2 << 17 | 0x40)
        #expect(pc.get(0x320) == 0x40)
        #expect(!pc.wrmsr(0x6e0, 1) && pc.rdmsr(0x6e0) == nil)
    }

    @Test("what is due comes before the access that finds it late")
    func whatIsDueComesFirst() {
        let pc = timer(0)
        pc.put(0x380, 100, at: at(0))
        #expect(pc.get(0x220, at: at(150)) == 1, "IRR bit 0x40")
        pc.put(0x380, 100, at: at(300))
        #expect(pc.nextDeadline == 400)
    }

    @Test("each processor's timer is its own, and the nearest is the deadline")
    func theNearestIsTheDeadline() {
        let pc = machine(3)
        for cpu in 0..<3 {
            pc.put(0x320, 0x40, cpu)
            pc.put(0x3e0, 0xb, cpu)
            pc.put(0x380, UInt32(3000 - 1000 * cpu), cpu, at: at(0))
        }
        #expect(pc.nextDeadline == 1000)
        #expect(pc.advance(1000).wake.map { $0 } == [2])
        #expect(pc.nextDeadline == 2000)
        #expect(pc.advance(5000).wake.map { $0 } == [0, 1])
    }
}
