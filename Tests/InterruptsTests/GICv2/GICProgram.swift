import TestSupport

/// One step of a random program for a GIC.
enum GICStep {
    case line(Int, cpu: Int, Bool)
    case writeDistributor(Int, Int, size: Int, cpu: Int)
    case writeInterface(Int, Int, cpu: Int)
    case acknowledge(cpu: Int, alias: Bool)
    case end(Int, cpu: Int, alias: Bool)
    case deactivate(Int, cpu: Int)
}

/// Makes steps that reach far: most interrupts enabled, few different priorities, what is acknowledged mostly ended.
struct GICProgram {
    let processors: Int
    let count: Int
    var random: Seeded
    /// What each processor has to end, and then, in split mode, to deactivate.
    var toEnd: [[Int]]
    var toDeactivate: [[Int]]

    init(seed: UInt64, processors: Int, count: Int) {
        self.processors = processors
        self.count = count
        random = Seeded(seed)
        toEnd = [[Int]](repeating: [], count: processors)
        toDeactivate = toEnd
    }

    /// The steps that a program begins with, so that something comes through: everything enabled, with random
    /// priorities and targets.
    mutating func setUp() -> [GICStep] {
        var steps: [GICStep] = [.writeDistributor(0, 3, size: 4, cpu: 0)]
        for cpu in 0..<processors {
            steps += [.writeInterface(0x00, 7, cpu: cpu), .writeInterface(0x04, 0xff, cpu: cpu)]
            for id in stride(from: 0, to: 32, by: 4) {
                steps.append(.writeDistributor(0x400 + id, below(1 << 32), size: 4, cpu: cpu))
            }
        }
        for id in stride(from: 32, to: count, by: 4) {
            steps.append(.writeDistributor(0x400 + id, below(1 << 32), size: 4, cpu: 0))
            steps.append(.writeDistributor(0x800 + id, below(1 << 32), size: 4, cpu: 0))
        }
        return steps + stride(from: 0, to: count, by: 32).map { .writeDistributor(0x100 + $0 / 8, -1, size: 4, cpu: 0) }
    }

    mutating func below(_ limit: Int) -> Int { Int(truncatingIfNeeded: random.next() >> 31) % limit }

    /// A word with few bits.
    private mutating func sparse() -> Int {
        var value = 1 << below(32)
        while below(2) == 0 { value |= 1 << below(32) }
        return value
    }

    mutating func next() -> GICStep {
        let cpu = below(processors)
        switch below(100) {
        case 0..<24: return .line(16 + below(count - 16), cpu: cpu, below(5) < 3)
        case 24..<42: return .acknowledge(cpu: cpu, alias: below(5) == 0)
        case 42..<56:
            let isAlias = below(8) == 0
            if below(12) == 0 || toEnd[cpu].isEmpty { return .end(strange(), cpu: cpu, alias: isAlias) }
            let word = toEnd[cpu].removeLast()
            toDeactivate[cpu].append(word)
            return .end(word, cpu: cpu, alias: isAlias)
        case 56..<60:
            if below(8) == 0 || toDeactivate[cpu].isEmpty { return .deactivate(strange(), cpu: cpu) }
            return .deactivate(toDeactivate[cpu].removeLast(), cpu: cpu)
        case 60..<68:
            let filter = [0, 0, 0, 1, 2, 3][below(6)]
            return .writeDistributor(0xf00, filter << 24 | below(256) << 16 | below(16), size: 4, cpu: cpu)
        case 68..<90: return distributorWrite(cpu)
        default: return interfaceWrite(cpu)
        }
    }

    /// An INTID that may be anything.
    private mutating func strange() -> Int { below(4) == 0 ? 1016 + below(8) : below(count + 8) | below(2) << 10 }

    private mutating func distributorWrite(_ cpu: Int) -> GICStep {
        let word = below(count / 32) * 4
        func write(_ offset: Int, _ value: Int, _ size: Int = 4) -> GICStep {
            .writeDistributor(offset, value, size: size, cpu: cpu)
        }
        switch below(40) {
        case 0: return write(0, below(3) == 0 ? below(4) : 3)
        case 1..<5: return write(0x080 + word, below(2) == 0 ? sparse() : below(1 << 30))
        case 5..<10: return write(0x100 + word, sparse() | sparse())
        case 10..<12: return write(0x180 + word, sparse())
        case 12..<16: return write(0x200 + word, sparse())
        case 16..<18: return write(0x280 + word, sparse())
        case 18: return write(0x300 + word, sparse())
        case 19..<21: return write(0x380 + word, sparse() | sparse())
        case 21..<26: return write(0x400 + below(count), below(256), 1)
        case 26: return write(0x400 + below(count / 4) * 4, below(1 << 30))
        case 27..<32: return write(0x800 + below(count), below(256), 1)
        case 32: return write(0x800 + below(count / 4) * 4, below(1 << 30))
        case 33..<36: return write(0xc00 + below(count / 16) * 4, sparse() | below(1 << 30))
        case 36..<38: return write(0xf10 + below(16), below(256), 1)
        case 38: return write(0xf20 + below(4) * 4, sparse())
        default: return write(0xf20 + below(16), 1 << below(8), 1)
        }
    }

    private mutating func interfaceWrite(_ cpu: Int) -> GICStep {
        func write(_ offset: Int, _ value: Int) -> GICStep { .writeInterface(offset, value, cpu: cpu) }
        switch below(20) {
        case 0..<6: return write(0x00, below(5) == 0 ? below(1024) : below(1024) | 3)
        case 6..<11: return write(0x04, below(3) == 0 ? below(256) : 0xff)
        case 11..<14: return write(0x08, below(8))
        case 14..<17: return write(0x1c, below(8))
        case 17: return below(9) == 0 ? write(0xd0, sparse()) : write(0xe0, 0)
        case 18: return below(9) == 0 ? write(0xe0, sparse()) : write(0xd0, 0)
        default: return below(9) == 0 ? write(0xd4, sparse()) : write(0x00, 7)
        }
    }
}
