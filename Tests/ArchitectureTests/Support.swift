// What the tests of this module share: repeatable randomness, memory that is an array, and the register tables.

import Primitives
import Testing

@testable import Architecture

/// Random numbers that are the same in every run of one seed (xorshift64*). A test takes its seeds as arguments, so
/// that a failure names the one to repeat.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_f491_4f6c_dd1d
    }

    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 32) } }

    /// True with the given chance in percent.
    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}

/// Memory from address 0 on.
struct ArrayMemory: PhysicalMemory {
    var words: [UInt64]

    var count: UInt64 { UInt64(words.count) * 8 }

    func word(at address: PhysicalAddress) -> UInt64? {
        guard address.rawValue % 8 == 0, address.rawValue < count else { return nil }
        return words[Int(address.rawValue / 8)]
    }

    func read(_ address: PhysicalAddress, into bytes: inout [UInt8]) -> Bool { false }

    func write(_ address: PhysicalAddress, _ bytes: ArraySlice<UInt8>) -> Bool { false }
}

/// A register table under its name, so that a failing case says which one it was.
struct NamedLayout: CustomTestStringConvertible, Sendable {
    let name: String
    let layout: RegisterLayout

    var testDescription: String { name }

    static let all = [
        NamedLayout(name: "layout64", layout: X86.layout64), NamedLayout(name: "layout32", layout: X86.layout32),
        NamedLayout(name: "layout16", layout: X86.layout16),
    ]
}

extension RegisterFile {
    /// A processor in protected mode (CR0.PE) with everything else zero, so that no write of a selector moves a base.
    static var protected: RegisterFile {
        var file = RegisterFile(size: X86.Storage.size)
        file.storage[X86.Field.cr0] = 1
        return file
    }

    func bytes(_ register: Register) -> [UInt8] {
        var output: [UInt8] = []
        append(register, to: &output)
        return output
    }

    subscript(name: String, in layout: RegisterLayout) -> UInt64 {
        get { number(layout[name: name]!) }
        set { set(layout[name: name]!, to: newValue) }
    }
}
