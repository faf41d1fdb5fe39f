import TestSupport
import Testing

@testable import Primitives

@Suite("Hexadecimal")
struct HexTests {
    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private func slowHex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test("each byte becomes two lower-case digits, behind what is there")
    func bytesToText() {
        let all = (0...255).map { UInt8($0) }
        var output = Array("$".utf8)
        output.appendHex(all)
        output.appendHex(all[10..<12])
        output.appendHex([])
        #expect(text(output) == "$" + slowHex(all) + "0a0b")
    }

    @Test("digits of either case are read, anything else is none")
    func singleDigits() {
        for byte in 0...255 as ClosedRange<UInt8> {
            let scalar = Character(Unicode.Scalar(byte))
            #expect(hexDigit(byte) == (scalar.isASCII ? scalar.hexDigitValue.map { UInt8($0) } : nil), "\(byte)")
        }
    }

    @Test("bytes come back from their text in either case", arguments: 1...8 as ClosedRange<UInt64>)
    func roundTrip(seed: UInt64) {
        var random = Seeded(seed)
        for count in 0..<100 {
            let data = random.bytes(count)
            var output: [UInt8] = []
            output.appendHex(data)
            #expect(text(output) == slowHex(data))
            #expect(bytes(fromHex: output) == data)
            #expect(bytes(fromHex: text(output).uppercased().utf8) == data)
        }
    }

    @Test(
        "text that is no pairs of digits gives nothing",
        arguments: ["0", "000", "0g", "g0", "0x12", "12 34", "-1", "+1", "1\u{0}", "٣٣"])
    func badText(_ text: String) { #expect(bytes(fromHex: text.utf8) == nil) }

    @Test("one spoiled digit anywhere spoils all", arguments: 1...4 as ClosedRange<UInt64>)
    func spoiledDigit(seed: UInt64) {
        var random = Seeded(seed)
        for _ in 0..<200 {
            var digits: [UInt8] = []
            digits.appendHex(random.bytes(Int.random(in: 1...20, using: &random)))
            let place = Int.random(in: digits.indices, using: &random)
            let other = UInt8.random(in: 0...255, using: &random)
            digits[place] = other
            #expect((bytes(fromHex: digits) == nil) == !Character(Unicode.Scalar(other)).isASCIIHexDigit)
        }
    }

    @Test("a protocol number has no leading zeroes, and zero has one digit", arguments: 1...8 as ClosedRange<UInt64>)
    func numbers(seed: UInt64) {
        var random = Seeded(seed)
        for value in [0, 1, 15, 16, 255, 256, .max] + (0..<300).map({ _ in random.magnitude() }) {
            var long: [UInt8] = []
            long.appendHexNumber(value)
            #expect(text(long) == String(value, radix: 16))
            var short: [UInt8] = []
            short.appendHexNumber(UInt8(truncatingIfNeeded: value))
            #expect(text(short) == String(UInt8(truncatingIfNeeded: value), radix: 16))
        }
    }

    @Test(
        "people read 0x and at least so many digits",
        arguments: [
            (0, 1, "0x0"), (0, 4, "0x0000"), (0xabc, 2, "0xabc"), (0xabc, 8, "0x00000abc"),
            (0xffff_ffff_ffff_ffff, 1, "0xffffffffffffffff"),
        ] as [(UInt64, Int, String)])
    func forPeople(value: UInt64, digits: Int, text: String) { #expect(hexadecimal(value, digits: digits) == text) }
}

extension Character {
    fileprivate var isASCIIHexDigit: Bool { isASCII && isHexDigit }
}
