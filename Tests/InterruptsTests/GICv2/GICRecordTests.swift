import Foundation
import Primitives
import Testing

@testable import Interrupts

/// What is remembered of a GIC's interrupts.
@Suite struct GICRecordTests {
    private func parsed(_ json: JSON) throws -> Any {
        try JSONSerialization.jsonObject(with: Data(json.description.utf8), options: .fragmentsAllowed)
    }

    /// Level-triggered SPI 33 was raised, delivered, taken, lowered and ended.
    private func served() -> GICBoard {
        let gic = GICBoard(processors: 2)
        gic.level(33)
        gic.target(33, 2)
        gic.gic.journal.trace.clear()
        gic.line(33, true, at: at(1_000))
        _ = gic.ack(1, at: ModelTime(nanoseconds: 3_500, programCounter: 0xabc))
        gic.line(33, false, at: at(5_000))
        gic.eoi(33, 1, at: at(9_250))
        return gic
    }

    @Test("an interrupt's way is in the trace, with times, processor and place")
    func theWay() {
        let events = served().journal.trace.last()
        #expect(events.map(\.kind) == [.raise, .pend, .deliver, .acknowledge, .lower, .endOfInterrupt])
        #expect(events.map(\.time) == [1_000, 1_000, 1_000, 3_500, 5_000, 9_250])
        #expect(events.map(\.processor) == [nil, 1, 1, 1, nil, 1])
        #expect(events.allSatisfy { $0.number == .line(33) } && events[3].programCounter == 0xabc)
    }

    @Test("the latencies are the differences of the times, and add up")
    func latencies() throws {
        let counts = try #require(served().journal.statistics[.line(33)])
        #expect(counts[.pendToDeliver].longest == 0 && counts[.deliverToAcknowledge].longest == 2_500)
        #expect(counts[.acknowledgeToEnd].longest == 5_750 && counts[.pend] == 1 && counts[.endOfInterrupt] == 1)
    }

    @Test("what waits behind PMR is delivered when the mask opens, and the time counts from when it came")
    func deliveredLater() throws {
        let gic = GICBoard()
        gic.putC(0x04, 0)
        gic.pulse(40, at: at(1_000))
        gic.putC(0x04, 0xff, at: at(4_000))
        #expect(gic.kinds == [.raise, .pend, .lower, .deliver])
        let counts = try #require(gic.journal.statistics[.line(40)])
        #expect(counts[.pendToDeliver].longest == 3_000)
    }

    @Test("one that is preempted before it was taken is delivered once")
    func deliveredOnce() {
        let gic = GICBoard()
        gic.priority(40, 0xa0)
        gic.priority(41, 0x40)
        gic.put(0x204, 1 << 8)
        gic.put(0x204, 1 << 9)
        gic.eoi(gic.ack())
        gic.eoi(gic.ack())
        let events = gic.journal.trace.last()
        #expect(events.filter { $0.kind == .deliver }.map(\.number) == [.line(40), .line(41)])
        #expect(events.filter { $0.kind == .acknowledge }.map(\.number) == [.line(41), .line(40)])
    }

    @Test("a level that is still high after its end pends again")
    func pendsAgain() {
        let gic = GICBoard()
        gic.level(40)
        gic.gic.journal.trace.clear()
        gic.line(40, true)
        gic.eoi(gic.ack())
        #expect(gic.kinds == [.raise, .pend, .deliver, .acknowledge, .endOfInterrupt, .pend, .deliver])
    }

    @Test("an edge that finds one waiting coalesces")
    func coalesces() {
        let gic = GICBoard(processors: 2)
        gic.pulse(40)
        gic.pulse(40)
        gic.send(1, to: 2)
        gic.send(1, to: 2)
        let counts = [InterruptNumber.line(40), .line(1)].map { gic.journal.statistics[$0] }
        #expect(counts.map { $0?[.pend] } == [1, 1] && counts.map { $0?[.coalesce] } == [1, 1])
    }

    @Test("each source of an SGI has its own latency")
    func sourcesApart() {
        let gic = GICBoard(processors: 3)
        gic.send(2, to: 1, from: 1, at: at(100))
        gic.send(2, to: 1, from: 2, at: at(200))
        _ = gic.ack(at: at(1_000))
        gic.eoi(2 | 1 << 10, at: at(1_500))
        _ = gic.ack(at: at(1_600))
        gic.eoi(2 | 2 << 10, at: at(4_000))
        let events = gic.journal.trace.last()
        #expect(
            events.map(\.kind) == [
                .pend, .deliver, .pend, .acknowledge, .endOfInterrupt, .deliver, .acknowledge, .endOfInterrupt,
            ])
        let counts = gic.journal.statistics[.line(2)]
        #expect(counts?[.deliverToAcknowledge].longest == 900 && counts?[.pendToDeliver].longest == 1_300)
        #expect(counts?[.acknowledgeToEnd].longest == 2_400)
        #expect(gic.mistakes == [])
    }

    @Test("split ends are two events")
    func splitEnd() {
        let gic = GICBoard(control: 0x201)
        gic.pulse(40)
        _ = gic.ack(at: at(10))
        gic.eoi(40, at: at(20))
        gic.dir(40, at: at(30))
        let events = gic.journal.trace.last().suffix(3)
        #expect(
            events.map(\.kind) == [.acknowledge, .endOfInterrupt, .deactivate] && events.map(\.time) == [10, 20, 30])
    }

    @Test("what software takes back is dropped, what it makes pending names the register")
    func registerWrites() {
        let gic = GICBoard()
        gic.put(0x204, 1 << 8)
        gic.put(0x284, 1 << 8)
        gic.put(0xf21, 1, size: 1)
        gic.put(0xf11, 1, size: 1)
        let events = gic.journal.trace.last()
        #expect(events.map(\.kind) == [.pend, .deliver, .drop, .pend, .deliver, .drop])
        #expect(events[0].cause == .register && events[2].cause == .register && events[5].number == .line(1))
    }

    @Test("enabling and disabling is in the trace")
    func masks() {
        let gic = GICBoard()
        gic.put(0x184, 3 << 8)
        gic.put(0x104, 1 << 8)
        #expect(gic.journal.trace.last().map(\.number) == [.line(40), .line(41), .line(40)])
        #expect(gic.kinds == [.mask, .mask, .unmask])
    }

    @Test("a spurious acknowledge is recorded")
    func spurious() {
        let gic = GICBoard()
        _ = gic.ack()
        #expect(gic.kinds == [.spurious] && gic.journal.trace.last()[0].number == .line(1023))
    }

    @Test("a debugger can wait for an event of one interrupt")
    func watches() {
        let gic = GICBoard()
        gic.gic.journal.watch(.line(33), for: .deactivate)
        gic.gic.journal.watch(.line(34), for: .acknowledge)
        gic.putC(0x00, 0x201)
        gic.pulse(33)
        gic.eoi(gic.ack())
        #expect(gic.gic.journal.takeHit() == nil)
        gic.dir(33)
        #expect(gic.gic.journal.takeHit()?.kind == .deactivate)
        gic.pulse(34)
        _ = gic.ack()
        #expect(gic.gic.journal.takeHit()?.number == .line(34))
    }

    @Test("the table of the trace has the registers' values")
    func theTable() {
        let lines = served().journal.trace.text(place: { $0 == 0xabc ? "gic_handle_irq" : "?" }).split(separator: "\n")
        #expect(lines.count == 7 && lines[2].contains("pend     device line") && lines[3].contains("IRQ input = 1"))
        #expect(lines[4].contains("ack      IAR=021 pc=gic_handle_irq") && lines[4].hasSuffix(" 2.5"))
        #expect(lines[6].contains("eoi      EOIR=021"))
    }

    @Test("nested interrupts are nested spans of the timeline")
    func theTimeline() throws {
        let gic = GICBoard()
        gic.priority(40, 0xa0)
        gic.priority(41, 0x40)
        gic.pulse(40, at: at(0))
        _ = gic.ack(at: at(1_000))
        gic.pulse(41, at: at(2_000))
        _ = gic.ack(at: at(3_000))
        gic.eoi(41, at: at(4_000))
        gic.eoi(40, at: at(6_000))
        let root = try #require(parsed(gic.journal.trace.timeline) as? [String: Any])
        let spans = try #require(root["traceEvents"] as? [[String: Any]]).filter { $0["ph"] as? String == "X" }
        #expect(spans.map { $0["name"] as? String } == ["irq 41", "irq 40"])
        #expect(spans.map { $0["dur"] as? Double } == [1, 5] && spans.map { $0["ts"] as? Double } == [3, 1])
    }

    // MARK: Rows and texts

    @Test("info irqs lists the interrupts in use, with priority, group, targets and source")
    func rows() throws {
        let gic = GICBoard(processors: 2)
        gic.put(0x184, 0xffff_fffe)
        gic.put(0x188, 0xffff_ffff)
        for cpu in 0..<2 { gic.put(0x180, 0xffff_0000, cpu) }
        gic.priority(32, 0xa0)
        gic.pulse(32)
        gic.send(2, to: 1, from: 1)
        gic.line(27, true, 1)
        let rows = gic.gic.rows
        #expect(rows.map(\.number) == [.line(2), .line(27), .line(2), .line(27), .line(32)])
        #expect(rows.filter(\.isPending).map(\.processor) == [0, 1, nil])
        let lines = rows.text(at: at(0)).split(separator: "\n").map(String.init)
        #expect(
            lines[0].split(separator: " ") == [
                "ID", "TYP", "CPU", "PLAE", "CFG", "PRI", "GRP", "TGT", "SRC", "COUNT", "LAST",
            ])
        #expect(lines[1].split(separator: " ") == ["2", "SGI", "0", "P--E", "edge", "00", "0", "-", "1", "1", "+0ns"])
        #expect(
            lines[5].split(separator: " ") == ["32", "SPI", "-", "P--E", "edge", "a0", "0", "0x1", "-", "1", "+0ns"])
        let json = try #require(parsed(rows[4].json) as? [String: Any])
        #expect(json["priority"] as? Int == 0xa0 && json["group"] as? Int == 0)
        #expect(gic.gic.allRows.count == 64 + 64)
    }

    @Test("info gic decodes, and raw gives every register that is not 0")
    func text() throws {
        let gic = GICBoard(processors: 2, control: 3)
        gic.priority(40, 0x80)
        gic.pulse(40)
        _ = gic.ack()
        gic.pulse(41)
        let text = gic.gic.text()
        #expect(text.contains("gicd: CTLR=0x1 (forwards both groups) interrupts=96 cpus=2"))
        #expect(text.contains("cpu 0 gicc: CTLR=0x3 (EnableGrp0 EnableGrp1) PMR=0xf8 BPR=2 ABPR=3\n"))
        #expect(text.contains("RPR=0x80 HPPIR=0x029 (41, prio 0x00) APR=0x00010000 nIRQ=asserted nFIQ=idle"))
        #expect(text.contains("acknowledged, not ended: 40\n") && text.contains("RPR=0xff (idle) HPPIR=0x3ff (none)"))
        #expect(!gic.gic.text(cpu: 1).contains("cpu 0"))
        #expect(GICv2().text().contains("PMR=0x00 (masks everything)") && GICv2().text().contains("(off)"))
        let raw = gic.gic.rawText(cpu: 0)
        #expect(raw.contains("GICD 0x000 0x00000001\n") && raw.contains("GICC 0x014 0x00000080\n"))
        #expect(!raw.contains("GICC 0x00c") && gic.isActive(40) && gic.isPending(41))
        let json = try #require(parsed(gic.gic.json) as? [String: Any])
        #expect((json["cpus"] as? [[String: Any]])?.first?["rpr"] as? Int == 0x80)
    }

    @Test("irq show has every field and the latencies")
    func describe() {
        let text = served().gic.describe(33, cpu: 0, device: "uart", at: at(10_000))
        for part in [
            "device       uart", "GICD_ISENABLER1.1   = 1", "GICD_ISPENDR1.1     = 0 (latch 0, line 0)",
            "GICD_ITARGETSR.33  = 0x02, goes to cpu 1", "GICD_ICFGR2.3       = 0 (level)", "ack->eoi: p50 5.",
        ] { #expect(text.contains(part), "\(part) in \(text)") }
        #expect(GICv2().describe(5000, cpu: 0, at: at(0)) == "no interrupt 5000\n")
    }

    @Test("a kernel's registers give the same views: state, outputs, explanation")
    func kernelView() {
        let gic = GICBoard(processors: 2, control: 3)
        gic.priority(40, 0x80)
        gic.target(41, 2)
        gic.pulse(40)
        _ = gic.ack()
        gic.pulse(41)
        gic.send(3, to: 2)
        gic.line(27, true, 1)
        gic.putC(0x04, 0, 0)
        let view = GICv2(
            viewing: gic.configuration, distributor: gic.gic.inspectDistributor, interface: gic.gic.inspectInterface)
        #expect(view.allRows.map(\.isPending) == gic.gic.allRows.map(\.isPending))
        #expect(view.allRows.map(\.target) == gic.gic.allRows.map(\.target))
        #expect(view.allRows.map(\.isLevel) == gic.gic.allRows.map(\.isLevel))
        #expect(view.allRows.map(\.isLineHigh) == gic.gic.allRows.map(\.isLineHigh))
        #expect(view.irq == gic.gic.irq && view.irq.contains(1) && view.rawText(cpu: 1) == gic.gic.rawText(cpu: 1))
        #expect(view.explain(41).compactMap(\.obstacle) == gic.gic.explain(41).compactMap(\.obstacle))
        #expect(view.journal.trace.last().isEmpty && view.journal.statistics.numbers.isEmpty)
    }
}
