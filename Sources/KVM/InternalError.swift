/// Why KVM gave up: KVM_EXIT_INTERNAL_ERROR's suberror, KVM_INTERNAL_ERROR_*.
package struct InternalError: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// KVM could not emulate an instruction.
    package static let emulation = InternalError(rawValue: 1)
    /// KVM_INTERNAL_ERROR_SIMUL_EX: an exception during the delivery of another.
    package static let simultaneousExceptions = InternalError(rawValue: 2)
    /// KVM_INTERNAL_ERROR_DELIVERY_EV: an exit during the delivery of an event.
    package static let eventDelivery = InternalError(rawValue: 3)
    package static let unexpectedExitReason = InternalError(rawValue: 4)
}

extension InternalError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .emulation: "it could not emulate an instruction"
        case .simultaneousExceptions:
            "an exception came while another was being delivered, and it cannot combine them"
        case .eventDelivery: "an event could not be delivered"
        case .unexpectedExitReason: "the processor left the guest for a reason that it does not expect"
        default: "an internal error of the unknown kind \(rawValue)"
        }
    }
}
