// The register space of the local APIC: Intel SDM volume 3, tables 11-1 (xAPIC, memory) and 11-6 (x2APIC, MSRs). The
// same numbers serve both: an offset in the page is 16 times the number, an MSR is 0x800 more.

import Primitives

extension LocalAPIC {
    /// A register, decoded once.
    enum Register: Hashable {
        case id
        case version
        case taskPriority
        case arbitrationPriority
        case processorPriority
        case endOfInterrupt
        case logicalDestination
        case destinationFormat
        case spuriousVector
        /// One of the eight words.
        case inService(Int)
        case triggerMode(Int)
        case interruptRequest(Int)
        case errorStatus
        case command
        case commandHigh
        case local(LocalVector.Source)
        case initialCount
        case currentCount
        case divide
        case selfInterrupt

        /// Nil for a reserved number.
        init?(number: Int) {
            switch number {
            case 0x02: self = .id
            case 0x03: self = .version
            case 0x08: self = .taskPriority
            case 0x09: self = .arbitrationPriority
            case 0x0a: self = .processorPriority
            case 0x0b: self = .endOfInterrupt
            case 0x0d: self = .logicalDestination
            case 0x0e: self = .destinationFormat
            case 0x0f: self = .spuriousVector
            case 0x10...0x17: self = .inService(number - 0x10)
            case 0x18...0x1f: self = .triggerMode(number - 0x18)
            case 0x20...0x27: self = .interruptRequest(number - 0x20)
            case 0x28: self = .errorStatus
            case 0x30: self = .command
            case 0x31: self = .commandHigh
            case 0x38: self = .initialCount
            case 0x39: self = .currentCount
            case 0x3e: self = .divide
            case 0x3f: self = .selfInterrupt
            default:
                guard let source = LocalVector.Source(rawValue: number << 4), source != .correctedMachineCheck else {
                    return nil
                }
                self = .local(source)
            }
        }

        /// Whether the register exists in this form of access.
        func exists(inX2APIC isX2APIC: Bool) -> Bool {
            switch self {
            case .arbitrationPriority, .destinationFormat, .commandHigh: !isX2APIC
            case .selfInterrupt: isX2APIC
            default: true
            }
        }

        var isReadable: Bool { self != .endOfInterrupt && self != .selfInterrupt }

        var isWritable: Bool {
            switch self {
            case .version, .arbitrationPriority, .processorPriority, .inService, .triggerMode, .interruptRequest,
                .currentCount:
                false
            default: true
            }
        }

        /// The bits that a write may have set in x2APIC mode, where any other means #GP (section 11.12.1.3). None for
        /// what is read-only there.
        func allowedBits(_ features: Features) -> UInt64 {
            switch self {
            case .taskPriority, .selfInterrupt: 0xff
            case .spuriousVector: features.suppressesEOI ? 0x13ff : 0x3ff
            // Delivery mode 10...8, destination mode 11, status 12, level 14, trigger 15, shorthand 19...18.
            case .command: 0xffff_ffff_000c_dfff
            case .initialCount: 0xffff_ffff
            case .divide: 0xb
            case .local(let source): UInt64(source.writableBits(features) | source.statusBits)
            default: 0
            }
        }
    }
}

extension LocalVector.Source {
    /// What a write can change (SDM volume 3, figure 11-8).
    func writableBits(_ features: LocalAPIC.Features) -> UInt32 {
        switch self {
        case .timer: features.hasDeadlineTimer ? 0x7_00ff : 0x3_00ff
        case .lint0, .lint1: 0x1_a7ff
        case .performance, .thermal, .correctedMachineCheck: 0x1_07ff
        case .error: 0x1_00ff
        }
    }

    /// What is read-only: the delivery status, and the remote IRR of the two pins.
    var statusBits: UInt32 { self == .lint0 || self == .lint1 ? 0x5000 : 0x1000 }

    /// Its place in a table of all.
    var index: Int {
        switch self {
        case .timer: 0
        case .thermal: 1
        case .performance: 2
        case .lint0: 3
        case .lint1: 4
        case .error: 5
        case .correctedMachineCheck: 6
        }
    }
}
