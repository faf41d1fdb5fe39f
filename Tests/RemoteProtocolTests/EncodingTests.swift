import TestSupport
import Testing

@testable import RemoteProtocol

@Suite struct EncodingTests {
    private func framed(_ payload: [UInt8], compresses: Bool) -> [UInt8] {
        var framer = Framer()
        framer.compresses = compresses
        framer.frame(payload)
        return framer.outgoing
    }

    @Test(arguments: [
        ("", "$#00"),
        ("OK", "$OK#9a"),
        ("#$}*", "$}\u{3}}\u{4}}]}\n#62"),
    ])
    func repliesAreFramedAndEscaped(reply: String, frame: String) {
        #expect(framed(ascii(reply), compresses: false) == ascii(frame))
    }

    @Test(arguments: [
        ("000", "000"),
        ("0000", "0* "),
        ("0000000", "0*\"0"),
        ("aaaab", "a* b"),
        ("****", "}\n}\n}\n}\n"),
    ])
    func runsAreEncoded(reply: String, body: String) {
        let frame = framed(ascii(reply), compresses: true)
        #expect(frame.dropFirst().dropLast(3) == ascii(body)[...])
    }

    @Test(arguments: 0...300)
    func everyLengthOfRunComesBack(count: Int) {
        for byte in ascii("0*#$}+-~ ") + [0, 255] {
            let payload = ascii("x") + Array(repeating: byte, count: count) + ascii("y")
            #expect(unframe(framed(payload, compresses: true)) == payload)
            #expect(unframe(framed(payload, compresses: false)) == payload)
        }
    }

    @Test func aRunOfZeroesIsMuchShorter() {
        #expect(framed(Array(repeating: UInt8(ascii: "0"), count: 4096), compresses: true).count < 140)
    }

    @Test func randomPayloadsComeBack() {
        var random = Seeded(7)
        let alphabet = ascii("00000a}*#$")
        for _ in 0..<5000 {
            let count = Int.random(in: 0...200, using: &random)
            let isText = Bool.random(using: &random)
            let payload = (0..<count).map { _ in
                isText ? alphabet.randomElement(using: &random) ?? 0 : UInt8.random(in: 0...255, using: &random)
            }
            #expect(unframe(framed(payload, compresses: true)) == payload)
            #expect(unframe(framed(payload, compresses: false)) == payload)
        }
    }

    @Test func theFramerReadsWhatItWrites() {
        let payload = (0...255).map { UInt8($0) }
        var framer = Framer()
        #expect(framer.events(framed(payload, compresses: false)) == [.packet(payload[...])])
    }
}
