// Writing the registers: Intel SDM volume 3, sections 11.4.1 (xAPIC) and 11.12.1.3 (x2APIC).

import Primitives

extension LocalAPIC {
    /// Writes at `offset` of the page. Anything but 4 bytes at a multiple of 16 has no effect, as in KVM; the manual
    /// leaves it undefined.
    mutating func write(_ value: UInt64, offset: Int, size: Int, at now: ModelTime) -> Reaction {
        guard let register = Register(number: offset >> 4), register.exists(inX2APIC: false) else {
            return Reaction(errors: ErrorBit.illegalRegister, mistake: .reservedRegister)
        }
        guard size == 4, offset & 0xf == 0 else { return Reaction(mistake: .oddAccess) }
        guard register.isWritable else { return Reaction(mistake: .readOnlyRegister) }
        return write(UInt32(truncatingIfNeeded: value), to: register, at: now)
    }

    /// Writes the MSR `0x800 + number`.
    mutating func write(_ value: UInt64, number: Int, at now: ModelTime) -> Reaction {
        guard mode == .x2APIC else { return .fault(.notX2APIC) }
        guard let register = Register(number: number), register.exists(inX2APIC: true) else {
            return .fault(.reservedRegister)
        }
        guard register.isWritable, register != .id, register != .logicalDestination else {
            return .fault(.readOnlyRegister)
        }
        guard value & ~register.allowedBits(features) == 0 else { return .fault(.reservedBits) }
        if register == .command { commandHigh = UInt32(value >> 32) }
        return write(UInt32(truncatingIfNeeded: value), to: register, at: now)
    }

    private mutating func write(_ value: UInt32, to register: Register, at now: ModelTime) -> Reaction {
        switch register {
        case .id: id = value >> 24
        case .taskPriority: taskPriority = UInt8(truncatingIfNeeded: value)
        case .endOfInterrupt:
            let end = endOfInterrupt()
            return Reaction(end: end, mistake: end == nil ? .endWithoutInterrupt : nil)
        case .logicalDestination: logicalID = UInt8(value >> 24)
        case .destinationFormat: destinationFormat = value | 0x0fff_ffff
        case .spuriousVector: setSpuriousVector(value)
        case .errorStatus:
            errorStatus = errors
            errors = 0
            isErrorInterruptArmed = true
        case .command:
            command = value & ~(1 << 12)
            return send(InterruptCommand(low: command, high: commandHigh, isX2APIC: mode == .x2APIC))
        case .commandHigh: commandHigh = value & 0xff00_0000
        case .local(let source): return setLocalVector(source, value)
        case .initialCount:
            if self[.timer].timerMode == .deadline {
                return Reaction(mistake: value == 0 ? nil : .initialCountIgnored, argument: UInt64(value))
            }
            timer.setInitialCount(value, at: now)
            return Reaction(setsTimer: true)
        case .divide:
            timer.setDivide(value, at: now)
            return Reaction(setsTimer: true)
        case .selfInterrupt:
            return send(InterruptCommand(low: value & 0xff | 1 << 18, high: 0, isX2APIC: true))
        case .version, .arbitrationPriority, .processorPriority, .inService, .triggerMode, .interruptRequest,
            .currentCount:
            break
        }
        return Reaction()
    }

    /// Switching the APIC off masks the whole local vector table (section 11.4.7.2).
    private mutating func setSpuriousVector(_ value: UInt32) {
        spuriousVector = value & (features.suppressesEOI ? 0x13ff : 0x3ff)
        if !isSoftwareEnabled { localVectors |= SIMD8(repeating: LocalVector.maskBit) }
    }

    private mutating func setLocalVector(_ source: LocalVector.Source, _ value: UInt32) -> Reaction {
        let old = self[source]
        let writable = source.writableBits(features)
        var raw = value & writable | old.rawValue & source.statusBits
        if !isSoftwareEnabled { raw |= LocalVector.maskBit }
        self[source] = LocalVector(rawValue: raw)
        if source == .timer, old.timerMode != self[.timer].timerMode {
            // Between one-shot and periodic a running count continues (section 11.5.4.1).
            if old.timerMode == .deadline || self[.timer].timerMode == .deadline { timer.disarm() }
        }
        // A pin that is not level-triggered any more waits for no EOI.
        if source == .lint0, !self[.lint0].isLevel {
            self[.lint0] = LocalVector(rawValue: self[.lint0].rawValue & ~LocalVector.remoteIRRBit)
        }
        let isIgnored = !isSoftwareEnabled && value & LocalVector.maskBit == 0
        return Reaction(
            mistake: isIgnored ? .unmaskedWhileOff : nil, pin: isUnserved(source) ? source : nil,
            setsTimer: source == .timer)
    }

    /// A command goes out unless its vector is illegal (section 11.5.3). INIT level de-assert has no effect since the
    /// Pentium 4 (section 11.6.1).
    private func send(_ command: InterruptCommand) -> Reaction {
        let message = InterruptMessage(command)
        switch command.deliveryMode {
        case .fixed, .lowestPriority:
            if command.vector < 16 {
                let vector = UInt64(command.vector)
                return Reaction(
                    errors: ErrorBit.sentIllegalVector, mistake: .illegalVectorSent, argument: vector)
            }
        case .initialize:
            if message.isLevel, !message.isAssert { return Reaction() }
        case .smi, .nmi, .startUp: break
        case .reserved, .external:
            let mode = UInt64(command.deliveryMode.rawValue)
            return Reaction(mistake: .reservedDeliveryMode, argument: mode)
        }
        return Reaction(message: message)
    }

    // MARK: IA32_TSC_DEADLINE, MSR 0x6e0 (section 11.5.4.1)

    package static let deadlineRegister: UInt32 = 0x6e0

    /// Zero unless the timer is in the mode and armed.
    var deadline: UInt64 { self[.timer].timerMode == .deadline ? timer.deadline : 0 }

    /// Without effect in the other modes: false then.
    @discardableResult
    mutating func setDeadline(_ value: UInt64, frequency: UInt64, at now: ModelTime) -> Bool {
        guard self[.timer].timerMode == .deadline else { return false }
        timer.setDeadline(value, frequency: frequency, at: now)
        return true
    }

    /// When the timer must be looked at, in nanoseconds of `ModelTime`.
    var due: UInt64? { timer.due }

    /// Whether the timer's interrupt is due by `now`.
    mutating func expireTimer(at now: ModelTime) -> Bool {
        timer.expire(isPeriodic: self[.timer].timerMode == .periodic, at: now)
    }
}
