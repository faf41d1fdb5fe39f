import Primitives
import Testing

@testable import Interrupts

/// An input is high while any of its sources holds it: a device, the 8254, the debugger.
@Suite struct LineLevelTests {
    private func set(_ pc: Board, _ level: Bool, by source: LineLevels.Source, _ line: Int = 4) {
        _ = pc.controller.setLine(line, level, by: source, at: at(10))
    }

    @Test("lower-irq lets go of what inject-irq raised, and leaves the device's level")
    func orOfSources() {
        let pc = machine()
        set(pc, true, by: .device)
        set(pc, true, by: .debugger)
        set(pc, false, by: .debugger)
        #expect(pc.controller.level(of: 4))
        set(pc, true, by: .debugger)
        set(pc, false, by: .device)
        #expect(pc.controller.level(of: 4), "the debugger holds it")
        set(pc, false, by: .debugger)
        #expect(!pc.controller.level(of: 4))
    }

    @Test("what a second source does to a line that is high is no edge")
    func oneEdge() {
        let pc = machine()
        pc.program(4, 0x44)
        set(pc, true, by: .device)
        #expect(pc.take() == 0x44)
        pc.eoi()
        set(pc, true, by: .debugger)
        set(pc, false, by: .debugger)
        #expect(pc.take() == nil)
        set(pc, false, by: .device)
        set(pc, true, by: .debugger)
        #expect(pc.take() == 0x44)
    }

    @Test(
        "the trace says who raised",
        arguments: [(.device, .line), (.debugger, .debugger)]
            as [(LineLevels.Source, InterruptEvent.Cause)])
    func whoRaised(source: LineLevels.Source, cause: InterruptEvent.Cause) {
        let pc = machine()
        pc.program(4, 0x44)
        set(pc, true, by: source)
        let events = pc.controller.journal.trace.last()
        #expect(events.first { $0.kind == .raise }?.cause == cause)
        #expect(events.first { $0.kind == .pend }?.cause == cause)
    }

    @Test("a reset keeps the levels that devices hold and drops the debugger's")
    func reset() {
        let pc = machine()
        set(pc, true, by: .device, 4)
        set(pc, true, by: .debugger, 5)
        set(pc, true, by: .debugger, 4)
        pc.controller.reset(at: at(20))
        #expect(pc.controller.level(of: 4) && !pc.controller.level(of: 5))
        pc.put(0x0f0, 0x1ff)
        pc.program(4, 0x8044)
        #expect(pc.take() == 0x44, "a level that a device holds comes after the reset too")
        pc.program(5, 0x8055)
        #expect(pc.take() == nil)
    }

    @Test("a device whose reset lowered its line can raise it again after the reset")
    func againAfterReset() {
        let pc = machine()
        pc.program(4, 0x44)
        set(pc, true, by: .device)
        set(pc, false, by: .device)
        pc.controller.reset(at: at(20))
        pc.put(0x0f0, 0x1ff)
        pc.program(4, 0x44)
        set(pc, true, by: .device)
        #expect(pc.take() == 0x44)
    }
}

/// `irq warnings`: a missing EOI, and floods.
@Suite struct MissingEndTests {
    private static let second: UInt64 = 1_000_000_000

    @Test("an interrupt that is not ended is reported with its age and with what it holds back")
    func missing() {
        let pc = machine()
        pc.put(0x300, 0x4_0044)
        #expect(pc.acknowledge(at: at(Self.second)) == 0x44)
        for vector in [0x41, 0x33, 0x55] as [UInt32] { pc.put(0x300, 0x4_0000 | vector, at: at(Self.second)) }
        let now = at(3_100_000_000)
        #expect(
            pc.controller.warningText(at: now)
                == "cpu0 has 0x44 in service since 2.1 s, 2 interrupts of its class and below wait: EOI is missing\n")
        #expect(pc.controller.missingEnds(at: at(Self.second + 50_000_000)).isEmpty, "a handler takes its time")
        pc.eoi(at: now)
        #expect(pc.controller.missingEnds(at: at(9 * Self.second)).isEmpty)
        #expect(pc.controller.warningText(at: now) == "no mistakes seen\n")
    }

    @Test("the innermost of nested interrupts is the one whose end is missing")
    func nested() {
        let pc = machine()
        pc.put(0x300, 0x4_0044)
        _ = pc.acknowledge(at: at(Self.second))
        pc.put(0x300, 0x4_0066, at: at(Self.second))
        _ = pc.acknowledge(at: at(Self.second))
        pc.put(0x300, 0x4_0061, at: at(Self.second))
        let found = pc.controller.missingEnds(at: at(2 * Self.second))
        #expect(found.map(\.number) == [0x66] && found.map(\.waiting) == [1])
    }

    @Test("the 8259 pair's too")
    func pair() {
        let pc = machine()
        pc.initializePair()
        pc.line(3, true, at: at(Self.second))
        #expect(pc.take(at: at(Self.second)) == 0x33)
        pc.line(5, true, at: at(Self.second))
        let now = at(4 * Self.second)
        #expect(
            pc.controller.warningText(at: now).hasPrefix(
                "the 8259 pair has 0x33 in service since 3.0 s, 1 interrupt of its priority and below waits"))
        pc.out(0x20, 0x20, at: now)
        #expect(pc.controller.missingEnds(at: at(9 * Self.second)).isEmpty)
    }

    @Test("a flood of one kind of mistake hides no other kind")
    func floods() {
        var warnings = InterruptWarnings()
        for (i, kind) in GuestMistake.Kind.allCases.enumerated() {
            for argument in 0..<40 as Range<UInt64> {
                warnings.add(GuestMistake(kind, processor: 0, argument: argument), at: at(UInt64(i)))
            }
        }
        for kind in GuestMistake.Kind.allCases {
            #expect(warnings.entries.filter { $0.mistake.kind == kind }.count == InterruptWarnings.limit)
            #expect(warnings.dropped[kind] == UInt64(40 - InterruptWarnings.limit))
        }
        let lines = warnings.text.split(separator: "\n")
        #expect(lines.filter { $0.hasSuffix("more of this kind") }.count == GuestMistake.Kind.allCases.count)
    }
}

/// What wakes HLT with interrupts off.
@Suite struct UnmaskableTests {
    @Test("a pin in NMI, SMI or INIT mode reaches the processors that it means", arguments: [2, 4, 5] as [UInt32])
    func pins(mode: UInt32) {
        let pc = machine(2)
        pc.program(8, mode << 8, to: 1)
        #expect(pc.controller.reachesUnmaskably(1, from: 1 << 8) && !pc.controller.reachesUnmaskably(0, from: 1 << 8))
        #expect(!pc.controller.reachesUnmaskably(1, from: 1 << 4), "that line is another one's")
        pc.program(8, 0x1_0000 | mode << 8, to: 1)
        #expect(!pc.controller.reachesUnmaskably(1, from: .max))
    }

    @Test("fixed, lowest-priority and ExtINT pins do not", arguments: [0, 1, 7] as [UInt32])
    func maskable(mode: UInt32) {
        let pc = machine()
        pc.program(8, mode << 8 | 0x44)
        #expect(!pc.controller.reachesUnmaskably(0, from: .max))
    }

    @Test("LINT0 in NMI mode, the watchdog of old kernels, with what the 8259 pair lets through")
    func watchdog() {
        let pc = machine()
        pc.initializePair()
        pc.put(0x350, 0x400)
        #expect(pc.controller.reachesUnmaskably(0, from: 1))
        pc.out(0x21, 0xff)
        #expect(!pc.controller.reachesUnmaskably(0, from: 1))
        pc.out(0x21, 0)
        pc.put(0x350, 0x700)
        #expect(!pc.controller.reachesUnmaskably(0, from: .max), "ExtINT is maskable")
    }
}
