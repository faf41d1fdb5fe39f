import Testing

@testable import Host

@Suite("waiting") struct ConditionTests {
    @Test("a wait with a limit ends when nothing comes, and at once when it has come")
    func limit() {
        let condition = Condition(0)
        #expect(condition.wait(milliseconds: 1) { $0 == 1 ? "there" : nil } == nil)
        condition.update { $0 = 1 }
        #expect(condition.wait(milliseconds: 3_600_000) { $0 == 1 ? "there" : nil } == "there")
    }
}

@Suite("lines that come again and again") struct RepetitionLimitTests {
    private let second: UInt64 = 1_000_000_000

    @Test("the first few pass, then one a second with the number of the others")
    func flood() {
        var limit = RepetitionLimit()
        var passed: [Int] = []
        // 1,000 a second, for ten seconds.
        for i in 0..<10_000 {
            if let omitted = limit.admit(at: 7 + UInt64(i) * second / 1000) { passed.append(omitted) }
        }
        #expect(passed.prefix(5) == [0, 0, 0, 0, 0])
        #expect(passed.dropFirst(5).allSatisfy { (990...1000).contains($0) })
        #expect(passed.count == 5 + 9)
        #expect(passed.reduce(0, +) + limit.omitted + passed.count == 10_000)
    }

    @Test("what comes seldom always passes, and a quiet time brings the first few back")
    func seldom() {
        var limit = RepetitionLimit()
        for i in 0..<100 { #expect(limit.admit(at: UInt64(i) * second) == 0) }
        for _ in 0..<20 { _ = limit.admit(at: 99 * second) }
        #expect(limit.admit(at: 99 * second) == nil)
        let passed = (0..<20).compactMap { _ in limit.admit(at: 200 * second) }
        #expect(passed.count == 5 && passed.dropFirst().allSatisfy { $0 == 0 })
    }

    @Test("a clock that has hardly begun holds nothing down that it should not")
    func start() {
        var limit = RepetitionLimit()
        #expect((0..<5).compactMap { _ in limit.admit(at: 0) } == [0, 0, 0, 0, 0])
        #expect(limit.admit(at: 0) == nil)
        #expect(limit.admit(at: second) == 1)
        #expect(limit.admit(at: second) == nil)
    }
}
