import Primitives
import Testing

@testable import Architecture

@Suite("arm64 exclusive sequences")
struct Arm64ExclusiveTests {
    private static let start = VirtualAddress(0x4000_1000)

    private static func sequence(_ words: UInt32...) -> Arm64ExclusiveSequence? {
        var code: [UInt8] = []
        for word in words { code.append(littleEndian: word) }
        return Arm64ExclusiveSequence(at: start, code)
    }

    /// As clang assembles them.
    private static let load: UInt32 = 0xc85f_7c40  // ldxr x0, [x2]
    private static let store: UInt32 = 0xc803_7c40  // stxr w3, x0, [x2]
    private static let add: UInt32 = 0x8b04_0000  // add x0, x0, x4
    private static let compare: UInt32 = 0xeb01_001f  // cmp x0, x1

    @Test("it ends behind the store")
    func plain() {
        let found = Self.sequence(Self.load, Self.add, Self.store, 0x35ff_ffa3)
        #expect(found?.store == Self.start + 8)
        #expect(found?.ends == [Self.start + 12])
    }

    @Test(
        "and where a branch leads out of it, forwards or back",
        arguments: [
            (UInt32(0x5400_0061), 12), (0x5400_0081, 16), (0x54ff_ffe1, -4), (0xb500_0080, 16), (0x3700_0080, 16),
        ])
    func leaves(_ branch: UInt32, _ distance: Int) {
        // The branch is at 8, the store at 12.
        let found = Self.sequence(Self.load, Self.compare, branch, Self.store)
        let target = Self.start + 8 + distance
        #expect(found?.store == Self.start + 12)
        let expected = [Self.start + 16] + (target < Self.start || target > Self.start + 16 ? [target] : [])
        #expect(found?.ends == (distance == -4 ? [Self.start + 16] : expected))
    }

    @Test(
        "none is seen where another instruction may lead elsewhere, or no store comes",
        arguments: [
            0x1400_0004, 0x9400_0004, 0xd65f_03c0, 0xd63f_0000, 0xd400_0001, 0xd503_207f, 0xd503_205f,
        ] as [UInt32])
    func uncertain(_ word: UInt32) {
        #expect(Self.sequence(Self.load, word, Self.store) == nil)
        #expect(Self.sequence(Self.load, Self.add) == nil)
        #expect(Self.sequence() == nil)
    }

    @Test("behind a failed store the guest goes back to its sequence, or elsewhere")
    func retry() {
        let store = Self.start + 8
        func target(_ word: UInt32) -> VirtualAddress? { Arm64ExclusiveSequence.retry(behind: store, word) }
        #expect(target(0x35ff_ffa3) == Self.start)  // cbnz w3, -12
        #expect(target(0x3500_0043) == nil)  // cbnz w3, +8
        #expect(target(0x35ff_e003) == nil)  // cbnz w3, -1024
        #expect(target(Self.add) == nil)
        #expect(Arm64Instruction.status(Self.store) == 3)
    }
}
