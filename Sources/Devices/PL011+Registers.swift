// The registers of a PL011 and their bits (DDI 0183, section 3.3).

extension PL011 {
    /// Offsets in bytes. Registers are words of which at most 16 bits are there.
    package enum Register {
        package static let data = 0x00
        /// UARTRSR on a read, UARTECR on a write.
        package static let receiveStatus = 0x04
        package static let flags = 0x18
        package static let lowPower = 0x20
        package static let integerDivisor = 0x24
        package static let fractionalDivisor = 0x28
        package static let lineControl = 0x2c
        package static let control = 0x30
        /// UARTIFLS.
        package static let triggerSelect = 0x34
        /// UARTIMSC.
        package static let interruptMask = 0x38
        package static let rawInterrupts = 0x3c
        package static let maskedInterrupts = 0x40
        package static let interruptClear = 0x44
        package static let dmaControl = 0x48
        /// UARTPeriphID0 to 3, UARTPCellID0 to 3.
        package static let identification = 0xfe0
        /// Bytes that the device claims.
        package static let count = 0x1000
    }

    /// Part 0x011 by Arm (0x41), revision 1: the last kind with FIFOs of 16 bytes, which drivers recognize by it.
    static let identification: [UInt8] = [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1]

    /// UARTRSR, and the bits 8 to 11 of UARTDR.
    package struct ReceiveErrors: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let framing = Self(rawValue: 0x1)
        package static let parity = Self(rawValue: 0x2)
        package static let breakError = Self(rawValue: 0x4)
        package static let overrun = Self(rawValue: 0x8)
    }

    /// UARTFR.
    package struct Flags: OptionSet, Hashable, Sendable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }

        package static let clearToSend = Self(rawValue: 0x01)
        package static let dataSetReady = Self(rawValue: 0x02)
        package static let carrierDetect = Self(rawValue: 0x04)
        package static let busy = Self(rawValue: 0x08)
        package static let receiveEmpty = Self(rawValue: 0x10)
        package static let transmitFull = Self(rawValue: 0x20)
        package static let receiveFull = Self(rawValue: 0x40)
        package static let transmitEmpty = Self(rawValue: 0x80)
        package static let ringIndicator = Self(rawValue: 0x100)
    }

    /// UARTLCR_H. Word length, stop bits and parity are kept for the guest and change nothing.
    package struct LineControl: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let sendBreak = Self(rawValue: 0x01)
        package static let fifoEnable = Self(rawValue: 0x10)
    }

    /// UARTCR. Bits 3 to 6 are reserved and read as zero.
    package struct Control: OptionSet, Hashable, Sendable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue & 0xff87 }

        package static let enable = Self(rawValue: 0x0001)
        package static let loopback = Self(rawValue: 0x0080)
        package static let transmitEnable = Self(rawValue: 0x0100)
        package static let receiveEnable = Self(rawValue: 0x0200)
        package static let dataTerminalReady = Self(rawValue: 0x0400)
        package static let requestToSend = Self(rawValue: 0x0800)
        package static let out1 = Self(rawValue: 0x1000)
        package static let out2 = Self(rawValue: 0x2000)
    }

    /// UARTIMSC, UARTRIS, UARTMIS and UARTICR: eleven bits.
    package struct Interrupts: OptionSet, Hashable, Sendable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue & 0x7ff }

        package static let ringIndicator = Self(rawValue: 0x001)
        package static let clearToSend = Self(rawValue: 0x002)
        package static let carrierDetect = Self(rawValue: 0x004)
        package static let dataSetReady = Self(rawValue: 0x008)
        package static let receive = Self(rawValue: 0x010)
        package static let transmit = Self(rawValue: 0x020)
        package static let receiveTimeout = Self(rawValue: 0x040)
        package static let framingError = Self(rawValue: 0x080)
        package static let parityError = Self(rawValue: 0x100)
        package static let breakError = Self(rawValue: 0x200)
        package static let overrunError = Self(rawValue: 0x400)
    }
}
