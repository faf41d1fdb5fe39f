/// Something that a guest does and that its manual forbids, or that has no effect.
package struct GuestMistake: Hashable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        // Of the local APIC.
        case endWithoutInterrupt
        case reservedRegister
        case readOnlyRegister
        case oddAccess
        case disabledPage
        case notX2APIC
        case reservedBits
        case illegalBaseChange
        case unmaskedWhileOff
        case initialCountIgnored
        case deadlineIgnored
        // Of messages.
        case illegalVectorSent
        case illegalVectorReceived
        case exceptionVector
        case reservedDeliveryMode
        case nobodyAddressed
        case nobodyEnabled
        case nobodyAccepted
        // Of the I/O APIC.
        case reservedPinRegister
        case oddPinAccess
        case lineEndedWithoutRequest
        case neverLowered
        // Of the 8259 pair.
        case pairEndedWithoutInterrupt
        case pairNotInitialized
        case pairExceptionVectors
        case twoWays
        // On a GIC.
        case reservedDistributorRegister
        case distributorAccess
        case absentInterrupt
        case readOnlyDistributorRegister
        case writeOnlyDistributorRegister
        case reservedInterfaceRegister
        case interfaceAccess
        case readOnlyInterfaceRegister
        case writeOnlyInterfaceRegister
        case pendingBitsOfSoftwareInterrupts
        case targetsOfPrivateInterrupt
        case absentTarget
        case absentSource
        case fixedTrigger
        case reservedTargetFilter
        case softwareInterruptToNobody
        case acknowledgeOfGroupOne
        case endWithoutAcknowledge
        case endOfSpurious
        case endOfAbsent
        case endOfInactive
        case endOutOfOrder
        case endOfOtherSource
        case endOfOtherGroup
        case deactivateInWrongMode
        case deactivateOfSpurious
        case deactivateOfInactive
        case levelNeverLowered

        /// Those of a GIC; the others are a PC's.
        package static let ofGIC = allCases[allCases.firstIndex(of: .reservedDistributorRegister)!...]
    }

    package let kind: Kind
    /// The processor that made it, where there is one.
    package let processor: Int?
    /// A register's offset or number, a vector or a pin, as the kind wants it.
    package let argument: UInt64

    package init(_ kind: Kind, processor: Int?, argument: UInt64) {
        self.kind = kind
        self.processor = processor
        self.argument = argument
    }
}

/// Mistakes, each kept once with how often it was made. Beyond `limit` different ones of a kind only their number is kept,
/// so that none of one kind hides another.
package struct InterruptWarnings: Sendable {
    package static let limit = 16

    package struct Entry: Equatable, Sendable {
        package let mistake: GuestMistake
        package fileprivate(set) var count: UInt64
        /// The first and the last time, in nanoseconds of `ModelTime`.
        package let first: UInt64
        package fileprivate(set) var last: UInt64
        /// Where the processor was the last time; 0 where it is unknown.
        package fileprivate(set) var programCounter: UInt64
    }

    /// In the order of their first time.
    package private(set) var entries: [Entry] = []
    /// Mistakes that found no room, by kind.
    package private(set) var dropped: [GuestMistake.Kind: UInt64] = [:]

    package init() {}

    package mutating func add(_ mistake: GuestMistake, at now: ModelTime) {
        if let i = entries.firstIndex(where: { $0.mistake == mistake }) {
            entries[i].count += 1
            entries[i].last = now.nanoseconds
            entries[i].programCounter = now.programCounter
        } else if entries.reduce(0, { $0 + ($1.mistake.kind == mistake.kind ? 1 : 0) }) < Self.limit {
            entries.append(
                Entry(
                    mistake: mistake, count: 1, first: now.nanoseconds, last: now.nanoseconds,
                    programCounter: now.programCounter
                )
            )
        } else {
            dropped[mistake.kind, default: 0] += 1
        }
    }

    package mutating func clear() { self = Self() }
}
