// Reading the Distributor's registers: Arm IHI 0048B, section 4.3. No read changes anything.

import Primitives

extension Distributor {
    /// What processor `cpu` reads in `register`, `size` bytes.
    func read(_ register: Register, size: Int, _ cpu: Int) -> UInt32 {
        switch register {
        case .control: return control
        case .type: return UInt32(configuration.words - 1 | (configuration.processors - 1) << 5)
        case .identification: return configuration.distributorIdentification
        case .group(let word): return group[row(word, cpu)]
        case .setEnable(let word), .clearEnable(let word): return enabled[row(word, cpu)]
        case .setPending(let word), .clearPending(let word):
            let row = row(word, cpu)
            return latch[row] | line[row] & ~edge[row]
        case .setActive(let word), .clearActive(let word): return active[row(word, cpu)]
        case .priority(let id): return bytes(priority, slot(id, cpu), size)
        case .targets(let id):
            let isAbsent = configuration.processors == 1 && configuration.has(.noTargetsOnOne)
            return isAbsent ? 0 : bytes(targets, slot(id, cpu), size)
        case .trigger(let half): return Self.spread(edge[row(half >> 1, cpu)] >> UInt32((half & 1) << 4))
        case .lines(let word): return line[row(word, cpu)]
        case .nonSecureAccess, .softwareInterrupt: return 0
        case .clearSources(let id), .setSources(let id): return bytes(sources, cpu << 4 | id, size)
        case .component(let index): return Self.components[index]
        }
    }

    private func bytes(_ table: [UInt8], _ start: Int, _ count: Int) -> UInt32 {
        var value: UInt32 = 0
        for i in 0..<count { value |= UInt32(table[start + i]) << UInt32(8 * i) }
        return value
    }

    /// 16 bits, each as bit 1 of a field of two.
    private static func spread(_ bits: UInt32) -> UInt32 {
        var value: UInt32 = 0
        for i in 0..<16 as Range<UInt32> where bits >> i & 1 != 0 { value |= 2 << (2 * i) }
        return value
    }

    /// ICPIDR4 to 7, ICPIDR0 to 3, ICCIDR0 to 3 of Arm's implementations: part 0x490, architecture version 2.
    private static let components: [UInt32] = [4, 0, 0, 0, 0x90, 0xb4, 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1]
}
