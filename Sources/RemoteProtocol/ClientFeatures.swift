// What a client says it can do. GDB manual, "Remote Serial Protocol", General Query Packets: qSupported.
//
// Features that change nothing for a machine without processes are not kept: qRelocInsn, xmlRegisters, memory-tagging,
// fork-events, vfork-events, exec-events, QThreadEvents, QThreadOptions.

/// The features a client offered in `qSupported`.
package struct ClientFeatures: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Thread ids with a process, `p1.2`.
    package static let multiprocess = ClientFeatures(rawValue: 1 << 0)
    /// Understands `swbreak` in stop replies.
    package static let softwareBreakpoints = ClientFeatures(rawValue: 1 << 1)
    /// Understands `hwbreak` in stop replies.
    package static let hardwareBreakpoints = ClientFeatures(rawValue: 1 << 2)
    /// Understands `E.message` in answer to every packet.
    package static let errorMessages = ClientFeatures(rawValue: 1 << 3)
    /// Has read the manual about `vCont?`.
    package static let resumeActions = ClientFeatures(rawValue: 1 << 4)
    /// Understands the stop reply `N`.
    package static let noResumed = ClientFeatures(rawValue: 1 << 5)

    /// As written in the packet; the `+` says yes, where `-`, `?` and `=value` do not.
    private static let names: [(name: [UInt8], feature: ClientFeatures)] = [
        (Array("multiprocess+".utf8), .multiprocess),
        (Array("swbreak+".utf8), .softwareBreakpoints),
        (Array("hwbreak+".utf8), .hardwareBreakpoints),
        (Array("error-message+".utf8), .errorMessages),
        (Array("vContSupported+".utf8), .resumeActions),
        (Array("no-resumed+".utf8), .noResumed),
    ]

    /// The feature that `field` announces, if any.
    init(named field: ArraySlice<UInt8>) {
        self = Self.names.first { $0.name[...] == field }?.feature ?? []
    }
}
