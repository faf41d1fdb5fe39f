import Primitives

/// Instructions from one on to a store-exclusive, which a debugger must not come between: a debug exception takes the
/// exclusive monitor from the processor, and the store fails (Arm ARM, B2.9 "Synchronization and semaphores").
package struct Arm64ExclusiveSequence: Equatable, Sendable {
    /// Instructions in it at most; compilers' have up to five.
    package static let limit = 16
    package static let byteCount = limit * Arm64Instruction.length

    /// The store-exclusive.
    package let store: VirtualAddress
    /// Where it is left: behind the store, then where branches lead out of it.
    package let ends: [VirtualAddress]

    /// The sequence in `code`, which is at `start`; nil where there is no store-exclusive, or one that is not certain to
    /// be reached or left by a branch.
    package init?(at start: VirtualAddress, _ code: [UInt8]) {
        var targets: [VirtualAddress] = []
        for offset in stride(from: 0, to: min(code.count, Self.byteCount) & ~3, by: Arm64Instruction.length) {
            let place = start + offset
            let word: UInt32 = code.number(at: offset, count: Arm64Instruction.length)
            let instruction = Arm64Instruction(word: word)
            if instruction == .storeExclusive {
                store = place
                let next = place + Arm64Instruction.length
                var ends = [next]
                for target in targets where (target < start || target > place) && !ends.contains(target) {
                    ends.append(target)
                }
                self.ends = ends
                return
            }
            if let distance = Arm64Instruction.conditionalBranch(word) {
                targets.append(place + distance)
            } else if ![.other, .loadExclusive].contains(instruction) || Arm64Instruction.leaves(word) {
                return nil
            }
        }
        return nil
    }

    /// Whether the branch behind a store-exclusive at `store`, `word`, goes back to a sequence that ends with it: to where.
    package static func retry(behind store: VirtualAddress, _ word: UInt32) -> VirtualAddress? {
        guard let distance = Arm64Instruction.conditionalBranch(word) else { return nil }
        let target = store + Arm64Instruction.length + distance
        return target < store && store.rawValue - target.rawValue < UInt64(byteCount) ? target : nil
    }
}

extension Arm64Instruction {
    /// Bytes from B.cond, CBZ, CBNZ, TBZ or TBNZ to where it leads; nil for others.
    static func conditionalBranch(_ word: UInt32) -> Int? {
        let bits: ClosedRange<Int>
        switch word {
        case _ where word & 0xff00_0000 == 0x5400_0000, _ where word & 0x7e00_0000 == 0x3400_0000: bits = 5...23
        case _ where word & 0x7e00_0000 == 0x3600_0000: bits = 5...18
        default: return nil
        }
        let value = Int(word[bits: bits])
        return (value - ((value >> (bits.count - 1)) << bits.count)) * Arm64Instruction.length
    }

    /// Whether it is B or BL, or BR, BLR, RET and their like: the next instruction is not the one behind it.
    static func leaves(_ word: UInt32) -> Bool {
        word & 0x7c00_0000 == 0x1400_0000 || word & 0xfe00_0000 == 0xd600_0000
    }

    /// The register in which a store-exclusive reports whether it failed: the number of Ws.
    package static func status(_ word: UInt32) -> Int { Int(word[bits: 16...20]) }
}
