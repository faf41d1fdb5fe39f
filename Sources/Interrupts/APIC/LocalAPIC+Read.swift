// Reading the registers: Intel SDM volume 3, sections 11.4.1 (xAPIC) and 11.12.1.2 (x2APIC).

import Primitives

extension LocalAPIC {
    /// What an access made happen beyond the APIC itself, and its value.
    struct Reaction: Equatable {
        var value: UInt64 = 0
        /// #GP(0), and nothing has changed.
        var isFault = false
        var message: InterruptMessage?
        var end: End?
        /// Bits of ESR to note.
        var errors: UInt32 = 0
        var mistake: GuestMistake.Kind?
        /// What the mistake is about; nil for the register.
        var argument: UInt64?
        /// A level-triggered pin that the write unmasked.
        var pin: LocalVector.Source?
        /// The timer may be due at another time.
        var setsTimer = false

        static func fault(_ mistake: GuestMistake.Kind) -> Self { Self(isFault: true, mistake: mistake) }
    }

    /// Reads `size` bytes at `offset` of the page. What is more than 4 bytes or crosses a register gives zeroes there.
    func read(offset: Int, size: Int, at now: ModelTime) -> Reaction {
        guard let register = Register(number: offset >> 4), register.exists(inX2APIC: false) else {
            return Reaction(errors: ErrorBit.illegalRegister, mistake: .reservedRegister)
        }
        let shift = offset & 0xf
        guard shift < 4, register.isReadable else { return Reaction(mistake: shift < 4 ? nil : .oddAccess) }
        let value = UInt64(word(register, at: now)) >> UInt64(shift * 8)
        return Reaction(value: value & .mask(size * 8), mistake: shift + size > 4 ? .oddAccess : nil)
    }

    /// Reads the MSR `0x800 + number`.
    func read(number: Int, at now: ModelTime) -> Reaction {
        guard mode == .x2APIC else { return .fault(.notX2APIC) }
        guard let register = Register(number: number), register.exists(inX2APIC: true), register.isReadable else {
            return .fault(.reservedRegister)
        }
        let high = register == .command ? UInt64(commandHigh) << 32 : 0
        return Reaction(value: high | UInt64(word(register, at: now)))
    }

    /// A register's 32 bits.
    func word(_ register: Register, at now: ModelTime) -> UInt32 {
        switch register {
        case .id: mode == .x2APIC ? id : id << 24
        case .version: version
        case .taskPriority: UInt32(taskPriority)
        case .arbitrationPriority, .endOfInterrupt, .selfInterrupt: 0
        case .processorPriority: UInt32(processorPriority)
        case .logicalDestination: logicalDestination
        case .destinationFormat: destinationFormat
        case .spuriousVector: spuriousVector
        case .inService(let i): inService[word: i]
        case .triggerMode(let i): triggerMode[word: i]
        case .interruptRequest(let i): interruptRequest[word: i]
        case .errorStatus: errorStatus
        case .command: command
        case .commandHigh: commandHigh
        case .local(let source): self[source].rawValue
        case .initialCount: timer.initialCount
        case .currentCount: timer.currentCount(at: now)
        case .divide: timer.divide
        }
    }

    /// The page of registers as it stands at `now`, for the same views that read a kernel's.
    package func registers(at now: ModelTime) -> LocalAPICRegisters {
        var page = [UInt8](repeating: 0, count: LocalAPICRegisters.size)
        let isX2APIC = mode == .x2APIC
        for number in 0..<LocalAPICRegisters.size >> 4 {
            guard let register = Register(number: number),
                register.exists(inX2APIC: isX2APIC) || register == .commandHigh
            else { continue }
            page.store(word(register, at: now), at: number << 4, count: 4)
        }
        guard let registers = LocalAPICRegisters(page, isX2APIC: isX2APIC) else { preconditionFailure("a short page") }
        return registers
    }
}
