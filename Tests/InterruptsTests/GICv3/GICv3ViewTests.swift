import Primitives
import TestSupport
import Testing

@testable import Interrupts

/// Registers go in; what is shown of them is what they say.
@Suite struct GICv3ViewTests {
    private static let facts: [ProcessorFacts] = {
        var facts = ProcessorFacts()
        (facts.isArm, facts.interruptsEnabled, facts.fastInterruptsEnabled) = (true, true, true)
        return [ProcessorFacts](repeating: facts, count: 4)
    }()

    @Test("every register that is read is kept as it was", arguments: 0..<20 as Range<UInt64>)
    func roundTrip(seed: UInt64) {
        var generator = Seeded(seed)
        let dump = GICv3Dump.random(&generator)
        let gic = dump.gic
        #expect(gic.interrupts == dump.interrupts)
        for (register, value) in dump.words { #expect(gic.load(register) == value, "\(register)") }
    }

    @Test("each processor is asked to take what the reference finds", arguments: 0..<400 as Range<UInt64>)
    func signalled(seed: UInt64) {
        var generator = Seeded(seed)
        let dump = GICv3Dump.random(&generator)
        let gic = dump.gic
        for cpu in 0..<dump.processors {
            #expect(gic.signalledInterrupt(cpu) == dump.signalled(cpu), "processor \(cpu)")
            #expect(UInt64(gic.interfaces[cpu].runningPriority) == dump.runningPriority(cpu))
        }
    }

    @Test(
        "nothing stands in an interrupt's way if, and only if, it is what the processor is asked to take",
        arguments: 0..<60 as Range<UInt64>)
    func explained(seed: UInt64) {
        var generator = Seeded(seed)
        let dump = GICv3Dump.random(&generator)
        let gic = dump.gic
        for cpu in 0..<dump.processors {
            let shown = dump.signalled(cpu)
            for id in 0..<dump.interrupts {
                let obstacles = gic.explain(id, cpu: cpu, Self.facts).compactMap(\.obstacle)
                #expect(obstacles.isEmpty == (id == shown), "processor \(cpu), interrupt \(id): \(obstacles)")
            }
        }
    }

    @Test("a row has each bit of its interrupt", arguments: 0..<20 as Range<UInt64>)
    func rows(seed: UInt64) {
        var generator = Seeded(seed)
        let dump = GICv3Dump.random(&generator)
        let rows = dump.gic.allRows
        #expect(rows.count == 32 * dump.processors + dump.interrupts - 32)
        for row in rows {
            let (id, cpu) = (row.number.line!, row.processor ?? 0)
            #expect(row.isPending == dump.isPending(id, cpu))
            #expect(row.isEnabled == (dump.field(0x0100, width: 1, id, cpu) == 1))
            #expect(row.isActive == (dump.field(0x0300, width: 1, id, cpu) == 1))
            #expect(row.isLevel == (dump.field(0x0c00, width: 2, id, cpu) == 0))
            #expect(UInt64(row.priority!) == dump.field(0x0400, width: 8, id, cpu))
            #expect(UInt64(row.group!) == dump.field(0x0080, width: 1, id, cpu))
        }
    }

    @Test("a processor that is read sees what is pending by its level in ISPENDR, too; user space the latch alone")
    func pendingByLevel() {
        var dump = GICv3Dump.on()
        dump.set(0x0c00, width: 2, 40, to: 0)
        dump.setLevel(40, to: true)
        dump.setLevel(41, to: true)
        dump.set(0x0200, width: 1, 33, to: 1)
        let gic = dump.gic
        #expect(gic.load(.distributor(0x0204)) == 0x002)
        #expect(gic.inspect(.distributor(0x0204)) == 0x102)
        #expect(gic.inspect(.distributor(0x0284)) == 0x102)
        #expect(gic.inspect(.redistributor(0x1_0200, cpu: 0)) == 0)
        #expect(gic.inspect(.distributor(0x0200)) == 0, "private interrupts are in the Redistributors")
        #expect(gic.inspect(.distributor(0xfff0)) == 0)
    }

    @Test("info gic decodes it; raw has every register that is not 0, and the system registers by name")
    func text() {
        var dump = GICv3Dump.on(processors: 2)
        dump.set(0x0200, width: 1, 33, to: 1)
        dump.words[.system(.activeOne(0), cpu: 1)] = 1 << 20
        let gic = dump.gic
        let text = gic.text(cpu: nil)
        for part in [
            "CTLR=0x52 (forwards both groups, affinity routing) interrupts=96 cpus=2", "cpu 1 gicr: affinity 0.0.0.1",
            "IGRPEN1=1", "PMR=0xf8", "RPR=0xff (idle) HPPIR=33 (prio 0xa0)", "nIRQ=asserted", "RPR=0xa0 HPPIR=none",
        ] {
            #expect(text.contains(part), "\(part) in \(text)")
        }
        #expect(!gic.text(cpu: 1).contains("cpu 0"))
        let raw = gic.rawText(cpu: 1)
        for line in [
            "GICD 0x00000 0x00000052\n", "GICD 0x00204 0x00000002\n", "GICR 0x0000c 0x00000001\n",
            "GICR 0x10100 0xffffffff\n", "ICC_PMR_EL1 0xf8\n", "ICC_AP1R0_EL1 0x100000\n",
        ] {
            #expect(raw.contains(line), "\(line) in \(raw)")
        }
    }

    @Test("routes read as affinities, or as anybody; a processor that takes no part is not among those")
    func routes() {
        var dump = GICv3Dump.on(processors: 3)
        dump.words[.distributor(0x6000 + 8 * 33)] = 2
        dump.words[.distributor(0x6000 + 8 * 34)] = 1 << 31
        dump.words[.distributor(0x6000 + 8 * 35)] = 0x0102
        dump.words[.redistributor(0x0000, cpu: 1)] = 1 << 25
        let gic = dump.gic
        #expect(gic.row(33, 0).target == "0.0.0.2" && gic.state(33, 0).reach == ProcessorSet(2))
        #expect(gic.row(34, 0).target == "any" && gic.state(34, 0).reach == ProcessorSet(rawValue: 5))
        #expect(gic.row(35, 0).target == "0.0.1.2" && gic.state(35, 0).reach.isEmpty)
        #expect(
            gic.describe(33, cpu: 0, device: "PL011", at: at(0)).contains("GICD_IROUTER33    = 0.0.0.2, goes to cpu 2"))
    }

    @Test("system registers are encoded as MRS has them")
    func encodings() {
        #expect(GICv3.SystemRegister.priorityMask.encoding == 0xc230)
        #expect(GICv3.SystemRegister.groupOne.encoding == 0xc667)
        #expect(GICv3.SystemRegister.activeZero(1).encoding == 0xc645)
        #expect(GICv3.SystemRegister.activeOne(0).encoding == 0xc648)
        #expect(Set(GICv3.SystemRegister.all.map(\.encoding)).count == GICv3.SystemRegister.all.count)
    }
}
