// A virtual interrupt as a hypervisor keeps it, whether a list register has it or not.

import Primitives

/// The state of one interrupt of one guest.
package struct VirtualInterrupt: Equatable, Sendable {
    package let id: Int
    package var isEnabled = false
    package var isEdge: Bool
    package var isGroup1 = false
    package var priority: UInt8 = 0xa0
    /// The vCPU it goes to. KVM too makes one of several targets: the lowest.
    package var target: Int
    /// The input, as the virtual device holds it. With `physicalID`: that the physical one waits for the guest.
    package internal(set) var isLineHigh = false
    /// An edge or a software request that no list register has yet.
    package internal(set) var isLatched = false
    package internal(set) var isActive = false
    /// Of an SGI: the vCPUs that requested it and wait.
    package internal(set) var sources: UInt8 = 0
    package internal(set) var activeSource = 0
    /// The physical interrupt that stands behind it, which the guest's end deactivates.
    package internal(set) var physicalID: Int?
    /// The vCPU on whose list it is.
    package internal(set) var listedOn: Int?

    init(_ id: Int, target: Int) {
        self.id = id
        self.target = target
        isEdge = id < 16
        // An SGI is never disabled.
        isEnabled = id < 16
    }

    package var isPending: Bool { isLatched || !isEdge && isLineHigh }

    /// An SGI that takes more than one turn of a list register.
    var hasSeveralSources: Bool { id < 16 && sources.nonzeroBitCount + (isActive ? 1 : 0) > 1 }

    /// Which of the three ways it comes.
    package var flow: Flow {
        if id < 16 { return .softwareGenerated }
        return physicalID == nil ? .virtualDevice : .physicalDevice
    }

    /// The ways by which an interrupt comes to a guest.
    package enum Flow: Hashable, Sendable, CaseIterable {
        case physicalDevice
        case virtualDevice
        case softwareGenerated
    }
}

extension VirtualInterrupt.Flow: CustomStringConvertible {
    /// The word of `irq flows`.
    package var description: String {
        switch self {
        case .physicalDevice: "physical"
        case .virtualDevice: "virtual"
        case .softwareGenerated: "sgi"
        }
    }
}
