import Primitives
import TestSupport
import Testing

@testable import Devices

private typealias Register = PL011.Register
private typealias Interrupts = PL011.Interrupts

@Suite struct PL011Tests {
    /// A port as Linux's driver sets it up: FIFOs, enabled, receive interrupts.
    private func opened(mask: Interrupts = [.receive, .receiveTimeout], trigger: UInt32 = 0x12) -> PL011 {
        var uart = PL011()
        _ = uart.write(0x70, to: Register.lineControl)
        _ = uart.write(0x301, to: Register.control)
        _ = uart.write(trigger, to: Register.triggerSelect)
        _ = uart.write(UInt32(mask.rawValue), to: Register.interruptMask)
        return uart
    }

    private func raw(_ uart: PL011) -> Interrupts {
        Interrupts(rawValue: UInt16(uart.inspect(Register.rawInterrupts)))
    }

    @Test("registers read as the manual says after reset")
    func afterReset() {
        let uart = PL011()
        let values: [(Int, UInt32)] = [
            (Register.data, 0), (Register.receiveStatus, 0), (Register.flags, 0x97), (Register.lowPower, 0),
            (Register.integerDivisor, 0), (Register.fractionalDivisor, 0), (Register.lineControl, 0),
            (Register.control, 0x300), (Register.triggerSelect, 0x12), (Register.interruptMask, 0),
            (Register.rawInterrupts, 0), (Register.maskedInterrupts, 0), (Register.dmaControl, 0), (0x80, 0),
        ]
        for (offset, value) in values { #expect(uart.inspect(offset) == value, "\(hexadecimal(UInt32(offset)))") }
        #expect(!uart.interruptLevel && uart.room == 1)
    }

    @Test("a driver recognises a PL011 by Arm with FIFOs of 16 bytes")
    func identification() {
        let bytes = stride(from: 0xfe0, to: 0x1000, by: 4).map { PL011().inspect($0) }
        // AMBA drivers match the part and designer in the low 20 bits, and 0xb105f00d.
        let part = bytes[0..<4].enumerated().reduce(0 as UInt32) { $0 | $1.element << UInt32($1.offset * 8) }
        let cell = bytes[4..<8].enumerated().reduce(0 as UInt32) { $0 | $1.element << UInt32($1.offset * 8) }
        #expect(part & 0xf_ffff == 0x4_1011 && cell == 0xb105_f00d)
        // Revisions 3 and up have 32.
        #expect(part >> 20 & 0xf < 3)
    }

    @Test(
        "writable registers keep their bits and no others",
        arguments: [
            (Register.lowPower, 0xff), (Register.integerDivisor, 0xffff), (Register.fractionalDivisor, 0x3f),
            (Register.lineControl, 0xff), (Register.control, 0xff87), (Register.triggerSelect, 0x3f),
            (Register.interruptMask, 0x7ff), (Register.dmaControl, 0x7),
        ] as [(Int, UInt32)])
    func writable(offset: Int, mask: UInt32) {
        for value in [0xffff_ffff, 0x5555_5555, 0xaaaa_aaaa, 0] as [UInt32] {
            var uart = PL011()
            #expect(uart.write(value, to: offset) == WriteResponse())
            #expect(uart.inspect(offset) == value & mask)
        }
    }

    @Test(
        "read-only registers and what is not there take no write",
        arguments: [Register.flags, Register.rawInterrupts, Register.maskedInterrupts, 0x08, 0x4c, 0xfe0, 0xffc])
    func readOnly(offset: Int) {
        var uart = PL011()
        _ = uart.write(0xffff_ffff, to: offset)
        #expect(uart == PL011())
    }

    // MARK: Sending

    @Test("a byte is the console's at once, enabled or not, and makes the transmit interrupt")
    func transmit() {
        var uart = PL011()
        #expect(uart.write(0x141, to: Register.data) == WriteResponse(effect: .output(0x41)))
        #expect(raw(uart) == [.transmit] && !uart.interruptLevel)
        // No byte was written since: the transmitter's being empty alone is no interrupt.
        _ = uart.write(0x20, to: Register.interruptClear)
        _ = uart.write(0x20, to: Register.interruptMask)
        #expect(!uart.interruptLevel)
        #expect(uart.write(0x42, to: Register.data).lineDropped == false)
        #expect(uart.interruptLevel)
        #expect(uart.write(0x43, to: Register.data).lineDropped)
        #expect(uart.inspect(Register.flags) & 0xa8 == 0x80, "empty, neither full nor busy")
    }

    // MARK: Receiving

    @Test(
        "received bytes make the receive interrupt from the trigger level on, and the timeout below it",
        arguments: [(0, 2), (1, 4), (2, 8), (3, 12), (4, 14)] as [(UInt32, Int)])
    func triggers(select: UInt32, level: Int) {
        var uart = opened(trigger: select << 3)
        for count in 1...16 {
            #expect(uart.room == 17 - count)
            let isAccepted = uart.receive(UInt8(count))
            #expect(isAccepted)
            #expect(raw(uart) == (count >= level ? [.receive, .receiveTimeout] : [.receiveTimeout]))
        }
        #expect(uart.inspect(Register.flags) & 0x50 == 0x40)
        for count in (0..<16).reversed() {
            #expect(uart.read(Register.data) == UInt32(16 - count))
            let expected: Interrupts =
                count >= level ? [.receive, .receiveTimeout] : count > 0 ? [.receiveTimeout] : []
            #expect(raw(uart) == expected)
        }
        #expect(uart.inspect(Register.flags) & 0x50 == 0x10)
        #expect(!uart.interruptLevel)
    }

    @Test("without FIFOs one byte fits, and one is enough for the interrupt")
    func noFIFO() {
        var uart = PL011()
        _ = uart.write(0x10, to: Register.interruptMask)
        let taken = [1, 2].map { uart.receive($0) }
        #expect(taken == [true, false])
        #expect(uart.interruptLevel && raw(uart) == [.receive, .overrunError])
        #expect(uart.read(Register.data) == 0x801)
        #expect(!uart.interruptLevel)
    }

    @Test("a byte too many is lost, and reported with the next read and by the error interrupt until cleared")
    func overrun() {
        var uart = opened(mask: [.overrunError])
        let accepted = (1...17).map { uart.receive(UInt8($0)) }
        #expect(accepted == [Bool](repeating: true, count: 16) + [false])
        #expect(uart.interruptLevel && uart.inspect(Register.receiveStatus) == 8)
        #expect(uart.read(Register.data) == 0x801)
        // A byte that fits ends it.
        _ = uart.receive(18)
        #expect(uart.read(Register.data) == 2 && uart.inspect(Register.receiveStatus) == 0)
        _ = uart.write(0x400, to: Register.interruptClear)
        #expect(!uart.interruptLevel)
    }

    @Test("a break is a zero byte with a mark, in its turn")
    func serialBreak() {
        var uart = opened(mask: [.breakError])
        _ = uart.receive(0x41)
        uart.receiveBreak()
        _ = uart.receive(0x42)
        #expect(uart.interruptLevel)
        #expect((0..<3).map { _ in uart.read(Register.data) } == [0x41, 0x400, 0x42])
        uart.receiveBreak()
        _ = uart.read(Register.data)
        #expect(uart.inspect(Register.receiveStatus) == 4)
        _ = uart.write(0, to: Register.receiveStatus)
        #expect(uart.inspect(Register.receiveStatus) == 0)
    }

    @Test("each interrupt is shown raw, masked and cleared alone")
    func clearing() {
        var uart = opened(mask: [.transmit])
        _ = uart.receive(1)
        _ = uart.write(0x55, to: Register.data)
        #expect(raw(uart) == [.receiveTimeout, .transmit])
        #expect(uart.inspect(Register.maskedInterrupts) == 0x20)
        _ = uart.write(0x40, to: Register.interruptClear)
        #expect(raw(uart) == [.transmit] && uart.interruptLevel)
        _ = uart.write(0x20, to: Register.interruptClear)
        #expect(raw(uart) == [] && !uart.interruptLevel)
        #expect(uart.read(Register.data) == 1)
    }

    @Test("turning the FIFOs on or off empties them")
    func emptied() {
        var uart = opened()
        for byte in 1...9 { _ = uart.receive(UInt8(byte)) }
        #expect(uart.interruptLevel)
        _ = uart.write(0x60, to: Register.lineControl)
        #expect(uart.inspect(Register.flags) & 0x10 == 0x10 && !uart.interruptLevel)
    }

    @Test("in loopback what is sent comes back, outputs are inputs, and the console is cut off")
    func loopback() {
        var uart = opened()
        _ = uart.write(0x381, to: Register.control)
        #expect(uart.inspect(Register.flags) & 0x107 == 0)
        #expect(raw(uart).isSuperset(of: [.clearToSend, .carrierDetect, .dataSetReady]))
        for (control, flag) in [(0x400, 2), (0x800, 1), (0x1000, 4), (0x2000, 0x100)] as [(UInt32, UInt32)] {
            _ = uart.write(0x381 | control, to: Register.control)
            #expect(uart.inspect(Register.flags) & 0x107 == flag)
        }
        #expect(uart.write(0x61, to: Register.data).effect == nil)
        #expect(uart.room == 0)
        let isAccepted = uart.receive(0x62)
        #expect(!isAccepted && uart.read(Register.data) == 0x61)
        #expect(uart.inspect(Register.flags) & 0x10 == 0x10)
    }

    @Test("the guest waits for input once it takes receive interrupts or polls the flags, and not while it sends")
    func awaitsInput() {
        var uart = PL011()
        _ = uart.write(0x10, to: Register.interruptMask)
        #expect(uart.awaitsInput)
        // An early console: is there room, a byte, has it gone.
        uart = PL011()
        for _ in 0..<3 {
            _ = uart.read(Register.flags)
            _ = uart.write(0x61, to: Register.data)
            _ = uart.read(Register.flags)
            #expect(!uart.awaitsInput)
        }
        _ = (uart.read(Register.flags), uart.read(Register.flags))
        #expect(uart.awaitsInput)
        uart = opened(mask: [])
        #expect(!uart.awaitsInput)
        _ = (uart.read(Register.flags), uart.read(Register.flags))
        #expect(uart.awaitsInput)
    }

    @Test(
        "whatever access makes room, or shows that the guest waits for input, says so",
        arguments: [
            ([(0x38, 0x10)], (0x2c, 0x10)), ([], (0x38, 0x10)), ([(0x38, 0x50), (0x30, 0x381)], (0x30, 0x301)),
            ([(0x38, 0x10)], (0, nil)), ([(0x30, 0x301), (0x18, nil)], (0x18, nil)),
            ([(0x18, nil), (0x18, nil)], (0x18, nil)), ([(0x30, 0x301), (0x3c, nil)], (0x3c, nil)),
        ] as [([(UInt64, UInt64?)], (UInt64, UInt64?))])
    func madeRoom(before: [(UInt64, UInt64?)], last: (UInt64, UInt64?)) {
        var board = ArmPlatform()
        func access(_ access: (UInt64, UInt64?)) -> Access {
            let place = PhysicalAddress(0x0900_0000 + access.0)
            guard let value = access.1 else { return board.memory.read(at: place, size: 4, now: epoch) }
            return board.memory.write(value, at: place, size: 4, now: epoch)
        }
        before.forEach { _ = access($0) }
        while board.memory.offer(1, to: board.console).isTaken {}
        #expect(access(last).madeRoom)
        #expect(board.memory.offer(2, to: board.console).isTaken)
    }

    // MARK: On the bus

    @Test("the board has it at 0x9000000 with interrupt 33, whose level follows")
    func board() {
        var board = ArmPlatform()
        let base = PhysicalAddress(0x0900_0000)
        #expect(board.memory.regions.map(\.base) == [base] && board.memory.regions[0].line == 33)
        _ = board.memory.write(0x10, at: base + Register.interruptMask, size: 4, now: epoch)
        let received = board.memory.receive(0x41, in: board.console)
        #expect(received.accepted && received.line == LineChange(line: 33, action: .raise))
        #expect(board.memory.inspect(at: base, size: 4, now: epoch) == 0x41)
        let read = board.memory.read(at: base, size: 1, now: epoch)
        #expect(read == Access(value: 0x41, line: LineChange(line: 33, action: .lower), madeRoom: true))
        #expect(board.memory.signal(.serialBreak, to: board.console)?.action == .raise)
        board.reset()
        #expect(board == ArmPlatform())
    }

    @Test(
        "an access of any width sees the part of the registers that it names",
        arguments: [
            (0xfe0, 4, 0x11), (0xfe0, 1, 0x11), (0xfe1, 1, 0), (0xfe0, 2, 0x11), (0xfe4, 8, 0x14_0000_0010),
            (0x30, 2, 0x300), (0x31, 1, 0x3), (0x34, 8, 0x12), (0xffc, 4, 0xb1),
        ] as [(Int, Int, UInt64)])
    func widths(offset: Int, size: Int, value: UInt64) {
        var board = ArmPlatform()
        let address = PhysicalAddress(0x0900_0000) + offset
        #expect(board.memory.inspect(at: address, size: size, now: epoch) == value)
        #expect(board.memory.read(at: address, size: size, now: epoch).value == value)
    }

    @Test("a byte or halfword write to a register is one of the whole word, and none beside its start")
    func narrowWrites() {
        var board = ArmPlatform()
        let base = PhysicalAddress(0x0900_0000)
        for size in [1, 2, 4, 8] {
            #expect(board.memory.write(0x41, at: base, size: size, now: epoch).effect == .output(0x41))
        }
        let before = board
        #expect(board.memory.write(0x41, at: base + 1, size: 1, now: epoch).effect == nil)
        #expect(board == before)
    }

    @Test("any sequence of accesses keeps the rules")
    func anySequence() {
        var random = Seeded(11)
        var uart = PL011()
        let offsets = Array(stride(from: 0, to: 0x50, by: 4)) + [0xfe0, 0xffc]
        for _ in 0..<50_000 {
            let offset = offsets.randomElement(using: &random)!
            switch Int.random(in: 0..<4, using: &random) {
            case 0: _ = uart.read(offset)
            case 1: _ = uart.write(UInt32(truncatingIfNeeded: random.next()), to: offset)
            case 2:
                let hasRoom = uart.room > 0
                if uart.receive(UInt8(truncatingIfNeeded: random.next())) != hasRoom { Issue.record("\(uart)") }
            default: uart.receiveBreak()
            }
            let flags = uart.inspect(Register.flags)
            if flags & 0xa8 != 0x80 || flags & 0x50 == 0x50 || !(0...16).contains(uart.room) {
                Issue.record("flags \(hexadecimal(flags)) in \(uart)")
            }
            let masked = uart.inspect(Register.rawInterrupts) & uart.inspect(Register.interruptMask)
            if uart.inspect(Register.maskedInterrupts) != masked || uart.interruptLevel != (masked != 0) {
                Issue.record("interrupts in \(uart)")
            }
        }
    }
}
