import Foundation
import Primitives
import TestSupport
import Testing

@testable import Interrupts

/// The model beside the plain GIC of GICReference.swift, on random programs of 1,000 steps: what every acknowledge gives,
/// both outputs of every processor and the running and highest pending registers after every step, and from time to
/// time the whole state.
///
/// There are 10,000 programs: Package.swift has these tests optimised. STUBVISOR_GIC_PROGRAMS says another number.
@Suite struct GICOracleTests {
    private static let batches = 16

    private static var programs: Int {
        ProcessInfo.processInfo.environment["STUBVISOR_GIC_PROGRAMS"].flatMap(Int.init) ?? 10_000
    }

    @Test("random programs leave the model and the plain GIC in the same state", arguments: 0..<batches)
    func randomPrograms(batch: Int) {
        for seed in stride(from: batch, to: Self.programs, by: Self.batches) {
            if let difference = Pair(seed: UInt64(seed)).run(1_000) {
                Issue.record("seed \(seed): \(difference)")
                return
            }
        }
    }

    @Test(
        "the comparison notices each point in which implementations differ",
        arguments: [
            .sharedResetToEdge, .configurablePrivate, .twoEnables, .fixedSoftwareEnables, .lowestTargetOnly,
            .keepsAbsentTargets, .separateActivePriorities, .aliases, .reservedFilterMeansAll, .maskedHighestPending,
            .wholePriorityPreempts, .groupOneShownWhileHeld, .disabledGroupsCompete,
        ] as [GICv2.Traits])
    func theComparisonNotices(trait: GICv2.Traits) {
        let difference = (0..<24 as Range<UInt64>).lazy.compactMap { Pair(seed: $0, without: trait).run(1_000) }.first
        #expect(difference != nil)
    }

    @Test("programs reach what they are for: nesting, group 1, several sources, 1022, both outputs")
    func programsReachFar() {
        var seen = Pair.Reached()
        for seed in 0..<20 as Range<UInt64> {
            let pair = Pair(seed: seed)
            _ = pair.run(1_000)
            seen.merge(pair.reached)
        }
        #expect(seen.acknowledged > 1_000 && seen.depth >= 4 && seen.groupOne > 100 && seen.fromOthers > 100)
        #expect(seen.otherGroup > 20 && seen.spurious > 1_000 && seen.fast > 1_000 && seen.irq > 1_000)
    }
}

/// The model and the reference under one program.
private final class Pair {
    struct Reached {
        var acknowledged = 0
        var depth = 0
        var groupOne = 0
        var fromOthers = 0
        var otherGroup = 0
        var spurious = 0
        var irq = 0
        var fast = 0

        mutating func merge(_ other: Self) {
            acknowledged += other.acknowledged
            depth = max(depth, other.depth)
            groupOne += other.groupOne
            fromOthers += other.fromOthers
            otherGroup += other.otherGroup
            spurious += other.spurious
            irq += other.irq
            fast += other.fast
        }
    }

    var model: GICv2
    var plain: ReferenceGIC
    var program: GICProgram
    var reached = Reached()
    private var time: UInt64 = 0

    /// Odd seeds are KVM's, even ones the architecture's without its choices.
    /// The model does the opposite in what `trait` is about.
    init(seed: UInt64, without trait: GICv2.Traits = []) {
        let processors = 1 + Int(seed >> 1) % 3
        let count = seed % 5 == 0 ? 96 : 64
        var configuration: GICv2.Configuration = seed & 1 == 0 ? .gic400 : .kvm
        configuration.processors = processors
        configuration.interrupts = count
        configuration.traceCapacity = 1
        configuration.traits.formSymmetricDifference(trait)
        model = GICv2(configuration)
        plain = ReferenceGIC(isKVM: seed & 1 == 1, processors: processors, count: count)
        program = GICProgram(seed: seed, processors: processors, count: count)
    }

    /// The first difference.
    func run(_ steps: Int) -> String? {
        for step in program.setUp() { if let difference = apply(step) { return "set up \(step): \(difference)" } }
        for number in 0..<steps {
            let step = program.next()
            if let difference = apply(step) { return "step \(number), \(step): \(difference)" }
            if number % 100 == 99, let difference = compareAll() {
                return "after step \(number), \(step): \(difference)"
            }
        }
        return nil
    }

    private func apply(_ step: GICStep) -> String? {
        time += 1
        let now = at(time)
        let cpu: Int
        let outcome: InterruptOutcome
        switch step {
        case .line(let id, let target, let level):
            cpu = target
            outcome = model.setLine(id, cpu: cpu, level, at: now)
            plain.setLine(id, cpu, level)
        case .writeDistributor(let offset, let value, let size, let writer):
            cpu = writer
            outcome = model.writeDistributor(UInt64(truncatingIfNeeded: value), offset, size: size, cpu, at: now)
            plain.writeDistributor(offset, value, size, cpu)
        case .writeInterface(let offset, let value, let writer):
            cpu = writer
            outcome = model.writeInterface(UInt64(truncatingIfNeeded: value), offset, size: 4, cpu, at: now)
            plain.writeInterface(offset, value, cpu)
        case .acknowledge(let reader, let isAlias):
            cpu = reader
            outcome = model.readInterface(isAlias ? 0x20 : 0x0c, size: 4, cpu, at: now)
            let expected = plain.acknowledge(cpu, alias: isAlias)
            if outcome.value != UInt64(expected) { return "acknowledge gives \(outcome.value), not \(expected)" }
            note(acknowledged: expected, cpu)
        case .end(let word, let writer, let isAlias):
            cpu = writer
            outcome = model.writeInterface(UInt64(word), isAlias ? 0x24 : 0x10, size: 4, cpu, at: now)
            plain.end(word, cpu, alias: isAlias)
        case .deactivate(let word, let writer):
            cpu = writer
            outcome = model.writeInterface(UInt64(word), 0x1000, size: 4, cpu, at: now)
            plain.deactivate(word, cpu)
        }
        return compare(outcome, cpu)
    }

    private func note(acknowledged word: Int, _ cpu: Int) {
        if word == 1022 { reached.otherGroup += 1 }
        if word == 1023 { reached.spurious += 1 }
        guard word & 1023 < 1020 else { return }
        program.toEnd[cpu].append(word)
        reached.acknowledged += 1
        let interface = plain.interfaces[cpu]
        reached.depth = max(reached.depth, interface.serving.count + interface.servingGroupOne.count)
        if plain[word & 1023, cpu].isGroupOne { reached.groupOne += 1 }
        if word >> 10 != 0 { reached.fromOthers += 1 }
    }

    private func compare(_ outcome: InterruptOutcome, _ cpu: Int) -> String? {
        for i in 0..<plain.processors {
            let (irq, fiq) = plain.outputs(i)
            if irq { reached.irq += 1 }
            if fiq { reached.fast += 1 }
            if outcome.irq.contains(i) != irq || outcome.fiq.contains(i) != fiq {
                return "cpu \(i): IRQ \(outcome.irq.contains(i)), FIQ \(outcome.fiq.contains(i)), not \(irq), \(fiq)"
            }
        }
        let registers = [
            (0x14, plain.interfaces[cpu].running), (0x18, plain.highestPendingRegister(cpu, alias: false)),
        ]
        for (offset, expected) in registers where model.inspectInterface(offset, cpu) != UInt32(expected) {
            return "GICC \(hexadecimal(UInt(offset))) is \(model.inspectInterface(offset, cpu)), not \(expected)"
        }
        return nil
    }

    /// Every register.
    private func compareAll() -> String? {
        for cpu in 0..<plain.processors {
            for (offset, expected) in plain.distributorRegisters(cpu) + plain.interfaceRegisters(cpu) {
                let value =
                    offset < 0x1000
                    ? model.inspectDistributor(offset, cpu) : model.inspectInterface(offset - 0x1000, cpu)
                if value != UInt32(truncatingIfNeeded: expected) {
                    let name = offset < 0x1000 ? "GICD" : "GICC"
                    return "cpu \(cpu): \(name) \(hexadecimal(UInt(offset & 0xfff))) is \(hexadecimal(value)), "
                        + "not \(hexadecimal(UInt(expected)))"
                }
            }
        }
        return nil
    }
}

// MARK: - The reference's registers

extension ReferenceGIC {
    fileprivate mutating func writeDistributor(_ offset: Int, _ value: Int, _ size: Int, _ cpu: Int) {
        let first = (offset & 0x7f) / 4 * 32
        switch offset {
        case 0: control = value & (isKVM ? 1 : 3)
        case 0x080..<0x100: change(first, cpu, value) { $0.isGroupOne = $1 }
        case 0x100..<0x180: change(first, cpu, value) { if $1 { $0.isEnabled = true } }
        case 0x180..<0x200: change(first, cpu, value) { if $1 { $0.isEnabled = false } }
        case 0x200..<0x280: change(first, cpu, value) { if $1, !$0.isSoftware { $0.latch = true } }
        case 0x280..<0x300: change(first, cpu, value) { if $1, !$0.isSoftware { $0.latch = false } }
        case 0x300..<0x380: change(first, cpu, value) { if $1 { $0.isActive = true } }
        case 0x380..<0x400: change(first, cpu, value) { if $1 { $0.isActive = false } }
        case 0x400..<0x800: for i in 0..<size { setPriority(offset - 0x400 + i, cpu, value >> (8 * i) & 0xff) }
        case 0x800..<0xc00: for i in 0..<size { setTargets(offset - 0x800 + i, value >> (8 * i) & 0xff) }
        case 0xc08..<0xd00:
            for i in 0..<16 { self[(offset - 0xc00) * 4 + i, cpu].isEdge = value >> (2 * i + 1) & 1 != 0 }
        case 0xf00: send(value, from: cpu)
        case 0xf10..<0xf20, 0xf20..<0xf30:
            for bit in 0..<size * 8 where value >> bit & 1 != 0 {
                let id = (offset & 15) + bit / 8
                own[cpu][id].sources &= ~(1 << (bit % 8))
                if offset >= 0xf20 { own[cpu][id].sources |= 1 << (bit % 8) }
            }
        default: break
        }
    }

    fileprivate mutating func writeInterface(_ offset: Int, _ value: Int, _ cpu: Int) {
        switch offset {
        case 0x00: interfaces[cpu].control = value & (isKVM ? 0x21f : 0x3ff)
        case 0x04: interfaces[cpu].mask = value & 0xf8
        case 0x08: interfaces[cpu].point = max(value & 7, leastPoint)
        case 0x1c: interfaces[cpu].aliasedPoint = max(value & 7, leastPoint + 1)
        case 0xd0: setActivePriorities(cpu, value, groupOne: false)
        case 0xe0: setActivePriorities(cpu, value, groupOne: true)
        default: break
        }
    }

    fileprivate func distributorRegisters(_ cpu: Int) -> [(Int, Int)] {
        var registers = [(0, control)]
        for first in stride(from: 0, to: count, by: 32) {
            registers += [
                (0x080 + first / 8, bits(first, cpu, \.isGroupOne)), (0x100 + first / 8, bits(first, cpu, \.isEnabled)),
                (0x280 + first / 8, bits(first, cpu, \.isPending)), (0x380 + first / 8, bits(first, cpu, \.isActive)),
            ]
        }
        for id in stride(from: 0, to: count, by: 4) {
            registers.append((0x400 + id, (0..<4).reduce(0) { $0 | self[id + $1, cpu].priority << (8 * $1) }))
            let targets = (0..<4).reduce(0) { $0 | (id < 32 ? 1 << cpu : self[id + $1, cpu].targets) << (8 * $1) }
            registers.append((0x800 + id, targets))
        }
        for id in stride(from: 0, to: count, by: 16) {
            registers.append(
                (0xc00 + id / 4, (0..<16).reduce(0) { $0 | (self[id + $1, cpu].isEdge ? 2 << (2 * $1) : 0) }))
        }
        for id in 0..<16 where id % 4 == 0 {
            let value = (0..<32).reduce(0) { $0 | (own[cpu][id + $1 / 8].sources >> ($1 % 8) & 1) << $1 }
            registers.append((0xf20 + id, value))
        }
        return registers
    }

    /// From 0x1000 on.
    fileprivate func interfaceRegisters(_ cpu: Int) -> [(Int, Int)] {
        let it = interfaces[cpu]
        return [
            (0x1000, it.control), (0x1004, it.mask), (0x1008, it.point), (0x1014, it.running),
            (0x1018, highestPendingRegister(cpu, alias: false)), (0x101c, it.aliasedPoint),
            (0x1028, highestPendingRegister(cpu, alias: true)), (0x10d0, activePriorities(cpu, groupOne: false)),
            (0x10e0, activePriorities(cpu, groupOne: true)),
        ]
    }
}
