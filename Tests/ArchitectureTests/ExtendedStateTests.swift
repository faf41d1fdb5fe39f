import Primitives
import TestSupport
import Testing

@testable import Architecture

/// XSAVE state beyond SSE (Intel SDM volume 1, chapter 13).
@Suite("Extended state")
struct ExtendedStateTests {
    private static let header = X86.Storage.floatingPoint + 512

    private func state(_ supported: UInt64, _ components: [(UInt32, UInt32, UInt32)]) -> X86ExtendedState {
        X86ExtendedState(supported: supported, components: components.map { (number: $0.0, size: $0.1, offset: $0.2) })
    }

    private func mask(_ file: RegisterFile) -> UInt64 { file.storage.number(at: Self.header, count: 8) }

    private func names(_ layout: RegisterLayout, _ feature: String) -> [String] {
        layout.registers.filter { $0.feature == "org.gnu.gdb.i386.\(feature)" }.map(\.name)
    }

    @Test("a host without AVX has no rows for it, one with AVX the upper halves, in 32-bit code eight of them")
    func avxRows() {
        #expect(names(X86.layout64, "avx").isEmpty)
        #expect(names(X86.layout(.bits64, .withAVX), "avx") == (0..<16).map { "ymm\($0)h" })
        #expect(names(X86.layout(.bits32, .withAVX), "avx") == (0..<8).map { "ymm\($0)h" })
        #expect(names(X86.layout(.bits64, .withAVX), "avx512").isEmpty)
    }

    @Test("AVX-512 has the names that gdb makes zmm registers from")
    func wideRows() {
        let wide = Set(names(X86.layout(.bits64, .withAVX512), "avx512"))
        let high = (16..<32).flatMap { ["xmm\($0)", "ymm\($0)h", "zmm\($0)h"] }
        #expect(wide == Set((0..<8).map { "k\($0)" } + (0..<16).map { "zmm\($0)h" } + high))
        let narrow = Set(names(X86.layout(.bits32, .withAVX512), "avx512"))
        #expect(narrow == Set((0..<8).flatMap { ["k\($0)", "zmm\($0)h"] }))
    }

    @Test("what depends on the host comes after all else, so that numbers are the same everywhere")
    func numbers() {
        for width in X86.Width.allCases {
            let plain = X86.layout(width, .legacy).registers.map(\.name)
            for state in [X86ExtendedState.withAVX, .withAVX512] {
                #expect(X86.layout(width, state).registers.prefix(plain.count).map(\.name) == plain)
            }
        }
    }

    /// For each row: its component's bit, where CPUID (see `withAVX512`) puts the component, and where in it the row is.
    @Test("each row lies where CPUID puts its component")
    func places() throws {
        let layout = X86.layout(.bits64, .withAVX512)
        func expect(
            _ name: String, _ component: Int, _ offset: Int, _ sourceLocation: SourceLocation = #_sourceLocation
        )
            throws
        {
            let register = try #require(layout[name: name], sourceLocation: sourceLocation)
            #expect(register.offset == X86.Storage.floatingPoint + offset, "\(name)", sourceLocation: sourceLocation)
            guard case .extended(component, _) = register.form else {
                Issue.record("\(name) is no component \(component)", sourceLocation: sourceLocation)
                return
            }
        }
        try expect("ymm0h", 2, 1728)
        try expect("ymm15h", 2, 1728 + 240)
        try expect("k7", 5, 2624 + 56)
        try expect("zmm3h", 6, 2048 + 96)
        try expect("xmm16", 7, 640)
        try expect("ymm17h", 7, 640 + 64 + 16)
        try expect("zmm31h", 7, 640 + 15 * 64 + 32)
    }

    @Test(
        "a component in its initial state reads as zero, whatever its storage holds",
        arguments: ["ymm3h", "k1", "zmm0h"])
    func initialState(name: String) throws {
        let layout = X86.layout(.bits64, .withAVX512)
        let register = try #require(layout[name: name])
        var file = RegisterFile(size: X86.Storage.size)
        for i in register.offset..<register.offset + register.width { file.storage[i] = 0xee }
        #expect(file.bytes(register).allSatisfy { $0 == 0 })
        #expect(file.number(register) == 0)
    }

    @Test("a write puts the component in use, with zero in its other registers")
    func write() throws {
        let layout = X86.layout(.bits64, .withAVX512)
        var random = Seeded(1)
        var file = RegisterFile(size: X86.Storage.size)
        let area = X86ExtendedState.withAVX512.avx512!.highRegisters.area
        for i in area { file.storage[i] = 0xee }
        let value = random.bytes(16)
        let written = try #require(layout[name: "ymm20h"])
        file.set(written, to: value)
        #expect(mask(file) == 1 << 7)
        #expect(file.bytes(written) == value)
        for name in ["xmm20", "zmm20h", "ymm21h", "zmm31h"] { #expect(file[name, in: layout] == 0) }
        // Once in use, a write leaves the others alone.
        file["xmm31", in: layout] = 7
        #expect(file.bytes(written) == value)
        // x87 and SSE registers are components of their own.
        file["xmm1", in: layout] = 1
        #expect(mask(file) == 1 << 7 | 3)
    }

    @Test(
        "what CPUID does not say, or says in a way that cannot be, is left out",
        arguments: [
            (0x3, [(2, 256, 576)]), (0x7, []), (0x7, [(2, 128, 576)]), (0x7, [(2, 256, 512)]), (0x7, [(2, 256, 3841)]),
            (0x7, [(2, 256, .max)]),
        ] as [(UInt64, [(UInt32, UInt32, UInt32)])])
    func unusable(supported: UInt64, components: [(UInt32, UInt32, UInt32)]) {
        #expect(state(supported, components) == .legacy)
    }

    @Test("AVX-512 comes whole or not at all", arguments: [5, 6, 7] as [UInt32])
    func whole(missing: UInt32) {
        let all: [(UInt32, UInt32, UInt32)] = [(2, 256, 576), (5, 64, 1088), (6, 512, 1152), (7, 1024, 1664)]
        #expect(state(0xe7, all).avx512 != nil)
        let other = state(0xe7, all.filter { $0.0 != missing })
        #expect(other.avx512 == nil && other.avx != nil)
        #expect(state(0xe7 & ~(1 << UInt64(missing)), all).avx512 == nil)
    }
}
