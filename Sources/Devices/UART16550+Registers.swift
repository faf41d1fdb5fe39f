// The registers of a 16550 and their bits (PC16550D datasheet, section 8, table II).

extension UART16550 {
    /// Register numbers. The first two are the divisor latch while `LineControl.divisorAccess` is set.
    package enum Register {
        /// RBR on a read, THR on a write; DLL with divisor access.
        package static let data = 0
        /// IER; DLM with divisor access.
        package static let interruptEnable = 1
        /// IIR on a read, FCR on a write.
        package static let interruptIdentification = 2
        package static let lineControl = 3
        package static let modemControl = 4
        package static let lineStatus = 5
        package static let modemStatus = 6
        package static let scratch = 7
        /// How many there are.
        package static let count = 8
    }

    /// IER, section 8.7. The upper four bits always read zero.
    package struct InterruptEnable: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue & 0x0f }

        package static let receivedData = Self(rawValue: 0x01)
        package static let transmitterEmpty = Self(rawValue: 0x02)
        package static let lineStatus = Self(rawValue: 0x04)
        package static let modemStatus = Self(rawValue: 0x08)
    }

    /// IIR bits 3 to 0, section 8.6, table IV: the most urgent cause. Cases stand in order of priority.
    package enum InterruptCause: UInt8, CaseIterable, Sendable {
        case lineStatus = 0x06
        case receivedData = 0x04
        case characterTimeout = 0x0c
        case transmitterEmpty = 0x02
        case modemStatus = 0x00
        case none = 0x01
    }

    /// FCR, section 8.5; write-only.
    package struct FIFOControl: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let enable = Self(rawValue: 0x01)
        package static let clearReceiver = Self(rawValue: 0x02)
        package static let clearTransmitter = Self(rawValue: 0x04)
        package static let dmaMode = Self(rawValue: 0x08)

        /// Bits 7 and 6: how many bytes in the receiver's FIFO make "data available".
        package var triggerLevel: Int { [1, 4, 8, 14][Int(rawValue >> 6)] }
    }

    /// LCR, section 8.1. Word length, stop bits and parity are kept for the guest and change nothing.
    package struct LineControl: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let setBreak = Self(rawValue: 0x40)
        /// DLAB.
        package static let divisorAccess = Self(rawValue: 0x80)
    }

    /// MCR, section 8.8. The upper three bits always read zero.
    package struct ModemControl: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue & 0x1f }

        package static let dataTerminalReady = Self(rawValue: 0x01)
        package static let requestToSend = Self(rawValue: 0x02)
        package static let out1 = Self(rawValue: 0x04)
        package static let out2 = Self(rawValue: 0x08)
        package static let loopback = Self(rawValue: 0x10)
    }

    /// LSR, section 8.4.
    package struct LineStatus: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let dataReady = Self(rawValue: 0x01)
        package static let overrun = Self(rawValue: 0x02)
        package static let parityError = Self(rawValue: 0x04)
        package static let framingError = Self(rawValue: 0x08)
        package static let breakInterrupt = Self(rawValue: 0x10)
        /// THRE.
        package static let holdingRegisterEmpty = Self(rawValue: 0x20)
        /// TEMT.
        package static let transmitterEmpty = Self(rawValue: 0x40)
        package static let errorInFIFO = Self(rawValue: 0x80)
    }

    /// MSR, section 8.9: what changed since the last read in the low half, the inputs in the high half.
    package struct ModemStatus: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let clearToSendChanged = Self(rawValue: 0x01)
        package static let dataSetReadyChanged = Self(rawValue: 0x02)
        /// TERI: the ring indicator went off.
        package static let ringEnded = Self(rawValue: 0x04)
        package static let carrierDetectChanged = Self(rawValue: 0x08)
        package static let clearToSend = Self(rawValue: 0x10)
        package static let dataSetReady = Self(rawValue: 0x20)
        package static let ringIndicator = Self(rawValue: 0x40)
        package static let carrierDetect = Self(rawValue: 0x80)
    }
}
