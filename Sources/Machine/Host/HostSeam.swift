import KVM

// What a host is asked in its own architecture's way.
extension Probe {
    /// What this host can do for guests of its own architecture.
    static func host(_ system: borrowing System) throws(KVMError) -> HostDebugCapabilities {
        switch System.architecture {
        case .x86_64: try run(system)
        case .arm64: try ArmProbe.run(system)
        }
    }
}

extension HostDebugCapabilities {
    /// Each finding with what it means, for `doctor` and `monitor capabilities`: one table for both and for JSON.
    package var findings: [(key: String, question: String, answer: String, advice: String?)] {
        switch System.architecture {
        case .x86_64: x86Findings
        case .arm64: armFindings
        }
    }
}
