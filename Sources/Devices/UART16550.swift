// The 16550A UART (National Semiconductor PC16550D datasheet, June 1995, section 8): the PC's COM ports, and a
// console for any board that maps its eight byte-wide registers.
//
// Transmission takes no time: a byte written is the console's at once, so the transmitter is always empty and its
// empty-interrupt comes right back, after a moment in which it was not pending. Reception is as fast: the character
// timeout of section 8.11 has passed as soon as bytes wait below the trigger level, and stays until they are read.
// Left out: word length, parity, baud rate and the transmission of breaks (kept, without effect), parity and framing
// errors (a console has none), and the DMA handshake pins.

import Primitives

/// One serial port. Its other end is a console that is always there: CTS, DSR and DCD are on.
package struct UART16550: ByteDevice {
    /// On a PC the interrupt pin reaches the bus through a gate that OUT2 opens; elsewhere it is wired straight.
    private let interruptNeedsOUT2: Bool

    private var interruptEnable: InterruptEnable = []
    private var fifoControl: FIFOControl = []
    private var lineControl: LineControl = []
    private var modemControl: ModemControl = []
    private var scratch: UInt8 = 0
    /// The divisor latch: 115,200 / baud rate on a PC.
    private var divisor: UInt16 = 0

    private var received = ReceiveFIFO()
    /// What went wrong since LSR was last read: overrun and break.
    private var lineErrors: LineStatus = []
    /// The transmitter ran empty, and neither a write to THR nor a read of IIR has taken note.
    private var transmitterEmptied = false
    /// What changed since MSR was last read: its low half.
    private var modemChanges: ModemStatus = []
    private var polling = InputPolling()

    package init(interruptNeedsOUT2: Bool = true) { self.interruptNeedsOUT2 = interruptNeedsOUT2 }

    package mutating func reset() { self = Self(interruptNeedsOUT2: interruptNeedsOUT2) }

    // MARK: The other end

    /// How many bytes the receiver takes now without losing any. None in loopback, where it is cut off from outside.
    package var room: Int {
        if modemControl.contains(.loopback) { return 0 }
        return (fifoControl.contains(.enable) ? ReceiveFIFO.capacity : 1) - received.count
    }

    /// The guest waits for input: it takes receive interrupts, or polls for data. Input offered earlier would be lost:
    /// drivers clear the FIFO and read RBR once or twice when they open the port. Neither DTR nor one read of LSR shows
    /// more than output.
    package var awaitsInput: Bool { takesReceiveInterrupts || polling.reads >= 2 }

    private var takesReceiveInterrupts: Bool { interruptEnable.contains(.receivedData) && isPinConnected }

    /// Whether the interrupt pin reaches the bus. Loopback turns the OUT2 pin off, whatever its bit says.
    private var isPinConnected: Bool {
        !interruptNeedsOUT2 || modemControl.contains(.out2) && !modemControl.contains(.loopback)
    }

    /// One byte arrives; false when it was lost, or took the place of one that the guest had not read.
    package mutating func receive(_ byte: UInt8) -> Bool {
        modemControl.contains(.loopback) ? false : accept(byte, isBreak: false)
    }

    /// The line is held low for longer than a character: a zero byte with the break mark (Linux: magic SysRq).
    package mutating func receiveBreak() {
        if !modemControl.contains(.loopback) { _ = accept(0, isBreak: true) }
    }

    /// A full FIFO loses the new byte, a full RBR the old one; both set the overrun bit (section 8.4).
    private mutating func accept(_ byte: UInt8, isBreak: Bool) -> Bool {
        let isFIFO = fifoControl.contains(.enable)
        let fits = received.count < (isFIFO ? ReceiveFIFO.capacity : 1)
        if !fits { lineErrors.insert(.overrun) }
        if fits || !isFIFO {
            if !fits { received = ReceiveFIFO() }
            received.append(byte, isBreak: isBreak)
            noteBreak()
        }
        return fits
    }

    /// A break is reported once it is the oldest in the FIFO.
    private mutating func noteBreak() {
        if received.takeFirstBreak() { lineErrors.insert(.breakInterrupt) }
    }

    // MARK: Interrupt

    /// The most urgent enabled cause (section 8.6, table IV).
    package var interruptCause: InterruptCause {
        if interruptEnable.contains(.lineStatus), !lineErrors.isEmpty { return .lineStatus }
        if interruptEnable.contains(.receivedData), received.count > 0 {
            let isTimeout = fifoControl.contains(.enable) && received.count < fifoControl.triggerLevel
            return isTimeout ? .characterTimeout : .receivedData
        }
        if interruptEnable.contains(.transmitterEmpty), transmitterEmptied { return .transmitterEmpty }
        if interruptEnable.contains(.modemStatus), !modemChanges.isEmpty { return .modemStatus }
        return .none
    }

    /// The interrupt as the rest of the machine sees it.
    package var interruptLevel: Bool { isPinConnected && interruptCause != .none }

    // MARK: Registers

    package func inspect(_ register: Int, now: WallTime) -> UInt8 {
        let isDivisor = lineControl.contains(.divisorAccess)
        switch register {
        case Register.data: return isDivisor ? UInt8(divisor & 0xff) : received.first
        case Register.interruptEnable: return isDivisor ? UInt8(divisor >> 8) : interruptEnable.rawValue
        case Register.interruptIdentification:
            return interruptCause.rawValue | (fifoControl.contains(.enable) ? 0xc0 : 0)
        case Register.lineControl: return lineControl.rawValue
        case Register.modemControl: return modemControl.rawValue
        case Register.lineStatus: return lineStatus.rawValue
        case Register.modemStatus: return modemInputs.union(modemChanges).rawValue
        case Register.scratch: return scratch
        default: return 0xff
        }
    }

    package mutating func read(_ register: Int, now: WallTime) -> UInt8 {
        let value = inspect(register, now: now)
        notePolling(register)
        switch register {
        case Register.data where !lineControl.contains(.divisorAccess):
            _ = received.removeFirst()
            noteBreak()
        case Register.interruptIdentification where interruptCause == .transmitterEmpty:
            transmitterEmptied = false
        case Register.lineStatus: lineErrors = []
        case Register.modemStatus: modemChanges = []
        default: break
        }
        return value
    }

    /// IIR shows data only to a guest that has enabled the interrupt. Linux's driver reads LSR, RBR, IIR and MSR to clear
    /// them, and throws a byte away that it finds.
    private mutating func notePolling(_ register: Int) {
        switch register {
        case Register.lineStatus: polling.note()
        case Register.interruptIdentification where interruptEnable.contains(.receivedData): polling.note()
        case Register.interruptIdentification: polling.end()
        case Register.data where received.count == 0: polling.end()
        default: break
        }
    }

    package mutating func write(_ value: UInt8, to register: Int, now: WallTime) -> WriteResponse {
        polling.end()
        let isDivisor = lineControl.contains(.divisorAccess)
        switch register {
        case Register.data where isDivisor: divisor[bits: 0...7] = UInt16(value)
        case Register.data: return transmit(value)
        case Register.interruptEnable where isDivisor: divisor[bits: 8...15] = UInt16(value)
        case Register.interruptEnable: enableInterrupts(InterruptEnable(rawValue: value))
        case Register.interruptIdentification: controlFIFO(FIFOControl(rawValue: value))
        case Register.lineControl: lineControl = LineControl(rawValue: value)
        case Register.modemControl: controlModem(ModemControl(rawValue: value))
        case Register.scratch: scratch = value
        default: break  // LSR and MSR: writing is for factory tests
        }
        return WriteResponse()
    }

    /// THR: the empty-interrupt goes away with the write and comes back when the byte has left.
    private mutating func transmit(_ byte: UInt8) -> WriteResponse {
        let before = interruptLevel
        transmitterEmptied = false
        let between = interruptLevel
        transmitterEmptied = true
        if modemControl.contains(.loopback) {
            _ = accept(byte, isBreak: false)
            return WriteResponse()
        }
        return WriteResponse(effect: .output(byte), lineDropped: before && !between)
    }

    /// IER: turning the empty-interrupt on while the transmitter is empty, as it always is, raises it at once.
    private mutating func enableInterrupts(_ new: InterruptEnable) {
        if new.symmetricDifference(interruptEnable).contains(.transmitterEmpty) {
            transmitterEmptied = new.contains(.transmitterEmpty)
        }
        interruptEnable = new
    }

    /// FCR: the other bits count only with the enable bit; changing that bit empties the FIFOs (section 8.5).
    private mutating func controlFIFO(_ new: FIFOControl) {
        let changesMode = new.contains(.enable) != fifoControl.contains(.enable)
        if changesMode || (new.contains(.enable) && new.contains(.clearReceiver)) { received = ReceiveFIFO() }
        fifoControl = new.contains(.enable) ? new.subtracting([.clearReceiver, .clearTransmitter]) : []
    }

    /// MCR: going in and out of loopback changes the modem inputs, which MSR reports.
    private mutating func controlModem(_ new: ModemControl) {
        let old = modemInputs
        modemControl = new
        let changed = old.symmetricDifference(modemInputs)
        if changed.contains(.clearToSend) { modemChanges.insert(.clearToSendChanged) }
        if changed.contains(.dataSetReady) { modemChanges.insert(.dataSetReadyChanged) }
        if changed.contains(.ringIndicator), old.contains(.ringIndicator) { modemChanges.insert(.ringEnded) }
        if changed.contains(.carrierDetect) { modemChanges.insert(.carrierDetectChanged) }
    }

    private var lineStatus: LineStatus {
        var status: LineStatus = [.holdingRegisterEmpty, .transmitterEmpty]
        status.formUnion(lineErrors)
        if received.count > 0 { status.insert(.dataReady) }
        if fifoControl.contains(.enable), received.holdsBreak || lineErrors.contains(.breakInterrupt) {
            status.insert(.errorInFIFO)
        }
        return status
    }

    /// MSR's high half: the console's lines, or in loopback the guest's own outputs (section 8.8).
    private var modemInputs: ModemStatus {
        guard modemControl.contains(.loopback) else { return [.clearToSend, .dataSetReady, .carrierDetect] }
        var inputs: ModemStatus = []
        if modemControl.contains(.requestToSend) { inputs.insert(.clearToSend) }
        if modemControl.contains(.dataTerminalReady) { inputs.insert(.dataSetReady) }
        if modemControl.contains(.out1) { inputs.insert(.ringIndicator) }
        if modemControl.contains(.out2) { inputs.insert(.carrierDetect) }
        return inputs
    }
}
