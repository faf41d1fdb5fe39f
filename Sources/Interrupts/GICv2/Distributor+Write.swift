// Writing the Distributor's registers: Arm IHI 0048B, section 4.3.

import Primitives

extension Distributor {
    /// What a write wants done that the Distributor cannot do alone, and what was wrong with it.
    struct WriteEffect: Equatable {
        enum Consequence: Equatable {
            case nothing
            /// Something changed in this row.
            case row(Int)
            /// What is forwarded changed.
            case all
            /// GICD_SGIR.
            case send(UInt32)
            case setSources(INTID: Int, bytes: UInt32)
            case clearSources(INTID: Int, bytes: UInt32)
        }

        var consequence: Consequence
        var mistake: GuestMistake.Kind?

        init(_ consequence: Consequence, _ mistake: GuestMistake.Kind? = nil) {
            self.consequence = consequence
            self.mistake = mistake
        }
    }

    /// Processor `cpu` writes `size` bytes.
    mutating func write(_ value: UInt32, to register: Register, size: Int, _ cpu: Int) -> WriteEffect {
        switch register {
        case .control:
            control = value & (configuration.has(.twoEnables) ? 3 : 1)
            return WriteEffect(.all)
        case .group(let word):
            guard configuration.has(.groups) else { return WriteEffect(.nothing) }
            group[row(word, cpu)] = value & mask(word)
            return WriteEffect(.row(row(word, cpu)))
        case .setEnable(let word):
            enabled[row(word, cpu)] |= value & mask(word)
            return WriteEffect(.row(row(word, cpu)))
        case .clearEnable(let word):
            let isFixed = word == 0 && configuration.has(.fixedSoftwareEnables)
            enabled[row(word, cpu)] &= ~(isFixed ? value & ~0xffff : value)
            return WriteEffect(.row(row(word, cpu)))
        case .setPending(let word):
            latch[row(word, cpu)] |= value & (word == 0 ? ~0xffff : mask(word))
            return WriteEffect(.row(row(word, cpu)), mistakeOfPending(word, value))
        case .clearPending(let word):
            latch[row(word, cpu)] &= ~(word == 0 ? value & ~0xffff : value)
            return WriteEffect(.row(row(word, cpu)), mistakeOfPending(word, value))
        case .setActive(let word):
            active[row(word, cpu)] |= value & mask(word)
            return WriteEffect(.row(row(word, cpu)))
        case .clearActive(let word):
            active[row(word, cpu)] &= ~value
            return WriteEffect(.row(row(word, cpu)))
        case .priority(let first):
            let start = slot(first, cpu)
            for i in 0..<size where first + i < configuration.interrupts {
                priority[start + i] = value.byte(i) & configuration.priorityMask
            }
            return WriteEffect(.row(start >> 5))
        case .targets(let first): return setTargets(value, first, size, cpu)
        case .trigger(let half): return setTrigger(value, half, cpu)
        case .softwareInterrupt: return WriteEffect(.send(value))
        case .clearSources(let id): return WriteEffect(.clearSources(INTID: id, bytes: value))
        case .setSources(let id): return WriteEffect(.setSources(INTID: id, bytes: value))
        case .type, .identification, .lines, .component: return WriteEffect(.nothing, .readOnlyDistributorRegister)
        case .nonSecureAccess: return WriteEffect(.nothing)
        }
    }

    /// SGIs become pending through GICD_SGIR and GICD_SPENDSGIR only.
    private func mistakeOfPending(_ word: Int, _ value: UInt32) -> GuestMistake.Kind? {
        word == 0 && value & 0xffff != 0 ? .pendingBitsOfSoftwareInterrupts : nil
    }

    private mutating func setTargets(_ value: UInt32, _ first: Int, _ size: Int, _ cpu: Int) -> WriteEffect {
        if first < 32 { return WriteEffect(.nothing, .targetsOfPrivateInterrupt) }
        let start = slot(first, cpu)
        var isAbsent = false
        for i in 0..<size where first + i < configuration.interrupts {
            setTargets(start + i, value.byte(i))
            isAbsent = isAbsent || value.byte(i) & ~UInt8.mask(configuration.processors) != 0
        }
        return WriteEffect(.row(start >> 5), isAbsent ? .absentTarget : nil)
    }

    /// The low bit of each field is reserved. SGIs are edge-triggered, PPIs what the implementation makes them.
    private mutating func setTrigger(_ value: UInt32, _ half: Int, _ cpu: Int) -> WriteEffect {
        let row = row(half >> 1, cpu)
        let shift = UInt32((half & 1) << 4)
        var wanted: UInt32 = 0
        for i in 0..<16 as Range<UInt32> where value >> (2 * i + 1) & 1 != 0 { wanted |= 1 << (shift + i) }
        let field = UInt32(0xffff) << shift & mask(half >> 1)
        wanted &= field
        if half == 0 || half == 1 && !configuration.has(.configurablePrivate) {
            return WriteEffect(.nothing, wanted == edge[row] & field ? nil : .fixedTrigger)
        }
        edge[row] = edge[row] & ~field | wanted
        return WriteEffect(.row(row))
    }
}

extension UInt32 {
    /// Byte `index`, 0 the lowest.
    fileprivate func byte(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: self >> UInt32(8 * index)) }
}
