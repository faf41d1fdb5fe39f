import Primitives
import TestSupport
import Testing

@testable import Architecture

/// The x87 tag word (Intel SDM volume 1, section 8.1.7) from the abridged one (section 10.5.1.1).
@Suite("x87 tag word")
struct TagWordTests {
    /// Contents of an 80-bit register with the tag they deserve: sign and exponent, significand.
    private static let contents: [(name: String, exponent: UInt16, significand: UInt64, tag: UInt64)] = [
        ("+0", 0x0000, 0, 1), ("-0", 0x8000, 0, 1), ("1", 0x3fff, 1 << 63, 0), ("-2.5", 0xc000, 0xa << 60, 0),
        ("largest", 0x7ffe, .max, 0), ("smallest normal", 0x0001, 1 << 63, 0), ("denormal", 0x0000, 1, 2),
        ("pseudo-denormal", 0x0000, 1 << 63, 2), ("unnormal", 0x3fff, 1, 2), ("pseudo-zero", 0x3fff, 0, 2),
        ("infinity", 0x7fff, 1 << 63, 2), ("-infinity", 0xffff, 1 << 63, 2), ("quiet NaN", 0x7fff, 3 << 62, 2),
        ("signalling NaN", 0x7fff, 1 << 63 | 1, 2), ("pseudo-infinity", 0x7fff, 0, 2),
    ]

    private let layout = X86.layout64

    private func file(top: Int) -> RegisterFile {
        var file = RegisterFile.protected
        file["fstat", in: layout] = UInt64(top) << 11
        return file
    }

    private func put(_ row: Int, into file: inout RegisterFile, stack: Int) {
        let content = Self.contents[row]
        var bytes: [UInt8] = []
        bytes.append(littleEndian: content.significand)
        bytes.append(littleEndian: content.exponent)
        file.set(layout[name: "st\(stack)"]!, to: bytes)
    }

    @Test("each kind of content has its tag, in any register under any top of stack", arguments: contents.indices)
    func kinds(row: Int) {
        for top in 0..<8 {
            for physical in 0..<8 {
                var file = file(top: top)
                // ST(i) is physical register (top + i) modulo 8.
                let stack = (physical + 8 - top) % 8
                put(row, into: &file, stack: stack)
                file.storage[layout[name: "ftag"]!.offset] = 1 << UInt8(physical)
                let expected = 0xffff & ~(3 << UInt64(physical * 2)) | Self.contents[row].tag << UInt64(physical * 2)
                #expect(file["ftag", in: layout] == expected, "\(Self.contents[row].name), top \(top)")
            }
        }
    }

    @Test("a full register file is tagged register by register", arguments: 1...20 as ClosedRange<UInt64>)
    func mixtures(seed: UInt64) {
        var random = Seeded(seed)
        let top = Int.random(in: 0..<8, using: &random)
        let rows = (0..<8).map { _ in Int.random(in: Self.contents.indices, using: &random) }
        let used = (0..<8).map { _ in random.chance(70) }
        var file = file(top: top)
        var (abridged, expected): (UInt8, UInt64) = (0, 0)
        for stack in 0..<8 {
            put(rows[stack], into: &file, stack: stack)
            let physical = (top + stack) % 8
            if used[stack] { abridged |= 1 << UInt8(physical) }
            expected |= (used[stack] ? Self.contents[rows[stack]].tag : 3) << UInt64(physical * 2)
        }
        file.storage[layout[name: "ftag"]!.offset] = abridged
        #expect(file["ftag", in: layout] == expected)
    }

    @Test("writing the tag word keeps which registers are empty", arguments: 1...20 as ClosedRange<UInt64>)
    func writing(seed: UInt64) {
        var random = Seeded(seed)
        var file = file(top: 3)
        let tags = random.next() & 0xffff
        file["ftag", in: layout] = tags
        let abridged = file.storage[layout[name: "ftag"]!.offset]
        for physical in 0..<8 {
            #expect(abridged[bit: physical] == (tags >> UInt64(physical * 2) & 3 != 3))
        }
    }
}
