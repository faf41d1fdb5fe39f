import Primitives
import Testing

@testable import Interrupts

/// What a debugger does by hand: the writes that go to the real one, and what is said about it.
@Suite struct GICv3CommandTests {
    private func perform(_ request: InterruptRequest, _ dump: GICv3Dump) -> (done: GICv3.Done, gic: GICv3) {
        var gic = dump.gic
        let done = gic.perform(request, [])
        return (done, gic)
    }

    /// Two processors; SPIs 33 and 35 pending, SPI 40 by its level, the SGIs 1 and 2 on processor 1.
    private static let dump: GICv3Dump = {
        var dump = GICv3Dump.on(processors: 2)
        dump.set(0x0200, width: 1, 33, to: 1)
        dump.set(0x0200, width: 1, 35, to: 1)
        dump.set(0x0c00, width: 2, 40, to: 0)
        dump.setLevel(40, to: true)
        dump.words[.redistributor(0x1_0200, cpu: 1)] = 6
        return dump
    }()

    private static let forms: [(request: InterruptRequest, changes: [GICv3.Change], text: String)] = [
        // A write of GICD_ISPENDR sets and clears: the others must stay as they are.
        (.inject(36, cpu: 0, nil), [.register(.distributor(0x0204), 0x1a)], "SPI 36 is pending"),
        (.inject(33, cpu: 0, nil), [.register(.distributor(0x0204), 0x0a)], "SPI 33 was pending already: two are one"),
        (
            .inject(41, cpu: 0, .level), [.line(41, cpu: 0, true)],
            "the line of SPI 41 is high; no device lowers it: lower-irq 41 does"
        ),
        (
            .inject(27, cpu: 1, nil), [.line(27, cpu: 1, true)],
            "the line of PPI 27 is high; no device lowers it: lower-irq 27 does"
        ),
        (
            .inject(27, cpu: 1, .edge), [.register(.redistributor(0x1_0200, cpu: 1), 0x800_0006)], "PPI 27 is pending"
        ),
        (
            .inject(36, cpu: 0, .pulse), [.line(36, cpu: 0, true), .line(36, cpu: 0, false)],
            "the line of SPI 36 was pulsed"
        ),
        (.inject(3, cpu: 1, nil), [.register(.redistributor(0x1_0200, cpu: 1), 0xe)], "SGI 3 is pending"),
        (.lower(40, cpu: 0), [.line(40, cpu: 0, false)], "the line of SPI 40 is low"),
        (.clear(33, cpu: 0), [.register(.distributor(0x0204), 0x08)], "SPI 33 is taken back"),
        (.clear(40, cpu: 0), [.register(.distributor(0x0204), 0x0a)], "SPI 40 stays pending: its line is high"),
        (.clear(1, cpu: 1), [.register(.redistributor(0x1_0200, cpu: 1), 4)], "SGI 1 is taken back"),
        (
            .send(sgi: 0, from: 0, to: .mask(3)),
            [.register(.redistributor(0x1_0200, cpu: 0), 1), .register(.redistributor(0x1_0200, cpu: 1), 7)],
            "SGI 0 is pending on cpu 0 1; a GICv3 does not keep who sent it"
        ),
        (
            .send(sgi: 5, from: 1, to: .others), [.register(.redistributor(0x1_0200, cpu: 0), 0x20)],
            "SGI 5 is pending on cpu 0; a GICv3 does not keep who sent it"
        ),
        (
            .send(sgi: 5, from: 1, to: .itself), [.register(.redistributor(0x1_0200, cpu: 1), 0x26)],
            "SGI 5 is pending on cpu 1; a GICv3 does not keep who sent it"
        ),
        (
            .mask(33, cpu: 0, true), [.register(.distributor(0x0184), 2)],
            "SPI 33 is disabled; the guest is not notified"
        ),
        (
            .mask(27, cpu: 1, false), [.register(.redistributor(0x1_0100, cpu: 1), 1 << 27)],
            "PPI 27 is enabled; the guest is not notified"
        ),
        (
            .priority(33, cpu: 0, 0x57), [.register(.distributor(0x0420), 0xa0a0_50a0)],
            "SPI 33 has priority 0x50: only 5 bits exist"
        ),
        (
            .route(33, to: 2), [.register(.distributor(0x6108), 1)], "SPI 33 goes to cpu 1, affinity 0.0.0.1"
        ),
        (.group(33, cpu: 0, isOne: false), [.register(.distributor(0x0084), 0xffff_fffd)], "SPI 33 is in group 0"),
        (
            .group(27, cpu: 1, isOne: false), [.register(.redistributor(0x1_0080, cpu: 1), 0xf7ff_ffff)],
            "PPI 27 is in group 0"
        ),
    ]

    @Test("each request is the writes that have its effect, and is explained", arguments: forms.indices)
    func changes(index: Int) {
        let (request, changes, text) = Self.forms[index]
        let (done, _) = perform(request, Self.dump)
        #expect(done.result.isDone && done.changes == changes, "\(done.changes)")
        #expect(done.result.text == text)
    }

    private static let refusals: [(request: InterruptRequest, text: String)] = [
        (.inject(96, cpu: 0, nil), "0 to 95"), (.inject(27, cpu: 2, nil), "no processor 2"),
        (.lower(3, cpu: 0), "SGI 3 has no line"), (.inject(3, cpu: 0, .level), "SGI 3 has no line"),
        (.clear(36, cpu: 0), "SPI 36 is not pending"),
        (.send(sgi: 16, from: 0, to: .itself), "0 to 15"),
        (.send(sgi: 1, from: 0, to: .mask(4)), "no processor is addressed"),
        (.route(27, to: 1), "only SPIs have targets"), (.route(33, to: 3), "one processor"),
        (.route(33, to: 4), "one bit of 0x3"), (.route(33, to: 0), "one processor"),
    ]

    @Test("what makes no sense changes nothing, and says why", arguments: refusals.indices)
    func refused(index: Int) {
        let (request, text) = Self.refusals[index]
        let (done, _) = perform(request, Self.dump)
        #expect(!done.result.isDone && done.changes.isEmpty && done.result.text.contains(text), "\(done.result.text)")
    }

    @Test("the forecast has the answer, with the first obstacle")
    func forecasts() {
        #expect(perform(.inject(36, cpu: 0, nil), GICv3Dump.on()).done.result.forecast == .delivers)
        var dump = GICv3Dump.on()
        dump.words[.system(.priorityMask, cpu: 0)] = 0
        let result = perform(.inject(36, cpu: 0, nil), dump).done.result
        guard case .blocked(let check) = result.forecast else {
            Issue.record("\(result)")
            return
        }
        #expect(check.obstacle == .priorityMaskZero)
        #expect(perform(.priority(36, cpu: 0, 0x40), dump).done.result.forecast == .none, "nothing waits")
    }

    @Test("the copy is what the real one will be")
    func copy() {
        let (_, pulsed) = perform(.inject(36, cpu: 0, .pulse), GICv3Dump.on())
        #expect(pulsed.state(36, 0).isLatched && !pulsed.state(36, 0).isLineHigh)
        let (_, level) = perform(.inject(40, cpu: 0, .pulse), Self.dump)
        #expect(!level.state(40, 0).isPending)
        let (_, routed) = perform(.route(33, to: 2), Self.dump)
        #expect(routed.signalledInterrupt(0) == 35 && routed.state(33, 0).reach == ProcessorSet(1))
        let (_, masked) = perform(.mask(33, cpu: 0, true), Self.dump)
        #expect(!masked.state(33, 0).isEnabled && masked.state(35, 0).isEnabled)
    }

    @Test("a reset leaves nothing on, pending or active, and everything in group 1")
    func reset() {
        var dump = Self.dump
        dump.set(0x0300, width: 1, 33, to: 1)
        dump.words[.system(.activeOne(0), cpu: 1)] = 4
        dump.words[.system(.control, cpu: 1)] = 0x403
        var gic = dump.gic
        gic.apply(gic.changesOfReset)
        #expect(gic.control == 0)
        let rows = gic.allRows
        // A level that is high stays with its device.
        #expect(rows.filter(\.isPending).map(\.number) == [.line(40)])
        #expect(rows.allSatisfy { !$0.isEnabled && !$0.isActive && $0.group == 1 })
        for interface in gic.interfaces {
            #expect(interface.priorityMask == 0 && interface.runningPriority == 0xff)
            #expect(interface.enabledGroups == 0 && interface[.control] == 0x400)
        }
    }
}
