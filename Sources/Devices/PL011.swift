// Arm's PrimeCell UART, PL011 (Technical Reference Manual DDI 0183, revision r1p4, chapter 3): the serial port of arm64
// boards.
//
// As with the 16550 here, transmission takes no time: a byte written is the console's at once, the transmitter is always
// empty, and its interrupt comes right back. The receive timeout has passed as soon as bytes wait. The port works without
// being enabled (UARTCR.UARTEN), since early consoles count on a boot loader that did it.
// Left out: word length, parity, baud rate, flow control and DMA (kept, without effect), IrDA, parity and framing errors
// (a console has none), the test registers.

import Primitives

/// One serial port. Its other end is a console that is always there: CTS, DSR and DCD are on.
package struct PL011: Equatable, Sendable {
    private var lineControl: LineControl = []
    private var control: Control = [.transmitEnable, .receiveEnable]
    /// 16 bits, and 6 bits of fraction.
    private var integerDivisor: UInt16 = 0
    private var fractionalDivisor: UInt8 = 0
    /// IFLS: both half full.
    private var triggerSelect: UInt8 = 0x12
    private var mask: Interrupts = []
    private var raw: Interrupts = []
    private var dmaControl: UInt8 = 0
    /// UARTILPR.
    private var lowPower: UInt8 = 0

    private var received = ReceiveFIFO()
    /// RSR: what was wrong with the byte that was read last, and whether one was lost since it was cleared.
    private var status: ReceiveErrors = []
    /// The FIFO overflowed, and no byte has fitted since.
    private var isOverrun = false
    private var polling = InputPolling()

    package init() {}

    package mutating func reset() { self = Self() }

    // MARK: The other end

    private var capacity: Int { lineControl.contains(.fifoEnable) ? ReceiveFIFO.capacity : 1 }

    /// How many bytes the receiver takes now without losing any. None in loopback, where it is cut off from outside.
    package var room: Int { control.contains(.loopback) ? 0 : max(0, capacity - received.count) }

    /// The guest waits for input: it takes receive interrupts, or polls for data. Input offered earlier would be lost when
    /// its driver turns the FIFOs on. An early console, which never enables the port, reads UARTFR twice for each byte
    /// that it sends.
    package var awaitsInput: Bool {
        let isEnabled = control.isSuperset(of: [.enable, .receiveEnable])
        return !mask.isDisjoint(with: [.receive, .receiveTimeout]) || polling.reads >= (isEnabled ? 2 : 3)
    }

    /// One byte arrives; false when it was lost.
    package mutating func receive(_ byte: UInt8) -> Bool {
        control.contains(.loopback) ? false : accept(byte, isBreak: false)
    }

    /// The line is held low for longer than a character: a zero byte with the break mark.
    package mutating func receiveBreak() {
        if !control.contains(.loopback) { _ = accept(0, isBreak: true) }
    }

    private mutating func accept(_ byte: UInt8, isBreak: Bool) -> Bool {
        guard received.count < capacity else {
            isOverrun = true
            status.insert(.overrun)
            raw.insert(.overrunError)
            return false
        }
        isOverrun = false
        received.append(byte, isBreak: isBreak)
        if isBreak { raw.insert(.breakError) }
        if received.count >= trigger { raw.insert(.receive) }
        if lineControl.contains(.fifoEnable) { raw.insert(.receiveTimeout) }
        return true
    }

    /// Bytes in the FIFO that make the receive interrupt: RXIFLSEL's eighths of 16; one without FIFOs.
    private var trigger: Int {
        guard lineControl.contains(.fifoEnable) else { return 1 }
        let levels = [2, 4, 8, 12, 14]
        return levels[min(Int(triggerSelect[bits: 3...5]), levels.count - 1)]
    }

    // MARK: Interrupt

    /// The combined interrupt, UARTINTR.
    package var interruptLevel: Bool { !raw.isDisjoint(with: mask) }

    // MARK: Registers

    /// What `read` would give, without its side effects. `offset` is a multiple of 4.
    package func inspect(_ offset: Int) -> UInt32 {
        switch offset {
        case Register.data: UInt32(received.first) | UInt32(errorsOfFirst.rawValue) << 8
        case Register.receiveStatus: UInt32(status.rawValue)
        case Register.flags: UInt32(flags.rawValue)
        case Register.lowPower: UInt32(lowPower)
        case Register.integerDivisor: UInt32(integerDivisor)
        case Register.fractionalDivisor: UInt32(fractionalDivisor)
        case Register.lineControl: UInt32(lineControl.rawValue)
        case Register.control: UInt32(control.rawValue)
        case Register.triggerSelect: UInt32(triggerSelect)
        case Register.interruptMask: UInt32(mask.rawValue)
        case Register.rawInterrupts: UInt32(raw.rawValue)
        case Register.maskedInterrupts: UInt32(raw.intersection(mask).rawValue)
        case Register.dmaControl: UInt32(dmaControl)
        case Register.identification...: UInt32(Self.identification[(offset - Register.identification) / 4 & 7])
        default: 0
        }
    }

    package mutating func read(_ offset: Int) -> UInt32 {
        let value = inspect(offset)
        switch offset {
        case Register.flags, Register.rawInterrupts: polling.note()
        case Register.data where received.count == 0: polling.end()
        default: break
        }
        if offset == Register.data {
            status = errorsOfFirst
            _ = received.removeFirst()
            if received.count < trigger { raw.remove(.receive) }
            if received.count == 0 { raw.remove(.receiveTimeout) }
        }
        return value
    }

    package mutating func write(_ value: UInt32, to offset: Int) -> WriteResponse {
        polling.end()
        let (byte, half) = (UInt8(truncatingIfNeeded: value), UInt16(truncatingIfNeeded: value))
        switch offset {
        case Register.data: return transmit(byte)
        // UARTECR: any value clears.
        case Register.receiveStatus: status = []
        case Register.lowPower: lowPower = byte
        case Register.integerDivisor: integerDivisor = half
        case Register.fractionalDivisor: fractionalDivisor = byte & 0x3f
        case Register.lineControl: controlLine(LineControl(rawValue: byte))
        case Register.control: controlPort(Control(rawValue: half))
        case Register.triggerSelect: triggerSelect = byte & 0x3f
        case Register.interruptMask: mask = Interrupts(rawValue: half)
        case Register.interruptClear: raw.subtract(Interrupts(rawValue: half))
        case Register.dmaControl: dmaControl = byte & 7
        default: break
        }
        return WriteResponse()
    }

    /// The transmit interrupt follows the FIFO's emptying: a write takes it away, and its end brings it back.
    private mutating func transmit(_ byte: UInt8) -> WriteResponse {
        let wasHigh = interruptLevel
        raw.remove(.transmit)
        let dropped = wasHigh && !interruptLevel
        raw.insert(.transmit)
        guard control.contains(.loopback) else { return WriteResponse(effect: .output(byte), lineDropped: dropped) }
        _ = accept(byte, isBreak: false)
        return WriteResponse(lineDropped: dropped)
    }

    /// Turning the FIFOs on or off empties them.
    private mutating func controlLine(_ new: LineControl) {
        if new.contains(.fifoEnable) != lineControl.contains(.fifoEnable) {
            received = ReceiveFIFO()
            raw.subtract([.receive, .receiveTimeout])
        }
        lineControl = new
    }

    /// Going in and out of loopback changes the modem inputs, each of which has an interrupt.
    private mutating func controlPort(_ new: Control) {
        let old = flags
        control = new
        let changed = old.symmetricDifference(flags)
        if changed.contains(.ringIndicator) { raw.insert(.ringIndicator) }
        if changed.contains(.clearToSend) { raw.insert(.clearToSend) }
        if changed.contains(.carrierDetect) { raw.insert(.carrierDetect) }
        if changed.contains(.dataSetReady) { raw.insert(.dataSetReady) }
    }

    private var errorsOfFirst: ReceiveErrors {
        var errors: ReceiveErrors = []
        if received.isFirstBreak { errors.insert(.breakError) }
        if isOverrun { errors.insert(.overrun) }
        return errors
    }

    private var flags: Flags {
        var flags: Flags = [.transmitEmpty]
        if received.count == 0 { flags.insert(.receiveEmpty) }
        if received.count >= capacity { flags.insert(.receiveFull) }
        guard control.contains(.loopback) else {
            return flags.union([.clearToSend, .dataSetReady, .carrierDetect])
        }
        if control.contains(.requestToSend) { flags.insert(.clearToSend) }
        if control.contains(.dataTerminalReady) { flags.insert(.dataSetReady) }
        if control.contains(.out1) { flags.insert(.carrierDetect) }
        if control.contains(.out2) { flags.insert(.ringIndicator) }
        return flags
    }
}
