// What becomes of a vector in the local APIC: Intel SDM volume 3, section 11.8 "Handling Interrupts".

extension LocalAPIC {
    /// What the APIC made of a vector.
    package enum Acceptance: Sendable {
        case accepted
        /// The same vector was already waiting: two became one.
        case coalesced
        /// The APIC is off.
        case refused
        /// Below 16 (section 11.5.2): an error, nothing more.
        case illegal
    }

    /// Takes a fixed interrupt (section 11.8.4). The trigger mode of the vector is that of its last acceptance.
    mutating func accept(_ vector: UInt8, isLevel: Bool) -> Acceptance {
        guard mode != .disabled, isSoftwareEnabled else { return .refused }
        guard vector >= 16 else { return .illegal }
        if isLevel { triggerMode.insert(vector) } else { triggerMode.remove(vector) }
        if interruptRequest.contains(vector) { return .coalesced }
        interruptRequest.insert(vector)
        return .accepted
    }

    /// PPR: section 11.8.3.1.
    package var processorPriority: UInt8 {
        let service = inService.highest ?? 0
        return taskPriority >> 4 >= service >> 4 ? taskPriority : service & 0xf0
    }

    /// The vector the processor is asked to take: the highest waiting, if its class is above the processor's. One that
    /// was accepted before the APIC was switched off by software still counts (section 11.4.7.2).
    package var nextVector: UInt8? {
        guard mode != .disabled, let vector = interruptRequest.highest, vector >> 4 > processorPriority >> 4 else {
            return nil
        }
        return vector
    }

    /// The processor takes an interrupt: its vector, now in service; nil where none is left, for which the processor
    /// gets the spurious vector and nothing is in service (section 11.9).
    mutating func acknowledge() -> UInt8? {
        guard let vector = nextVector else { return nil }
        interruptRequest.remove(vector)
        inService.insert(vector)
        return vector
    }

    /// The end of an interrupt, as `endOfInterrupt` found it.
    package struct End: Equatable, Sendable {
        package let vector: UInt8
        /// The I/O APICs must hear of it: the vector came level-triggered and SVR does not forbid it (section 11.8.5).
        package let isBroadcast: Bool
        /// A level on a local pin is still there and comes again.
        package let pin: LocalVector.Source?
    }

    /// A write to EOI: nil where nothing was in service.
    mutating func endOfInterrupt() -> End? {
        guard let vector = inService.highest else { return nil }
        inService.remove(vector)
        guard triggerMode.contains(vector) else { return End(vector: vector, isBroadcast: false, pin: nil) }
        return End(vector: vector, isBroadcast: !keepsEOI, pin: endLevel(vector))
    }

    /// CR8 (section 11.8.6): bits 7 to 4 of the task priority.
    package var cr8: UInt8 { taskPriority >> 4 }

    /// Section 11.8.6: bits 3 to 0 become zero.
    mutating func setCR8(_ value: UInt8) { taskPriority = value << 4 }
}
