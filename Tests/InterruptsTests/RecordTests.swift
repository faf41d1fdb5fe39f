import Foundation
import Primitives
import TestSupport
import Testing

@testable import Interrupts

@Suite struct RecordTests {
    private func parsed(_ json: JSON) throws -> Any {
        try JSONSerialization.jsonObject(with: Data(json.description.utf8), options: .fragmentsAllowed)
    }

    /// A machine in which input 10 was raised, delivered, taken and ended.
    private func served() -> Board {
        let pc = machine(2)
        pc.program(10, 0x8041, to: 1)
        pc.controller.journal.trace.clear()
        pc.line(10, true, at: at(1_000))
        #expect(pc.controller.acknowledge(1, at: ModelTime(nanoseconds: 3_500, programCounter: 0xabc)).vector == 0x41)
        pc.line(10, false, at: at(5_000))
        pc.eoi(1, at: at(9_250))
        return pc
    }

    // MARK: Trace

    @Test("an interrupt's way is in the trace, with times, processor and place")
    func anInterruptsWayIsInTheTrace() {
        let events = served().journal.trace.last()
        #expect(events.map(\.kind) == [.raise, .pend, .deliver, .acknowledge, .lower, .endOfInterrupt])
        #expect(events.map(\.time) == [1_000, 1_000, 1_000, 3_500, 5_000, 9_250])
        #expect(events.map(\.processor) == [nil, 1, 1, 1, nil, 1])
        #expect(events.allSatisfy { $0.number == .line(10) } && events[3].programCounter == 0xabc)
        #expect(events.map(\.sequence) == Array(0..<6))
    }

    @Test("the ring keeps the last events and counts the lost")
    func theRingKeepsTheLast() {
        var trace = InterruptTrace(capacity: 4)
        for i in 0..<10 as Range<UInt64> { trace.append(InterruptEvent(.pend, .line(Int(i)), at: at(i))) }
        #expect(trace.last().map(\.time) == [6, 7, 8, 9] && trace.last(2).map(\.time) == [8, 9])
        #expect(trace.last(0).isEmpty && trace.last(-3).isEmpty && trace.lost == 6 && trace.total == 10)
        trace.isOn = false
        trace.append(InterruptEvent(.pend, .line(1), at: at(99)))
        #expect(trace.last().map(\.time) == [6, 7, 8, 9])
        trace.clear()
        #expect(trace.last().isEmpty && trace.lost == 0)
    }

    @Test("the table of the trace names causes, places and the time between")
    func theTableOfTheTrace() {
        let text = served().journal.trace.text(place: { $0 == 0xabc ? "handler" : "?" })
        let lines = text.split(separator: "\n")
        #expect(lines.count == 7)
        #expect(lines[2].contains("device line vec=0x41") && lines[4].contains("pc=handler"))
        #expect(lines[4].hasSuffix(" 2.5") && lines[6].contains("8.2"))
    }

    @Test("a debugger can wait for an event of one interrupt")
    func aDebuggerCanWait() {
        let pc = machine()
        pc.program(10, 0x41)
        pc.program(11, 0x52)
        pc.controller.journal.watch(.line(11), for: .acknowledge)
        pc.pulse(10)
        pc.pulse(11)
        #expect(pc.controller.journal.takeHit() == nil)
        _ = pc.take()
        #expect(pc.controller.journal.takeHit()?.kind == .acknowledge && pc.controller.journal.takeHit() == nil)
        pc.eoi()
        _ = pc.take()
        #expect(pc.controller.journal.takeHit() == nil)
        pc.controller.journal.watch(.line(11), for: .acknowledge, false)
        pc.eoi()
        pc.pulse(11)
        _ = pc.take()
        #expect(pc.controller.journal.takeHit() == nil)
    }

    // MARK: Timeline

    @Test("the timeline is a Chrome trace: complete and instant events with microseconds")
    func theTimelineIsAChromeTrace() throws {
        let root = try #require(parsed(served().journal.trace.timeline) as? [String: Any])
        let events = try #require(root["traceEvents"] as? [[String: Any]])
        for event in events {
            #expect(event["name"] is String && event["pid"] is Int && event["tid"] is Int)
            let phase = try #require(event["ph"] as? String)
            #expect(["M", "X", "i"].contains(phase))
            if phase != "M" { #expect(event["ts"] is NSNumber) }
        }
        let service = try #require(events.first { $0["ph"] as? String == "X" })
        #expect(service["ts"] as? Double == 2.5 && service["dur"] as? Double == 5.75 && service["tid"] as? Int == 2)
        #expect(events.filter { $0["ph"] as? String == "i" }.count == 6)
        let empty = try #require(parsed(InterruptTrace(capacity: 1).timeline) as? [String: Any])
        #expect((empty["traceEvents"] as? [Any])?.isEmpty == true)
    }

    // MARK: Statistics

    @Test("each part of the way has its latency")
    func eachPartHasItsLatency() throws {
        let counts = try #require(served().journal.statistics[.line(10)])
        #expect(counts[.pend] == 1 && counts[.acknowledge] == 1 && counts[.endOfInterrupt] == 1 && counts.last == 1_000)
        #expect(counts[.pendToDeliver].longest == 0 && counts[.pendToDeliver].count == 1)
        #expect(counts[.deliverToAcknowledge].longest == 2_500)
        #expect(counts[.acknowledgeToEnd].longest == 5_750)
    }

    @Test("a vector that comes again while it is in service keeps the latency of the first")
    func aVectorThatComesAgain() {
        let pc = machine()
        pc.message(0xfee0_0000, 0x41, at: at(100))
        _ = pc.take(at: at(200))
        pc.message(0xfee0_0000, 0x41, at: at(300))
        pc.eoi(at: at(1_000))
        let counts = pc.journal.statistics[.vector(0x41)]
        #expect(counts?[.acknowledgeToEnd].longest == 800 && counts?[.pendToDeliver].longest == 700)
    }

    @Test(
        "percentiles are at most an eighth too high and never beyond the longest",
        arguments: 1...20 as ClosedRange<UInt64>)
    func percentiles(seed: UInt64) throws {
        var random = Seeded(seed)
        var histogram = LatencyHistogram()
        var values = (0..<200).map { _ in random.magnitude() >> 25 }
        for value in values { histogram.add(value) }
        values.sort()
        for percent in [1, 50, 90, 99, 100] {
            let exact = values[(values.count * percent + 99) / 100 - 1]
            let found = try #require(histogram.percentile(percent))
            #expect(found >= exact && found <= exact + exact / 8 + 1)
        }
        #expect(histogram.longest == values.last && histogram.count == 200)
    }

    @Test("a histogram takes any length")
    func aHistogramTakesAnyLength() {
        var histogram = LatencyHistogram()
        #expect(histogram.percentile(50) == nil)
        for value in [0, 1, 7, 8, .max] as [UInt64] { histogram.add(value) }
        #expect(histogram.percentile(100) == .max && histogram.percentile(20) == 0)
    }

    @Test("statistics are given as text and as JSON")
    func statisticsAreTold() throws {
        let statistics = served().journal.statistics
        #expect(statistics.text(.line(10)).contains("deliver->ack: p50 2.5us, p99 2.5us, max 2.5us"))
        #expect(statistics.text(.line(9)) == "irq 9: never seen\n")
        #expect(InterruptStatistics().text() == "no interrupts seen\n")
        let rows = try #require(parsed(statistics.json()) as? [[String: Any]])
        #expect(rows.contains { $0["irq"] as? String == "10" && $0["pend"] as? Int == 1 })
    }

    // MARK: Warnings

    @Test("a mistake is kept once with its count, and there is an end to different ones")
    func aMistakeIsKeptOnce() throws {
        var warnings = InterruptWarnings()
        for i in 0..<3 as Range<UInt64> {
            warnings.add(GuestMistake(.endWithoutInterrupt, processor: 1, argument: 0), at: at(i))
        }
        for i in 0..<100 as Range<UInt64> {
            warnings.add(GuestMistake(.reservedRegister, processor: 0, argument: i), at: at(i))
        }
        #expect(warnings.entries.count == 1 + InterruptWarnings.limit)
        #expect(warnings.dropped == [.reservedRegister: 100 - UInt64(InterruptWarnings.limit)])
        #expect(warnings.entries[0].count == 3 && warnings.entries[0].first == 0 && warnings.entries[0].last == 2)
        #expect(warnings.text.hasPrefix("3 x  cpu1: EOI with no interrupt in service\n"))
        #expect(try #require(parsed(warnings.json) as? [Any]).count == 17)
        warnings.clear()
        #expect(warnings.text == "no mistakes seen\n")
    }

    @Test("every kind of mistake has a text of its own")
    func everyKindHasAText() {
        let texts = GuestMistake.Kind.allCases.map { "\(GuestMistake($0, processor: nil, argument: 5))" }
        #expect(Set(texts).count == texts.count)
    }

    // MARK: Small things

    @Test("JSON text is what it stands for")
    func jsonText() throws {
        let text = "a\"b\\c\n\t\u{1}\u{7f}é€😀/"
        #expect(try parsed(.string(text)) as? String == text)
        #expect(
            JSON.object([("a", .array([.null, .bool(true), .number(-3), .number(UInt64.max)]))]).description
                == "{\"a\":[null,true,-3,18446744073709551615]}")
        #expect(JSON.thousandths(12_034).description == "12.034" && JSON.thousandths(7).description == "0.007")
        #expect(JSON.optional(nil as UInt64?) { .number($0) }.description == "null")
    }

    @Test("numbers name inputs and vectors")
    func numbersNameInputsAndVectors() {
        #expect(InterruptNumber.line(1023).line == 1023 && InterruptNumber.line(1023).vector == nil)
        #expect(InterruptNumber.vector(236).vector == 236 && InterruptNumber.vector(236).line == nil)
        #expect("\(InterruptNumber.line(4)) \(InterruptNumber.vector(4))" == "4 v4")
        #expect(InterruptNumber.line(5) < .vector(0))
    }

    @Test("durations are short")
    func durationsAreShort() {
        #expect(
            [0, 999, 1_000, 41_250, 3_200_000, 1_100_000_000].map { duration($0) }
                == ["0ns", "999ns", "1.0us", "41.2us", "3.2ms", "1.1s"])
    }

    @Test("scaling keeps all bits, and says when there are too many")
    func scalingKeepsAllBits() {
        #expect(scale(.max, by: 1_193_182, over: 1_000_000_000) == 22_010_322_987_356_910)
        #expect(scale(10, by: 1, over: 3) == 3 && scale(10, by: 1, over: 3, roundingUp: true) == 4)
        #expect(scale(.max, by: 2, over: 1) == .max)
    }
}
