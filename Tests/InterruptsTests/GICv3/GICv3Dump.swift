import Primitives

@testable import Interrupts

/// The registers of a GICv3 that never was, and what they mean, read off word for word: slow, and with no code of the
/// module's but the names of registers. Arm IHI 0069, sections 4.8 and 12.9 to 12.11.
struct GICv3Dump {
    var words: [GICv3.Register: UInt64] = [:]
    let processors: Int
    let interrupts: Int

    /// Everything off, as after reset; affinities are the processors' numbers.
    init(processors: Int = 1, interrupts: Int = 96, priorityBits: UInt64 = 5) {
        self.processors = processors
        self.interrupts = interrupts
        words[.distributor(0x0004)] = UInt64(interrupts / 32 - 1)
        for cpu in 0..<processors {
            words[.redistributor(0x000c, cpu: cpu)] = UInt64(cpu)
            words[.system(.control, cpu: cpu)] = (priorityBits - 1) << 8
            words[.system(.enable, cpu: cpu)] = 7
        }
    }

    /// Everything on, all in group 1 with priority 0xa0, SPIs edge-triggered and routed to processor 0.
    static func on(processors: Int = 1) -> Self {
        var dump = Self(processors: processors)
        dump.words[.distributor(0x0000)] = 0x52
        for cpu in 0..<processors {
            dump.words[.system(.priorityMask, cpu: cpu)] = 0xf8
            dump.words[.system(.groupOne, cpu: cpu)] = 1
            dump.words[.system(.binaryPointOne, cpu: cpu)] = 3
            for id in 0..<(cpu == 0 ? dump.interrupts : 32) {
                dump.set(0x0080, width: 1, id, cpu, to: 1)
                dump.set(0x0100, width: 1, id, cpu, to: 1)
                dump.set(0x0400, width: 8, id, cpu, to: 0xa0)
                if id < 16 || id >= 32 { dump.set(0x0c00, width: 2, id, cpu, to: 2) }
            }
        }
        return dump
    }

    var gic: GICv3 { GICv3(processors: processors) { words[$0] ?? 0 } }

    private func place(_ base: Int, _ width: Int, _ id: Int, _ cpu: Int) -> (GICv3.Register, shift: Int) {
        let offset = base + id * width / 32 * 4
        return (id < 32 ? .redistributor(0x1_0000 + offset, cpu: cpu) : .distributor(offset), id * width % 32)
    }

    /// A field of at most 32 bits in the registers that begin at `base`.
    func field(_ base: Int, width: Int, _ id: Int, _ cpu: Int) -> UInt64 {
        let (register, shift) = place(base, width, id, cpu)
        return (words[register] ?? 0)[bits: shift...shift + width - 1]
    }

    mutating func set(_ base: Int, width: Int, _ id: Int, _ cpu: Int = 0, to value: UInt64) {
        let (register, shift) = place(base, width, id, cpu)
        words[register, default: 0][bits: shift...shift + width - 1] = value
    }

    mutating func setLevel(_ id: Int, _ cpu: Int = 0, to isHigh: Bool) {
        words[.levels(id / 32 * 32, cpu: id < 32 ? cpu : 0), default: 0][bit: id % 32] = isHigh
    }

    // MARK: What they mean

    func isPending(_ id: Int, _ cpu: Int) -> Bool {
        if field(0x0200, width: 1, id, cpu) == 1 { return true }
        let levels = words[.levels(id / 32 * 32, cpu: id < 32 ? cpu : 0)] ?? 0
        return field(0x0c00, width: 2, id, cpu) < 2 && levels >> UInt64(id % 32) & 1 == 1
    }

    func goes(_ id: Int, to cpu: Int) -> Bool {
        guard id >= 32 else { return true }
        let route = words[.distributor(0x6000 + 8 * id)] ?? 0
        let isGroupOne = field(0x0080, width: 1, id, cpu) == 1
        if route >> 31 & 1 == 1 {
            let refused = (words[.redistributor(0x0000, cpu: cpu)] ?? 0) >> (isGroupOne ? 25 : 24) & 1
            return refused == 0
        }
        return route & 0xff_ffff == (words[.redistributor(0x000c, cpu: cpu)] ?? 0) & 0xff_ffff
    }

    private func system(_ name: GICv3.SystemRegister, _ cpu: Int) -> UInt64 { words[.system(name, cpu: cpu)] ?? 0 }

    func runningPriority(_ cpu: Int) -> UInt64 {
        let bits = min(7, (system(.control, cpu) >> 8 & 7) + 1)
        for level in 0..<(1 << bits) as Range<UInt64> {
            let word = Int(level / 32)
            let active = system(.activeZero(word), cpu) | system(.activeOne(word), cpu)
            if active >> (level % 32) & 1 == 1 { return level << (8 - bits) }
        }
        return 0xff
    }

    /// The interrupt that processor `cpu` is asked to take.
    func signalled(_ cpu: Int) -> Int? {
        let isOn = (words[.distributor(0x0000)] ?? 0) >> 1 & 1 == 1
        let isAsleep = (words[.redistributor(0x0014, cpu: cpu)] ?? 0) >> 2 & 1 == 1
        guard isOn, !isAsleep else { return nil }
        var best: (id: Int, priority: UInt64)?
        for id in 0..<interrupts {
            let isGroupOne = field(0x0080, width: 1, id, cpu) == 1
            let isListened = system(isGroupOne ? .groupOne : .groupZero, cpu) & 1 == 1
            let isEnabled = field(0x0100, width: 1, id, cpu) == 1
            let isActive = field(0x0300, width: 1, id, cpu) == 1
            let priority = field(0x0400, width: 8, id, cpu)
            guard isPending(id, cpu), isEnabled, !isActive, isListened, goes(id, to: cpu) else { continue }
            if best == nil || priority < best!.priority { best = (id, priority) }
        }
        guard let (id, priority) = best, priority < system(.priorityMask, cpu) else { return nil }
        let isCommon = system(.control, cpu) & 1 == 1
        let isGroupOne = field(0x0080, width: 1, id, cpu) == 1
        let dropped =
            isGroupOne && !isCommon ? max(1, system(.binaryPointOne, cpu)) : system(.binaryPointZero, cpu) + 1
        return (priority >> dropped) << dropped < runningPriority(cpu) ? id : nil
    }
}

extension GICv3Dump {
    /// Anything, but so that much of it is about to happen.
    static func random(_ generator: inout some RandomNumberGenerator) -> Self {
        let count = Int.random(in: 1...4, using: &generator)
        var dump = Self(
            processors: count, interrupts: 32 * Int.random(in: 1...4, using: &generator),
            priorityBits: .random(in: 4...7, using: &generator))
        func likely(_ generator: inout some RandomNumberGenerator) -> UInt64 {
            .random(in: 0..<8, using: &generator) == 0 ? 0 : 1
        }
        dump.words[.distributor(0x0000)] = 0x50 | likely(&generator) << 1
        for cpu in 0..<count {
            dump.words[.redistributor(0x0000, cpu: cpu)] = .random(in: 0...3, using: &generator) << 24
            dump.words[.redistributor(0x0014, cpu: cpu)] = likely(&generator) == 1 ? 0 : 6
            dump.words[.system(.control, cpu: cpu)]! |= .random(in: 0...3, using: &generator)
            dump.words[.system(.groupZero, cpu: cpu)] = likely(&generator)
            dump.words[.system(.groupOne, cpu: cpu)] = likely(&generator)
            dump.words[.system(.priorityMask, cpu: cpu)] = [0, 0x80, 0xf0, 0xff].randomElement(using: &generator)
            dump.words[.system(.binaryPointZero, cpu: cpu)] = .random(in: 0...7, using: &generator)
            dump.words[.system(.binaryPointOne, cpu: cpu)] = .random(in: 0...7, using: &generator)
            let bits = dump.words[.system(.control, cpu: cpu)]! >> 8 & 7
            for word in 0..<max(1, 1 << (Int(bits) + 1 - 5)) {
                let active: [UInt64] = [0, 0, 0, 0x10, bits < 4 ? 0x8000 : 0x8_0000, 0x1001]
                dump.words[.system(.activeZero(word), cpu: cpu)] = active.randomElement(using: &generator)
                dump.words[.system(.activeOne(word), cpu: cpu)] = active.randomElement(using: &generator)
            }
            for id in 0..<(cpu == 0 ? dump.interrupts : 32) {
                let isQuiet = UInt64.random(in: 0..<4, using: &generator) != 0
                dump.set(0x0080, width: 1, id, cpu, to: .random(in: 0...1, using: &generator))
                dump.set(0x0100, width: 1, id, cpu, to: likely(&generator))
                dump.set(0x0200, width: 1, id, cpu, to: isQuiet ? 0 : .random(in: 0...1, using: &generator))
                dump.set(0x0300, width: 1, id, cpu, to: 1 - likely(&generator))
                dump.set(0x0400, width: 8, id, cpu, to: .random(in: 0...15, using: &generator) << 4)
                dump.set(0x0c00, width: 2, id, cpu, to: .random(in: 0...1, using: &generator) << 1)
                dump.setLevel(id, cpu, to: !isQuiet && .random(using: &generator))
                guard id >= 32 else { continue }
                let routes = (0...count).map { UInt64($0) } + [1 << 31]
                dump.words[.distributor(0x6000 + 8 * id)] = routes.randomElement(using: &generator)
            }
        }
        return dump
    }
}
