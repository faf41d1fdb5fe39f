// What the tests of this module share: repeatable randomness, memory that is an array, and the register tables.

import Primitives
import Testing

@testable import Architecture

/// Memory from address 0 on.
struct ArrayMemory: PhysicalMemory {
    var words: [UInt64]

    var count: UInt64 { UInt64(words.count) * 8 }

    var ranges: [Range<PhysicalAddress>] { [PhysicalAddress(0)..<PhysicalAddress(count)] }

    func word(at address: PhysicalAddress) -> UInt64? {
        guard address.rawValue % 8 == 0, address.rawValue < count else { return nil }
        return words[Int(address.rawValue / 8)]
    }

    func read(_ address: PhysicalAddress, into bytes: inout [UInt8]) -> Bool {
        guard address.rawValue <= count, UInt64(bytes.count) <= count - address.rawValue else { return false }
        for i in bytes.indices {
            let place = address.rawValue + UInt64(i)
            bytes[i] = UInt8(truncatingIfNeeded: words[Int(place / 8)] >> (place % 8 * 8))
        }
        return true
    }

    func write(_ address: PhysicalAddress, _ bytes: ArraySlice<UInt8>) -> Bool { false }
}

/// A register table under its name, so that a failing case says which one it was.
struct NamedLayout: CustomTestStringConvertible, Sendable {
    let name: String
    let layout: RegisterLayout

    var testDescription: String { name }

    static let all = [
        NamedLayout(name: "layout64", layout: X86.layout64), NamedLayout(name: "layout32", layout: X86.layout32),
        NamedLayout(name: "layout16", layout: X86.layout16), NamedLayout(.bits64, .withAVX),
        NamedLayout(.bits32, .withAVX), NamedLayout(.bits64, .withAVX512), NamedLayout(.bits32, .withAVX512),
    ]

    /// Of both architectures.
    static let everywhere = all + [NamedLayout(name: "arm64", layout: Arm64.layout)]

    /// Those with 32-bit registers.
    static let narrow = all.filter { $0.layout[name: "eip"] != nil }

    init(name: String, layout: RegisterLayout) {
        self.name = name
        self.layout = layout
    }

    private init(_ width: X86.Width, _ state: X86ExtendedState) {
        name = "\(width), \(state.avx512 == nil ? "AVX" : "AVX-512")"
        layout = X86.layout(width, state)
    }
}

extension X86ExtendedState {
    /// A host with AVX, where every one has it.
    static let withAVX = X86ExtendedState(supported: 7, components: [(2, 256, 576)])
    /// A host with AVX-512, with gaps that no host has and in another order than any.
    static let withAVX512 = X86ExtendedState(
        supported: 0x2e7, components: [(9, 8, 2800), (7, 1024, 640), (2, 256, 1728), (6, 512, 2048), (5, 64, 2624)])
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
