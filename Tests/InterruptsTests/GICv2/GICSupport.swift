import Interrupts
import Primitives

/// A GIC behind a reference, so that an expectation can hold a call that changes it; with short forms of the accesses
/// that tests make most.
@dynamicMemberLookup
final class GICBoard {
    var gic: GICv2
    /// What the last call gave.
    private(set) var last = InterruptOutcome()
    private var time: UInt64 = 0

    /// `on` enables the Distributor and the CPU interfaces for group 0, or, where `control` says so, for more, lets all
    /// priorities through and enables every PPI and SPI, which go to processor 0.
    init(
        _ configuration: GICv2.Configuration = .kvm, processors: Int = 1, interrupts: Int = 96, on: Bool = true,
        control: UInt32 = 1
    ) {
        var configuration = configuration
        configuration.processors = processors
        configuration.interrupts = interrupts
        gic = GICv2(configuration)
        guard on else { return }
        put(0x000, configuration.has(.twoEnables) ? 3 : 1)
        for cpu in 0..<processors {
            putC(0x04, 0xff, cpu)
            putC(0x00, control, cpu)
            put(0x100, 0xffff_ffff, cpu)
        }
        for id in stride(from: 32, to: interrupts, by: 4) { put(0x800 + id, 0x0101_0101) }
        for word in 1..<max(1, (interrupts + 31) / 32) { put(0x100 + 4 * word, 0xffff_ffff) }
        gic.journal.trace.clear()
        gic.journal.warnings.clear()
    }

    subscript<T>(dynamicMember path: KeyPath<GICv2, T>) -> T { gic[keyPath: path] }

    // MARK: Distributor

    func put(_ offset: Int, _ value: UInt32, _ cpu: Int = 0, size: Int = 4, at now: ModelTime = at(0)) {
        last = gic.writeDistributor(UInt64(value), offset, size: size, cpu, at: now)
    }

    func get(_ offset: Int, _ cpu: Int = 0, size: Int = 4) -> UInt32 {
        last = gic.readDistributor(offset, size: size, cpu, at: at(0))
        return UInt32(truncatingIfNeeded: last.value)
    }

    func priority(_ id: Int, _ value: UInt32, _ cpu: Int = 0) { put(0x400 + id, value, cpu, size: 1) }
    func target(_ id: Int, _ mask: UInt32) { put(0x800 + id, mask, size: 1) }
    func group(_ id: Int, _ cpu: Int = 0) {
        let offset = 0x080 + id / 32 * 4
        put(offset, get(offset, cpu) | 1 << UInt32(id & 31), cpu)
    }

    func level(_ id: Int) {
        let offset = 0xc00 + id / 16 * 4
        put(offset, get(offset) & ~(2 << UInt32(2 * (id & 15))))
    }

    func send(_ id: UInt32, to mask: UInt32, from cpu: Int = 0, filter: UInt32 = 0, at now: ModelTime = at(0)) {
        put(0xf00, filter << 24 | mask << 16 | id, cpu, at: now)
    }

    // MARK: CPU interface

    func putC(_ offset: Int, _ value: UInt32, _ cpu: Int = 0, size: Int = 4, at now: ModelTime = at(0)) {
        last = gic.writeInterface(UInt64(value), offset, size: size, cpu, at: now)
    }

    func getC(_ offset: Int, _ cpu: Int = 0, size: Int = 4, at now: ModelTime = at(0)) -> UInt32 {
        last = gic.readInterface(offset, size: size, cpu, at: now)
        return UInt32(truncatingIfNeeded: last.value)
    }

    func ack(_ cpu: Int = 0, at now: ModelTime = at(0)) -> UInt32 { getC(0x0c, cpu, at: now) }
    func eoi(_ word: UInt32, _ cpu: Int = 0, at now: ModelTime = at(0)) { putC(0x10, word, cpu, at: now) }
    func dir(_ word: UInt32, _ cpu: Int = 0, at now: ModelTime = at(0)) { putC(0x1000, word, cpu, at: now) }
    func running(_ cpu: Int = 0) -> UInt32 { getC(0x14, cpu) }
    func highest(_ cpu: Int = 0) -> UInt32 { getC(0x18, cpu) }

    // MARK: Lines

    func line(_ id: Int, _ level: Bool, _ cpu: Int = 0, at now: ModelTime = at(0)) {
        last = gic.setLine(id, cpu: cpu, level, at: now)
    }

    func pulse(_ id: Int, _ cpu: Int = 0, at now: ModelTime = at(0)) { last = gic.pulseLine(id, cpu: cpu, at: now) }

    func irq(_ cpu: Int = 0) -> Bool { gic.irq.contains(cpu) }
    func fiq(_ cpu: Int = 0) -> Bool { gic.fiq.contains(cpu) }
    func isPending(_ id: Int, _ cpu: Int = 0) -> Bool { gic.distributor.state(id, cpu).isPending }
    func isActive(_ id: Int, _ cpu: Int = 0) -> Bool { gic.distributor.state(id, cpu).isActive }

    /// The kinds of mistake on record.
    var mistakes: [GuestMistake.Kind] { gic.journal.warnings.entries.map(\.mistake.kind) }
    var kinds: [InterruptEvent.Kind] { gic.journal.trace.last().map(\.kind) }
}

extension GICBoard {
    /// Does one step of a random program; what an acknowledge gave.
    @discardableResult
    func perform(_ step: GICStep, at now: ModelTime = at(0)) -> UInt32? {
        switch step {
        case .line(let id, let cpu, let level): line(id, level, cpu, at: now)
        case .writeDistributor(let offset, let value, let size, let cpu):
            put(offset, UInt32(truncatingIfNeeded: value), cpu, size: size, at: now)
        case .writeInterface(let offset, let value, let cpu):
            putC(offset, UInt32(truncatingIfNeeded: value), cpu, at: now)
        case .acknowledge(let cpu, let isAlias): return getC(isAlias ? 0x20 : 0x0c, cpu, at: now)
        case .end(let word, let cpu, let isAlias): putC(isAlias ? 0x24 : 0x10, UInt32(word), cpu, at: now)
        case .deactivate(let word, let cpu): dir(UInt32(word), cpu, at: now)
        }
        return nil
    }
}
