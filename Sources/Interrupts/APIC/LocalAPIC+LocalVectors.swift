// The local vector table at work: Intel SDM volume 3, section 11.5.1.

import Primitives

extension LocalAPIC {
    /// What a local source came to.
    package enum LocalDelivery: Equatable, Sendable {
        /// Masked, in a reserved mode, or still in service.
        case nothing
        case vector(UInt8, Acceptance)
        case nonMaskable
        case management
        case initialize
        /// The vector is for the 8259 to give.
        case external
    }

    /// Lets `source` interrupt as its entry says. While the APIC is off, LINT0 and LINT1 are the processor's INTR and
    /// NMI inputs (section 11.4.3).
    mutating func deliver(_ source: LocalVector.Source) -> LocalDelivery {
        if mode == .disabled {
            switch source {
            case .lint0: return .external
            case .lint1: return .nonMaskable
            case .performance, .error, .thermal, .timer, .correctedMachineCheck: return .nothing
            }
        }
        let entry = self[source]
        if entry.isMasked { return .nothing }
        // A counter's overflow masks its entry: section 11.5.1, "Mask".
        if source == .performance { self[source] = LocalVector(rawValue: entry.rawValue | LocalVector.maskBit) }
        switch entry.deliveryMode {
        case .fixed: return deliverFixed(source, entry)
        case .nmi: return .nonMaskable
        case .smi: return .management
        case .initialize: return .initialize
        case .external: return source == .lint0 || source == .lint1 ? .external : .nothing
        case .lowestPriority, .reserved, .startUp: return .nothing
        }
    }

    private mutating func deliverFixed(_ source: LocalVector.Source, _ entry: LocalVector) -> LocalDelivery {
        let isLevel = isLevelPin(source)
        if isLevel, entry.remoteIRR { return .nothing }
        let acceptance = accept(entry.vector, isLevel: isLevel)
        if isLevel, acceptance == .accepted || acceptance == .coalesced {
            self[source] = LocalVector(rawValue: entry.rawValue | LocalVector.remoteIRRBit)
        }
        return .vector(entry.vector, acceptance)
    }

    /// Only LINT0 knows levels, in fixed mode (section 11.5.1, "Trigger Mode").
    private func isLevelPin(_ source: LocalVector.Source) -> Bool {
        source == .lint0 && self[source].isLevel && self[source].deliveryMode == .fixed
    }

    /// The level of LINT0 or LINT1 changes: whether the pin interrupts now. The polarity bit does not matter: a pin is
    /// set asserted or not.
    mutating func setPin(_ source: LocalVector.Source, _ level: Bool) -> Bool {
        let wasHigh = pins[bit: source.pin]
        pins[bit: source.pin] = level
        return level && !wasHigh
    }

    /// Whether a level-triggered pin asks for an interrupt that it does not have.
    func isUnserved(_ source: LocalVector.Source) -> Bool {
        isLevelPin(source) && pins[bit: source.pin] && !self[source].isMasked && !self[source].remoteIRR
    }

    /// The end of a level-triggered `vector` (section 11.5.1, "Remote IRR Flag"): the pin that still asks.
    mutating func endLevel(_ vector: UInt8) -> LocalVector.Source? {
        guard self[.lint0].remoteIRR, self[.lint0].vector == vector else { return nil }
        self[.lint0] = LocalVector(rawValue: self[.lint0].rawValue & ~LocalVector.remoteIRRBit)
        return isUnserved(.lint0) ? .lint0 : nil
    }

    /// Whether the processor takes interrupts of the 8259 pair through LINT0: in ExtINT mode, or with the APIC off.
    package var passesExternal: Bool {
        mode == .disabled || !self[.lint0].isMasked && self[.lint0].deliveryMode == .external
    }

    /// Notes errors (section 11.5.3): whether the error interrupt is due, which happens once for each write to ESR.
    mutating func add(errors: UInt32) -> Bool {
        self.errors |= errors
        guard isErrorInterruptArmed else { return false }
        isErrorInterruptArmed = false
        return true
    }

    /// The bits of ESR that there are (figure 11-9).
    enum ErrorBit {
        static let sentIllegalVector: UInt32 = 1 << 5
        static let receivedIllegalVector: UInt32 = 1 << 6
        static let illegalRegister: UInt32 = 1 << 7
    }
}

extension LocalVector {
    static let remoteIRRBit: UInt32 = 1 << 14
}

extension LocalVector.Source {
    /// The bit of the pin in `LocalAPIC.pins`.
    fileprivate var pin: Int { self == .lint1 ? 1 : 0 }
}
