// The devices there are, behind one face. A closed set: a switch here is one jump and nothing is allocated.

/// What a write to a device's registers causes.
package struct WriteResponse: Hashable, Sendable {
    package var effect: Effect?
    /// The interrupt line was low for a moment during the write, whatever it is before and after.
    package var lineDropped = false

    package init(effect: Effect? = nil, lineDropped: Bool = false) {
        self.effect = effect
        self.lineDropped = lineDropped
    }
}

/// A device of 8-bit registers, numbered from 0 as its manual lays them out.
package protocol ByteDevice: Equatable, Sendable {
    mutating func read(_ register: Int, now: WallTime) -> UInt8
    mutating func write(_ value: UInt8, to register: Int, now: WallTime) -> WriteResponse
    /// What `read` would give, without its side effects.
    func inspect(_ register: Int, now: WallTime) -> UInt8
    /// What a machine reset does to the device.
    mutating func reset()
}

/// Any device a bus can carry.
package enum Device: Equatable, Sendable {
    case uart(UART16550)
    case pl011(PL011)
    case clock(RealTimeClock)
    case keyboard(KeyboardController)
    case reset(ResetPorts)
    case power(PowerManagement)
    case debugConsole(DebugConsole)
    case debugExit(DebugExit)
    case postCode(PostCode)
    case panic(PanicPort)
    case biosCall(BIOSCall)
    case display(DisplayController)
    case firmware(FirmwareConfiguration)
    case pci(PCIConfiguration)
    case virtio(VirtioDevice)

    /// A wide access is one for the register that it begins at, whatever lies inside it.
    var takesWholeAccesses: Bool {
        switch self {
        case .firmware, .pci, .virtio: true
        default: false
        }
    }

    /// What can happen to a device other than an access or input.
    package enum Event: Hashable, Sendable {
        /// The clocks have come to this time.
        case time(WallTime)
        /// The serial line is held in the break state, which a receiver takes as one zero byte with a mark.
        case serialBreak
        case powerButton
    }

    /// Reads `size` bytes from `register` on, which must all be the device's own; little-endian.
    package mutating func read(register: Int, size: Int, now: WallTime) -> UInt64 {
        switch self {
        case .uart(var device):
            defer { self = .uart(device) }
            return device.readBytes(register, size, now)
        case .pl011(var device):
            defer { self = .pl011(device) }
            return device.readWords(register, size)
        case .keyboard(var device):
            defer { self = .keyboard(device) }
            return device.readBytes(register, size, now)
        case .clock(var device):
            defer { self = .clock(device) }
            return device.readBytes(register, size, now)
        case .display(var device):
            defer { self = .display(device) }
            return device.readBytes(register, size, now)
        case .firmware(var device):
            defer { self = .firmware(device) }
            return device.read(register, size: size)
        case .reset, .power, .debugConsole, .debugExit, .postCode, .panic, .biosCall, .pci, .virtio:
            return inspect(register: register, size: size, now: now)  // reading these changes nothing
        }
    }

    /// Writes `size` bytes, little-endian, from `register` on, which must all be the device's own.
    package mutating func write(_ value: UInt64, register: Int, size: Int, now: WallTime) -> WriteResponse {
        switch self {
        case .uart(var device):
            defer { self = .uart(device) }
            return device.writeBytes(value, register, size, now)
        case .pl011(var device):
            defer { self = .pl011(device) }
            return device.writeWords(value, register, size)
        case .clock(var device):
            defer { self = .clock(device) }
            return device.writeBytes(value, register, size, now)
        case .keyboard(var device):
            defer { self = .keyboard(device) }
            return device.writeBytes(value, register, size, now)
        case .reset(var device):
            defer { self = .reset(device) }
            return device.writeBytes(value, register, size, now)
        case .power(var device):
            defer { self = .power(device) }
            return device.writeBytes(value, register, size, now)
        case .postCode(var device):
            defer { self = .postCode(device) }
            return device.writeBytes(value, register, size, now)
        case .debugConsole(var device):
            return device.writeBytes(value, register, size, now)
        case .debugExit(let device):
            return device.write(value)
        case .panic(let device):
            return device.write(value)
        case .biosCall(let device):
            return device.write()
        case .display(var device):
            defer { self = .display(device) }
            return device.writeBytes(value, register, size, now)
        case .firmware(var device):
            let hasRequest = device.write(value, to: register, size: size)
            self = .firmware(device)
            return WriteResponse(effect: hasRequest ? .service : nil)
        case .pci(var device):
            device.write(value, to: register, size: size)
            self = .pci(device)
        case .virtio(var device):
            let hasRequests = device.write(value, to: register, size: size)
            self = .virtio(device)
            return WriteResponse(effect: hasRequests ? .service : nil)
        }
        return WriteResponse()
    }

    /// What `read` would give, without its side effects.
    package func inspect(register: Int, size: Int, now: WallTime) -> UInt64 {
        switch self {
        case .uart(let device): device.inspectBytes(register, size, now)
        case .pl011(let device): device.inspectWords(register, size)
        case .clock(let device): device.inspectBytes(register, size, now)
        case .keyboard(let device): device.inspectBytes(register, size, now)
        case .reset(let device): device.inspectBytes(register, size, now)
        case .power(let device): device.inspectBytes(register, size, now)
        case .debugConsole(let device): device.inspectBytes(register, size, now)
        case .postCode(let device): device.inspectBytes(register, size, now)
        case .panic(let device): UInt64(device.inspect())
        case .display(let device): device.inspectBytes(register, size, now)
        case .firmware(let device): device.inspect(register, size: size)
        case .pci(let device): device.inspect(register, size: size)
        case .virtio(let device): device.read(register, size: size)
        case .debugExit, .biosCall: 0
        }
    }

    /// The level of the interrupt output: a function of the device's state.
    package var interruptLevel: Bool {
        switch self {
        case .uart(let device): device.interruptLevel
        case .pl011(let device): device.interruptLevel
        case .keyboard(let device): device.interruptLevel
        case .power(let device): device.interruptLevel
        case .clock(let device): device.interruptLevel
        case .virtio(let device): device.interruptLevel
        case .reset, .debugConsole, .debugExit, .postCode, .panic, .biosCall, .display, .firmware, .pci: false
        }
    }

    /// How many bytes of input fit now without loss; none where the device takes no input.
    package var room: Int {
        switch self {
        case .uart(let device): device.room
        case .pl011(let device): device.room
        default: 0
        }
    }

    /// How many bytes of console input it takes now: none before the guest waits for it.
    package var inputRoom: Int {
        switch self {
        case .uart(let device): device.awaitsInput ? device.room : 0
        case .pl011(let device): device.awaitsInput ? device.room : 0
        default: 0
        }
    }

    /// Hands over one byte of input; false when it, or one before it, was lost.
    package mutating func receive(_ byte: UInt8) -> Bool {
        switch self {
        case .uart(var device):
            defer { self = .uart(device) }
            return device.receive(byte)
        case .pl011(var device):
            defer { self = .pl011(device) }
            return device.receive(byte)
        default: return false
        }
    }

    /// Lets `event` happen; a device it does not concern stays as it is.
    package mutating func handle(_ event: Event) {
        switch (self, event) {
        case (.uart(var device), .serialBreak):
            device.receiveBreak()
            self = .uart(device)
        case (.pl011(var device), .serialBreak):
            device.receiveBreak()
            self = .pl011(device)
        case (.power(var device), .powerButton):
            device.pressPowerButton()
            self = .power(device)
        case (.clock(var device), .time(let now)):
            device.advance(to: now)
            self = .clock(device)
        case (_, .serialBreak), (_, .powerButton), (_, .time):
            break
        }
    }

    /// What a machine reset does to the device.
    package mutating func reset() {
        switch self {
        case .uart(var device):
            device.reset()
            self = .uart(device)
        case .pl011(var device):
            device.reset()
            self = .pl011(device)
        case .clock(var device):
            device.reset()
            self = .clock(device)
        case .keyboard(var device):
            device.reset()
            self = .keyboard(device)
        case .reset(var device):
            device.reset()
            self = .reset(device)
        case .power(var device):
            device.reset()
            self = .power(device)
        case .postCode(var device):
            device.reset()
            self = .postCode(device)
        case .display(var device):
            device.reset()
            self = .display(device)
        case .firmware(var device):
            device.reset()
            self = .firmware(device)
        case .pci(var device):
            device.reset()
            self = .pci(device)
        case .virtio(var device):
            device.reset()
            self = .virtio(device)
        case .debugConsole, .debugExit, .panic, .biosCall:
            break
        }
    }
}

extension ByteDevice {
    fileprivate mutating func readBytes(_ register: Int, _ size: Int, _ now: WallTime) -> UInt64 {
        var value: UInt64 = 0
        for i in 0..<size { value |= UInt64(read(register + i, now: now)) << UInt64(8 * i) }
        return value
    }

    fileprivate func inspectBytes(_ register: Int, _ size: Int, _ now: WallTime) -> UInt64 {
        var value: UInt64 = 0
        for i in 0..<size { value |= UInt64(inspect(register + i, now: now)) << UInt64(8 * i) }
        return value
    }

    /// Of several effects the last counts; no device has two registers side by side that both have one.
    fileprivate mutating func writeBytes(
        _ value: UInt64, _ register: Int, _ size: Int, _ now: WallTime
    ) -> WriteResponse {
        var total = WriteResponse()
        for i in 0..<size {
            let response = write(UInt8(truncatingIfNeeded: value >> UInt64(8 * i)), to: register + i, now: now)
            total.effect = response.effect ?? total.effect
            total.lineDropped = total.lineDropped || response.lineDropped
        }
        return total
    }
}

// The PL011's registers are words, which its bus never splits: a narrower access sees the part of the word that it names,
// and a narrower write of a word's lowest bytes is one of the whole word. Other narrow writes are dropped.
extension PL011 {
    fileprivate mutating func readWords(_ register: Int, _ size: Int) -> UInt64 {
        let first = read(register & ~3)
        return Self.part(first, Self.isSplit(register, size) ? read((register & ~3) + 4) : 0, register, size)
    }

    fileprivate func inspectWords(_ register: Int, _ size: Int) -> UInt64 {
        let second = Self.isSplit(register, size) ? inspect((register & ~3) + 4) : 0
        return Self.part(inspect(register & ~3), second, register, size)
    }

    /// Whether an access reaches into a second word.
    private static func isSplit(_ register: Int, _ size: Int) -> Bool { (register & 3) + size > 4 }

    private static func part(_ first: UInt32, _ second: UInt32, _ register: Int, _ size: Int) -> UInt64 {
        (UInt64(second) << 32 | UInt64(first)) >> UInt64((register & 3) * 8) & .mask(size * 8)
    }

    fileprivate mutating func writeWords(_ value: UInt64, _ register: Int, _ size: Int) -> WriteResponse {
        guard register & 3 == 0 else { return WriteResponse() }
        var response = write(UInt32(truncatingIfNeeded: value), to: register)
        if size > 4 {
            let second = write(UInt32(truncatingIfNeeded: value >> 32), to: register + 4)
            response.effect = response.effect ?? second.effect
            response.lineDropped = response.lineDropped || second.lineDropped
        }
        return response
    }
}
