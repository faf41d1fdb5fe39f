import KVM
import Primitives

/// Learns what an arm64 host's KVM can do. What it says is taken for true: unlike x86's, one that debugs guests debugs
/// all of their levels.
enum ArmProbe {
    static func run(_ system: borrowing System) throws(KVMError) -> HostDebugCapabilities {
        var found = HostDebugCapabilities()
        var level = HostDebugCapabilities.Level()
        level.breakpoint = .debugExit
        level.singleStep = true
        level.executionBreakpoint = system.breakpointCount > 0
        level.dataBreakpoint = system.watchpointCount > 0
        (found.kernel, found.user, found.real) = (level, level, level)
        (found.userInterrupts, found.userSystemCalls, found.step.persists) = (true, true, true)
        found.arm64.breakpointCount = system.breakpointCount
        found.arm64.watchpointCount = system.watchpointCount
        found.maximumProcessors = max(1, system.maximumVCPUs)
        found.arm64.reportsDeviceInterrupts = system.reportsDeviceInterrupts
        let vm = try system.makeVM()
        found.arm64.interruptControllers = [VGIC.Version.v2, .v3].filter { VGIC.isAvailable($0, in: vm) }
        return found
    }
}

extension HostDebugCapabilities {
    /// As `findings`, for arm64 hosts.
    var armFindings: [(key: String, question: String, answer: String, advice: String?)] {
        func yes(_ value: Bool) -> String { value ? "yes" : "no" }
        func has(_ version: VGIC.Version) -> Bool { arm64.interruptControllers.contains(version) }
        return [
            ("breakpoint_registers", "breakpoint registers", "\(arm64.breakpointCount)", nil),
            ("watchpoint_registers", "watchpoint registers", "\(arm64.watchpointCount)", nil),
            (
                "vgic_v2", "a GICv2 in the kernel", yes(has(.v2)),
                has(.v2) ? nil : "guests with a GICv2 take the built-in model"
            ),
            ("vgic_v3", "a GICv3 in the kernel", yes(has(.v3)), nil),
            (
                "device_levels", "timers' levels come with each exit", yes(arm64.reportsDeviceInterrupts),
                arm64.reportsDeviceInterrupts ? nil : "the built-in GICv2 needs that: Linux 4.13 or later"
            ),
            ("maximum_processors", "vCPUs at most", "\(maximumProcessors)", nil),
        ]
    }
}
