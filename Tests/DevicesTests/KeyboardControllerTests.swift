import Primitives
import Testing

@testable import Devices

@Suite struct KeyboardControllerTests {
    private func write(_ pc: inout PCPlatform, _ value: UInt64, _ port: UInt16, size: Int = 1) -> Access {
        pc.ports.write(value, at: IOPort(port), size: size, now: epoch)
    }

    private func read(_ pc: inout PCPlatform, _ port: UInt16, size: Int = 1) -> UInt64 {
        pc.ports.read(at: IOPort(port), size: size, now: epoch).value
    }

    @Test(
        "commands that ask are answered once",
        arguments: [(0xaa, 0x55), (0xab, 0x00), (0xa9, 0x01), (0xc0, 0x80), (0xd0, 0x03), (0x20, 0x01)]
            as [(UInt64, UInt64)])
    func commandsThatAskAreAnsweredOnce(command: UInt64, answer: UInt64) {
        var pc = PCPlatform()
        #expect(read(&pc, 0x64) & 1 == 0)
        _ = write(&pc, command, 0x64)
        #expect(read(&pc, 0x64) & 0x0b == 0x09)
        #expect(read(&pc, 0x60) == answer)
        #expect(read(&pc, 0x64) & 1 == 0)
    }

    @Test("the configuration byte is kept and its interrupt bit obeyed")
    func theConfigurationByteIsKeptAndItsInterruptBit() {
        var pc = PCPlatform()
        _ = write(&pc, 0x60, 0x64)
        _ = write(&pc, 0x44, 0x60)
        #expect(read(&pc, 0x64) == 0x14)
        #expect(write(&pc, 0x20, 0x64).line == nil)
        #expect(read(&pc, 0x60) == 0x44)
        _ = write(&pc, 0x60, 0x64)
        _ = write(&pc, 0x45, 0x60)
        #expect(write(&pc, 0x20, 0x64).line == LineChange(line: 1, action: .raise))
        #expect(pc.ports.read(at: IOPort(0x60), size: 1, now: epoch).line == LineChange(line: 1, action: .lower))
    }

    @Test("a pulse on bit 0 resets", arguments: UInt64(0xf0)...0xff)
    func aPulseOnBit0Resets(command: UInt64) {
        var pc = PCPlatform()
        #expect(write(&pc, command, 0x64).effect == (command & 1 == 0 ? .reset : nil))
    }

    @Test(
        "the output port's bit 0 resets when written low",
        arguments: [(0xdf, nil), (0x03, nil), (0xde, .reset), (0x00, .reset)] as [(UInt64, Effect?)])
    func theOutputPortsBit0ResetsWhenWrittenLow(value: UInt64, effect: Effect?) {
        var pc = PCPlatform()
        #expect(write(&pc, 0xd1, 0x64).effect == nil)
        #expect(write(&pc, value, 0x60).effect == effect)
    }

    @Test("a byte for the keyboard is answered in its place, with the timeout mark")
    func aByteForTheKeyboardIsAnsweredInItsPlaceWith() {
        var pc = PCPlatform()
        _ = write(&pc, 0xff, 0x60)
        #expect(read(&pc, 0x64) == 0x51)
        #expect(read(&pc, 0x60) == 0xfe)
        #expect(read(&pc, 0x64) == 0x10)
    }

    @Test("an echo comes back without the mouse mark")
    func anEchoComesBackWithoutTheMouseMark() {
        var pc = PCPlatform()
        _ = write(&pc, 0xd3, 0x64)
        _ = write(&pc, 0x5a, 0x60)
        #expect(read(&pc, 0x64) & 0x21 == 0x01)
        #expect(read(&pc, 0x60) == 0x5a)
    }
}
