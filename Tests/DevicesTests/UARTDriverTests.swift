import Testing

@testable import Devices

private typealias Register = UART16550.Register

/// The 16550A as drivers use it: what they find, what they send, and what is typed before and after they open the port.
@Suite struct UARTDriverTests {
    /// The steps of Linux's drivers/tty/serial/8250 autoconfig, as far as they distinguish a 16550A from its relatives.
    @Test("the Linux driver finds a 16550A")
    func theLinuxDriverFindsA16550A() {
        var uart = UART16550()
        uart.put(0x00, Register.interruptEnable)
        #expect(uart.get(Register.interruptEnable) & 0x0f == 0x00)
        uart.put(0x0f, Register.interruptEnable)
        #expect(uart.get(Register.interruptEnable) & 0x0f == 0x0f)
        uart.put(0x00, Register.interruptEnable)

        uart.put(0x1a, Register.modemControl)
        #expect(uart.get(Register.modemStatus) & 0xf0 == 0x90)
        uart.put(0x00, Register.modemControl)

        uart.put(0xbf, Register.lineControl)
        uart.put(0x00, Register.interruptIdentification)
        uart.put(0x00, Register.lineControl)
        uart.put(0x01, Register.interruptIdentification)
        #expect(uart.get(Register.interruptIdentification) >> 6 == 3)

        uart.put(0x80, Register.lineControl)
        #expect(uart.get(2) != 0, "no EFR: not a 16650")
        uart.put(0xbf, Register.lineControl)
        #expect(uart.get(2) != 0, "no EFR: not a 16650V2")
        uart.put(0x00, Register.lineControl)
        uart.put(0x21, Register.interruptIdentification)
        #expect(uart.get(2) >> 5 == 6, "no 64-byte FIFO: not a 16750")
        uart.put(0x80, Register.lineControl)
        uart.put(0x21, Register.interruptIdentification)
        #expect(uart.get(2) >> 5 == 6)
        uart.put(0x00, Register.lineControl)
        uart.put(0x01, Register.interruptIdentification)
        uart.put(0x40, Register.interruptEnable)
        #expect(uart.get(Register.interruptEnable) & 0x40 == 0, "no UUE bit: not an XScale")
    }

    /// The probes of its startup for ports that lose transmit interrupts.
    @Test("the Linux driver finds no transmit bugs")
    func theLinuxDriverFindsNoTransmitBugs() {
        var uart = UART16550()
        uart.put(0x0b, Register.modemControl)
        uart.put(0x02, Register.interruptEnable)
        #expect(uart.get(Register.interruptIdentification) & 1 == 0)
        uart.put(0x00, Register.interruptEnable)
        uart.put(0x02, Register.interruptEnable)
        #expect(uart.get(Register.interruptIdentification) & 1 == 0)
    }

    @Test("an interrupt-driven driver sends a text without losing an edge")
    func anInterruptDrivenDriverSendsATextWithout() {
        var bus = PortBus()
        bus.attach(.uart(UART16550()), line: 4, at: [("COM", IOPort(0x3f8), 8, 0)])
        func out(_ value: UInt64, _ register: UInt16) -> Access {
            bus.write(value, at: IOPort(0x3f8 + register), size: 1, now: epoch)
        }
        _ = out(0x01, 2)
        _ = out(0x0b, 4)
        var interrupts = out(0x02, 1).line?.action == .raise ? 1 : 0
        var sent: [UInt8] = []
        var rest = Array("hello, world".utf8)[...]
        while interrupts > 0, let byte = rest.popFirst() {
            interrupts -= 1  // the handler goes by edges and never reads IIR
            let access = out(UInt64(byte), 0)
            if case .output(let byte) = access.effect { sent.append(byte) }
            if access.line?.action == .pulseLow || access.line?.action == .raise { interrupts += 1 }
        }
        #expect(sent == Array("hello, world".utf8))
    }

    @Test("the guest waits for input once it takes receive interrupts, or reads LSR twice with nothing between")
    func awaitsInput() {
        var uart = UART16550()
        uart.put(0x01, Register.interruptEnable)
        #expect(!uart.awaitsInput, "OUT2 is off: no interrupt reaches the guest")
        uart.put(0x0b, Register.modemControl)
        #expect(uart.awaitsInput)
        uart.put(0x00, Register.interruptEnable)
        #expect(!uart.awaitsInput)
        for byte in 0..<3 as Range<UInt8> {
            #expect(uart.get(Register.lineStatus) & 0x20 != 0)
            #expect(!uart.awaitsInput, "a guest that sends reads LSR for each byte")
            uart.put(byte, Register.data)
        }
        _ = uart.get(Register.lineStatus)
        _ = uart.get(Register.lineStatus)
        #expect(uart.awaitsInput)
    }

    /// Linux's drivers/tty/serial/8250: earlycon's init_port and a text, autoconfig, startup, and the interrupts enabled.
    @Test("no byte typed ahead is lost while Linux's console prints and its driver opens the port")
    func typedAhead() {
        var bus = PortBus()
        bus.attach(.uart(UART16550()), line: 4, at: [("COM", IOPort(0x3f8), 8, 0)])
        var typed = Array("typed ahead of everything".utf8)[...]
        var received: [UInt8] = []
        func offer() {
            while let byte = typed.first, bus.offer(byte, to: 0).isTaken { typed.removeFirst() }
        }
        func out(_ value: UInt64, _ register: UInt16) {
            if bus.write(value, at: IOPort(0x3f8 + register), size: 1, now: epoch).madeRoom { offer() }
        }
        func get(_ register: UInt16) -> UInt8 {
            let access = bus.read(at: IOPort(0x3f8 + register), size: 1, now: epoch)
            if access.madeRoom { offer() }
            return UInt8(access.value)
        }
        offer()
        for (value, register) in [(3, 3), (0, 1), (0, 2), (3, 4), (0x83, 3), (1, 0), (0, 1), (3, 3)]
            as [(UInt64, UInt16)]
        { out(value, register) }
        for byte in "early console".utf8 {
            out(UInt64(byte), 0)
            _ = get(5)
        }
        for (value, register) in [(0x1a, 4), (1, 2), (0, 2), (0x0b, 4), (1, 2), (7, 2), (0, 2)] as [(UInt64, UInt16)] {
            out(value, register)
        }
        for register in [5, 0, 2, 6, 5] as [UInt16] { _ = get(register) }
        out(3, 3)
        out(8, 4)
        for register in [5, 0, 2, 6] as [UInt16] { _ = get(register) }
        #expect(typed.count == 25)
        out(1, 2)
        out(5, 1)
        while get(5) & 1 == 1 { received.append(get(0)) }
        #expect(received == Array("typed ahead of everything".utf8))
    }

    @Test(
        "whatever access makes room, or shows that the guest waits for input, says so",
        arguments: [
            // Reads (no value) and writes before, and the access that says so.
            ([(2, 0x01), (4, 0x0b)], (1, 0x01)), ([(1, 0x01)], (4, 0x08)),
            ([(4, 0x0b), (1, 0x01)], (2, 0x01)), ([(1, 0x01), (4, 0x1b)], (4, 0x0b)), ([(5, nil)], (5, nil)),
            ([(4, 0x0b), (1, 0x01), (0, 0x41)], (2, 0x07)), ([(1, 0x01), (2, nil)], (2, nil)),
        ] as [([(UInt16, UInt64?)], (UInt16, UInt64?))])
    func madeRoom(before: [(UInt16, UInt64?)], last: (UInt16, UInt64?)) {
        var bus = PortBus()
        bus.attach(.uart(UART16550()), line: 4, at: [("COM", IOPort(0x3f8), 8, 0)])
        func access(_ access: (UInt16, UInt64?)) -> Access {
            let port = IOPort(0x3f8 + access.0)
            guard let value = access.1 else { return bus.read(at: port, size: 1, now: epoch) }
            return bus.write(value, at: port, size: 1, now: epoch)
        }
        before.forEach { _ = access($0) }
        while bus.offer(1, to: 0).isTaken {}
        #expect(access(last).madeRoom)
        #expect(bus.offer(2, to: 0).isTaken)
    }

    @Test("a read of RBR with a byte in it makes room for one more")
    func readMakesRoom() {
        var pc = PCPlatform()
        for (register, value) in [(2, 0x01), (4, 0x0b), (1, 0x01)] as [(UInt16, UInt64)] {
            _ = pc.ports.write(value, at: IOPort(0x3f8 + register), size: 1, now: epoch)
        }
        while pc.ports.offer(1, to: pc.console).isTaken {}
        #expect(pc.ports.read(at: IOPort(0x3f8), size: 1, now: epoch).madeRoom)
        #expect(pc.ports.offer(1, to: pc.console).isTaken && !pc.ports.offer(1, to: pc.console).isTaken)
    }
}
