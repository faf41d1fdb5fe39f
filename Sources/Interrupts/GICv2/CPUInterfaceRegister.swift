// The register space of a CPU interface: Arm IHI 0048B, table 4-2. All are 32 bits wide and take nothing else.

import Primitives

extension CPUInterface {
    /// A register, decoded once.
    enum Register: Hashable {
        case control
        case priorityMask
        case binaryPoint
        case acknowledge
        case endOfInterrupt
        case runningPriority
        case highestPending
        case aliasedBinaryPoint
        case aliasedAcknowledge
        case aliasedEndOfInterrupt
        case aliasedHighestPending
        case activePriorities(word: Int)
        case groupOneActivePriorities(word: Int)
        case identification
        case deactivate

        /// Nil for a hole, and for an offset inside a register.
        init?(offset: Int, _ configuration: GICv2.Configuration) {
            let hasAliases = configuration.has(.aliases)
            switch offset {
            case 0x00: self = .control
            case 0x04: self = .priorityMask
            case 0x08: self = .binaryPoint
            case 0x0c: self = .acknowledge
            case 0x10: self = .endOfInterrupt
            case 0x14: self = .runningPriority
            case 0x18: self = .highestPending
            case 0x1c: self = .aliasedBinaryPoint
            case 0x20 where hasAliases: self = .aliasedAcknowledge
            case 0x24 where hasAliases: self = .aliasedEndOfInterrupt
            case 0x28 where hasAliases: self = .aliasedHighestPending
            case 0xd0, 0xd4, 0xd8, 0xdc: self = .activePriorities(word: (offset - 0xd0) >> 2)
            case 0xe0, 0xe4, 0xe8, 0xec: self = .groupOneActivePriorities(word: (offset - 0xe0) >> 2)
            case 0xfc: self = .identification
            case 0x1000: self = .deactivate
            default: return nil
            }
        }

        var isReadable: Bool {
            switch self {
            case .endOfInterrupt, .aliasedEndOfInterrupt, .deactivate: false
            default: true
            }
        }

        var isWritable: Bool {
            switch self {
            case .acknowledge, .runningPriority, .highestPending, .aliasedAcknowledge, .aliasedHighestPending,
                .identification:
                false
            default: true
            }
        }
    }
}
