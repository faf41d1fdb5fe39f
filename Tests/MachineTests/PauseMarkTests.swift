import Testing

@testable import Machine

@Suite("When a stop is marked in the guest's clock")
struct PauseMarkTests {
    private static let (start, lifetime) = (5_000_000_000 as UInt64, PauseMark.lifetime)

    @Test("a stop is marked at once, and once however long it lasts")
    func once() {
        var mark = PauseMark()
        let (first, later) = (mark.isDue(at: Self.start), mark.isDue(at: Self.start + 1000 * Self.lifetime))
        #expect(first && !later, "the guest has not run since")
        mark.resume()
        let next = mark.isDue(at: Self.start + 1000 * Self.lifetime)
        #expect(next)
    }

    @Test("stops that follow each other closely cost one mark")
    func close() {
        var mark = PauseMark()
        var marks = 0
        for step in 0..<1000 as Range<UInt64> {
            let now = Self.start + step * Self.lifetime / 200
            if mark.isDue(at: now) { marks += 1 }
            if mark.isDue(at: now + 1) { marks += 1 }
            mark.resume()
        }
        #expect(marks == 5)
    }

    @Test("a long stop right behind a marked one is marked before the guest goes on")
    func longAfterShort() {
        var mark = PauseMark()
        let first = mark.isDue(at: Self.start)
        mark.resume()
        let (second, going) = (mark.isDue(at: Self.start + 10), mark.isDue(at: Self.start + 600 * Self.lifetime))
        #expect(first && !second && going)
    }
}
