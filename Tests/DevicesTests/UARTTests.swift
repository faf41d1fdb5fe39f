import TestSupport
import Testing

@testable import Devices

private typealias Register = UART16550.Register

@Suite struct UARTTests {
    /// A port as an interrupt-driven driver sets it up.
    private func opened(enable: UInt8, fifo: UInt8 = 0x01) -> UART16550 {
        var uart = UART16550()
        uart.put(fifo, Register.interruptIdentification)
        uart.put(0x0b, Register.modemControl)
        uart.put(enable, Register.interruptEnable)
        return uart
    }

    @Test("registers read as the datasheet says after reset")
    func registersReadAsTheDatasheetSaysAfterReset() {
        var uart = UART16550()
        let values = (0..<8).map { uart.get($0) }
        #expect(values == [0x00, 0x00, 0x01, 0x00, 0x00, 0x60, 0xb0, 0x00])
        #expect(!uart.interruptLevel)
    }

    @Test(
        "writable registers keep their bits and no others",
        arguments: [
            (Register.interruptEnable, 0x0f), (Register.lineControl, 0x7f), (Register.modemControl, 0x1f),
            (Register.scratch, 0xff),
        ] as [(Int, UInt8)])
    func writableRegistersKeepTheirBitsAndNoOthers(register: Int, mask: UInt8) {
        var uart = UART16550()
        for value in [0xff, 0x55, 0xaa, 0x00] as [UInt8] where register != Register.lineControl || value < 0x80 {
            uart.put(value, register)
            #expect(uart.get(register) == value & mask)
        }
    }

    @Test("the divisor latch hides behind DLAB")
    func theDivisorLatchHidesBehindDLAB() {
        var uart = UART16550()
        uart.put(0x83, Register.lineControl)
        #expect(uart.put(0x34, Register.data).effect == nil)
        uart.put(0x12, Register.interruptEnable)
        #expect(uart.get(Register.data) == 0x34)
        #expect(uart.get(Register.interruptEnable) == 0x12)
        uart.put(0x03, Register.lineControl)
        #expect(uart.get(Register.interruptEnable) == 0)
        #expect(uart.put(0x41, Register.data).effect == .output(0x41))
    }

    @Test("writes to the status registers change nothing")
    func writesToTheStatusRegistersChangeNothing() {
        var uart = UART16550()
        uart.put(0xff, Register.lineStatus)
        uart.put(0xff, Register.modemStatus)
        #expect(uart == UART16550())
    }

    // MARK: Receiving

    @Test(
        "data counts as available from the trigger level on, below it as timed out",
        arguments: [(0x01, 1), (0x41, 4), (0x81, 8), (0xc1, 14)] as [(UInt8, Int)])
    func dataCountsAsAvailableFromTheTriggerLevelOn(fifo: UInt8, level: Int) {
        var uart = opened(enable: 0x01, fifo: fifo)
        for count in 1...16 {
            #expect(uart.room == 17 - count)
            #expect(uart.receive(UInt8(count)) == true)
            #expect(uart.get(Register.interruptIdentification) == (count >= level ? 0xc4 : 0xcc))
        }
        for count in (0..<16).reversed() {
            #expect(uart.get(Register.data) == UInt8(16 - count))
            let cause: UInt8 = count == 0 ? 0xc1 : count >= level ? 0xc4 : 0xcc
            #expect(uart.get(Register.interruptIdentification) == cause)
        }
        #expect(!uart.interruptLevel)
    }

    @Test("without FIFO a second byte takes the first one's place")
    func withoutFIFOASecondByteTakesTheFirstOnesPlace() {
        var uart = UART16550()
        #expect(uart.room == 1)
        #expect(uart.receive(1) == true)
        #expect(uart.room == 0)
        #expect(uart.receive(2) == false)
        #expect(uart.get(Register.lineStatus) == 0x63)
        #expect(uart.get(Register.lineStatus) == 0x61)
        #expect(uart.get(Register.data) == 2)
        #expect(uart.get(Register.lineStatus) == 0x60)
    }

    @Test("a full FIFO keeps what it has and loses what comes")
    func aFullFIFOKeepsWhatItHasAndLosesWhatComes() {
        var uart = opened(enable: 0x05)
        for byte in 0..<16 { #expect(uart.receive(UInt8(byte)) == true) }
        #expect(uart.receive(99) == false)
        #expect(uart.get(Register.interruptIdentification) == 0xc6)
        #expect(uart.get(Register.lineStatus) == 0x63)
        #expect(uart.get(Register.interruptIdentification) == 0xc4)
        #expect((0..<16).map { _ in uart.get(Register.data) } == Array(0..<16))
        #expect(uart.get(Register.data) == 0)
    }

    @Test("a break is reported when it is the oldest byte")
    func aBreakIsToldWhenItIsTheOldestByte() {
        var uart = opened(enable: 0x05)
        #expect(uart.receive(7) == true)
        uart.receiveBreak()
        #expect(uart.receive(8) == true)
        #expect(uart.get(Register.lineStatus) == 0xe1)
        #expect(uart.get(Register.data) == 7)
        #expect(uart.get(Register.interruptIdentification) == 0xc6)
        #expect(uart.get(Register.lineStatus) == 0xf1)
        #expect(uart.get(Register.lineStatus) == 0x61)
        #expect(uart.get(Register.data) == 0)
        #expect(uart.get(Register.data) == 8)
    }

    @Test("changing the FIFO mode or clearing the receiver empties it")
    func changingTheFIFOModeOrClearingTheReceiver() {
        var uart = opened(enable: 0x01)
        #expect(uart.receive(1) == true)
        uart.put(0x03, Register.interruptIdentification)
        #expect(uart.get(Register.lineStatus) == 0x60)
        #expect(uart.receive(1) == true)
        uart.put(0x00, Register.interruptIdentification)
        #expect(uart.get(Register.lineStatus) == 0x60)
        #expect(uart.get(Register.interruptIdentification) == 0x01)
        #expect(uart.receive(1) == true)
        uart.put(0xc2, Register.interruptIdentification)  // without the enable bit the others do not count
        #expect(uart.get(Register.lineStatus) == 0x61)
    }

    // MARK: Interrupts

    @Test("enabling the transmit interrupt raises it at once, reading IIR clears it")
    func enablingTheTransmitInterruptRaisesItAtOnce() {
        var uart = opened(enable: 0x02)
        #expect(uart.interruptLevel)
        #expect(uart.inspect(Register.interruptIdentification, now: epoch) == 0xc2)
        #expect(uart.get(Register.interruptIdentification) == 0xc2)
        #expect(!uart.interruptLevel)
        #expect(uart.get(Register.interruptIdentification) == 0xc1)
        uart.put(0x00, Register.interruptEnable)
        uart.put(0x02, Register.interruptEnable)
        #expect(uart.interruptLevel)
    }

    @Test("a byte written makes the transmit interrupt drop and come back")
    func aByteWrittenMakesTheTransmitInterruptDropAnd() {
        var uart = opened(enable: 0x02)
        #expect(uart.put(65, Register.data) == WriteResponse(effect: .output(65), lineDropped: true))
        #expect(uart.interruptLevel)
        _ = uart.get(Register.interruptIdentification)
        #expect(uart.put(66, Register.data) == WriteResponse(effect: .output(66), lineDropped: false))
        #expect(uart.interruptLevel)
    }

    @Test("reading IIR clears the transmit interrupt only when that is what it shows")
    func readingIIRClearsTheTransmitInterruptOnlyWhen() {
        var uart = opened(enable: 0x03)
        #expect(uart.receive(1) == true)
        #expect(uart.get(Register.interruptIdentification) == 0xc4)
        #expect(uart.put(65, Register.data).lineDropped == false)
        _ = uart.get(Register.data)
        #expect(uart.get(Register.interruptIdentification) == 0xc2)
        #expect(uart.get(Register.interruptIdentification) == 0xc1)
    }

    @Test("causes come in order of priority, and each is cleared in its own way")
    func causesComeInOrderOfPriorityAndEachIsCleared() {
        var uart = opened(enable: 0x00)
        uart.put(0x1b, Register.modemControl)  // through loopback: DSR and CTS on, DCD on; no change
        uart.put(0x18, Register.modemControl)  // CTS and DSR off
        uart.put(0x0b, Register.modemControl)
        for byte in 0..<17 { _ = uart.receive(UInt8(byte)) }
        uart.put(0x0f, Register.interruptEnable)
        #expect(uart.get(Register.interruptIdentification) == 0xc6)
        _ = uart.get(Register.lineStatus)
        #expect(uart.get(Register.interruptIdentification) == 0xc4)
        for _ in 0..<16 { _ = uart.get(Register.data) }
        #expect(uart.get(Register.interruptIdentification) == 0xc2)
        #expect(uart.get(Register.interruptIdentification) == 0xc0)
        #expect(uart.get(Register.modemStatus) == 0xb3)
        #expect(uart.get(Register.modemStatus) == 0xb0)
        #expect(uart.get(Register.interruptIdentification) == 0xc1)
        #expect(!uart.interruptLevel)
    }

    @Test(
        "OUT2 gates the interrupt on a PC only",
        arguments: [
            (true, 0x00, false), (true, 0x08, true), (true, 0x18, false), (false, 0x00, true), (false, 0x10, true),
        ]
            as [(Bool, UInt8, Bool)])
    func out2GatesTheInterruptOnAPCOnly(needsOUT2: Bool, modemControl: UInt8, level: Bool) {
        var uart = UART16550(interruptNeedsOUT2: needsOUT2)
        uart.put(modemControl, Register.modemControl)
        uart.put(0x02, Register.interruptEnable)
        #expect(uart.interruptLevel == level)
    }

    // MARK: Loopback

    @Test(
        "in loopback the modem inputs are the outputs",
        arguments: [(0x10, 0x00), (0x11, 0x20), (0x12, 0x10), (0x14, 0x40), (0x18, 0x80), (0x1f, 0xf0)]
            as [(UInt8, UInt8)])
    func inLoopbackTheModemInputsAreTheOutputs(modemControl: UInt8, inputs: UInt8) {
        var uart = UART16550()
        uart.put(modemControl, Register.modemControl)
        #expect(uart.get(Register.modemStatus) & 0xf0 == inputs)
    }

    @Test("the ring indicator reports only that it went off")
    func theRingIndicatorTellsOnlyThatItWentOff() {
        var uart = UART16550()
        uart.put(0x1f, Register.modemControl)
        #expect(uart.get(Register.modemStatus) == 0xf0)
        uart.put(0x1b, Register.modemControl)
        #expect(uart.get(Register.modemStatus) == 0xb4)
    }

    @Test("in loopback bytes come back and nothing comes from outside")
    func inLoopbackBytesComeBackAndNothingComesFrom() {
        var uart = opened(enable: 0x00)
        uart.put(0x1b, Register.modemControl)
        #expect(uart.put(0x5a, Register.data).effect == nil)
        #expect(uart.room == 0)
        #expect(uart.receive(1) == false)
        #expect(uart.get(Register.lineStatus) == 0x61)
        #expect(uart.get(Register.data) == 0x5a)
        uart.put(0x0b, Register.modemControl)
        #expect(uart.room == 16)
    }

    @Test("reset forgets everything but the wiring")
    func resetForgetsEverythingButTheWiring() {
        var uart = UART16550(interruptNeedsOUT2: false)
        for register in 0..<8 { uart.put(0x7b, register) }
        _ = uart.receive(1)
        uart.reset()
        #expect(uart == UART16550(interruptNeedsOUT2: false))
    }

    @Test("any sequence of accesses keeps the rules")
    func anySequenceOfAccessesKeepsTheRules() {
        var random = Seeded(16550)
        var uart = UART16550()
        for _ in 0..<100_000 {
            let register = Int.random(in: 0..<8, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: _ = uart.get(register)
            case 1: uart.put(UInt8.random(in: 0...255, using: &random), register)
            case 2: if uart.room > 0 { #expect(uart.receive(UInt8.random(in: 0...255, using: &random)) == true) }
            default: if register == 0 { uart.receiveBreak() } else { _ = uart.receive(1) }
            }
            let copy = uart
            for register in 0..<8 { _ = uart.inspect(register, now: epoch) }
            #expect(uart == copy)
            #expect((0...16).contains(uart.room))
            #expect(uart.inspect(Register.lineStatus, now: epoch) & 0x60 == 0x60)
            if uart.interruptLevel { #expect(uart.interruptCause != .none) }
        }
    }
}
