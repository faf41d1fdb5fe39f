// The PC's keyboard controller, an 8042 at ports 0x60 (data) and 0x64 (status and command): IBM PC/AT Technical
// Reference, "Keyboard controller". It has no keyboard and no mouse port; what guests want of it is the processor
// reset, a self test that passes, and quick answers that nothing is attached.
//
// Commands take no time, so the input buffer is never full. Line A20 is always on, whatever is written.
// Left out: scan codes, the password and the controller's own memory beyond the configuration byte.

import Primitives

/// An 8042 with nothing attached.
package struct KeyboardController: ByteDevice {
    /// Register numbers: the distance from port 0x60.
    package enum Register {
        package static let data = 0
        /// Status on a read, command on a write.
        package static let command = 4
    }

    /// What port 0x64 reads.
    package struct Status: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let outputFull = Self(rawValue: 0x01)
        package static let inputFull = Self(rawValue: 0x02)
        /// The self test has passed.
        package static let system = Self(rawValue: 0x04)
        /// The last byte written was a command.
        package static let command = Self(rawValue: 0x08)
        /// The keyboard is not locked by key.
        package static let unlocked = Self(rawValue: 0x10)
        /// The keyboard did not answer.
        package static let timeout = Self(rawValue: 0x40)
    }

    /// What port 0x64 takes.
    package enum Command {
        package static let readConfiguration: UInt8 = 0x20
        package static let writeConfiguration: UInt8 = 0x60
        package static let testMousePort: UInt8 = 0xa9
        package static let selfTest: UInt8 = 0xaa
        package static let testKeyboardPort: UInt8 = 0xab
        package static let disableKeyboard: UInt8 = 0xad
        package static let enableKeyboard: UInt8 = 0xae
        package static let readInputPort: UInt8 = 0xc0
        package static let readOutputPort: UInt8 = 0xd0
        package static let writeOutputPort: UInt8 = 0xd1
        package static let echo: UInt8 = 0xd2
        package static let echoAsMouse: UInt8 = 0xd3
        /// 0xf0 to 0xff: the output port's lowest four bits go low for a moment where the command's are 0.
        package static let pulseOutputPort: UInt8 = 0xf0
    }

    /// The configuration byte.
    private enum Configuration {
        static let interrupt: UInt8 = 0x01
        static let system: UInt8 = 0x04
        static let keyboardDisabled: UInt8 = 0x10
    }

    /// Bit 0 of the output port holds the processor out of reset; bit 1 is A20.
    private static let outputPort: UInt8 = 0x03

    private var configuration: UInt8 = Configuration.interrupt
    private var status: Status = .unlocked
    private var output: UInt8 = 0
    /// The command whose parameter comes next.
    private var awaiting: UInt8?

    package init() {}

    package mutating func reset() { self = Self() }

    /// A byte waits in the output buffer and interrupts are on.
    package var interruptLevel: Bool {
        status.contains(.outputFull) && configuration & Configuration.interrupt != 0
    }

    package func inspect(_ register: Int, now: WallTime) -> UInt8 {
        register == Register.data ? output : status.rawValue
    }

    package mutating func read(_ register: Int, now: WallTime) -> UInt8 {
        defer { if register == Register.data { status.subtract([.outputFull, .timeout]) } }
        return inspect(register, now: now)
    }

    package mutating func write(_ value: UInt8, to register: Int, now: WallTime) -> WriteResponse {
        if register == Register.data {
            status.remove(.command)
            return takeData(value)
        }
        status.insert(.command)
        return take(command: value)
    }

    private mutating func take(command: UInt8) -> WriteResponse {
        awaiting = nil
        switch command {
        case Command.readConfiguration: answer(configuration)
        case Command.writeConfiguration, Command.writeOutputPort, Command.echo, Command.echoAsMouse: awaiting = command
        case Command.selfTest:
            status.insert(.system)
            configuration |= Configuration.system
            answer(0x55)
        case Command.testKeyboardPort: answer(0x00)
        case Command.testMousePort: answer(0x01)  // clock line stuck: there is no such port
        case Command.disableKeyboard: configuration |= Configuration.keyboardDisabled
        case Command.enableKeyboard: configuration &= ~Configuration.keyboardDisabled
        case Command.readInputPort: answer(0x80)  // keyboard not locked
        case Command.readOutputPort: answer(Self.outputPort | (status.contains(.outputFull) ? 0x10 : 0))
        case Command.pulseOutputPort...0xff: return WriteResponse(effect: command[bit: 0] ? nil : .reset)
        default: break  // the second port's commands, A20 through the controller, its memory
        }
        return WriteResponse()
    }

    private mutating func takeData(_ value: UInt8) -> WriteResponse {
        defer { awaiting = nil }
        switch awaiting {
        case Command.writeConfiguration:
            configuration = value
            status.remove(.system)
            if value & Configuration.system != 0 { status.insert(.system) }
        case Command.writeOutputPort: return WriteResponse(effect: value[bit: 0] ? nil : .reset)
        // An echo through a mouse port would carry the mouse's mark in the status: without it, drivers see there is none.
        case Command.echo, Command.echoAsMouse: answer(value)
        default:  // for the keyboard, which does not answer: the controller says "resend" in its place
            configuration &= ~Configuration.keyboardDisabled
            answer(0xfe)
            status.insert(.timeout)
        }
        return WriteResponse()
    }

    private mutating func answer(_ value: UInt8) {
        output = value
        status.insert(.outputFull)
        status.remove(.timeout)
    }
}
