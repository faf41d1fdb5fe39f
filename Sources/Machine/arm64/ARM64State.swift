import KVM
import Primitives

/// What an arm64 vCPU needs between two exits, besides what KVM keeps.
struct ARM64State {
    /// Where a watchpoint register stopped this vCPU, before the access: a resume from there steps over it first.
    var watchpointStop: VirtualAddress?
    /// A step did not end, and KVM still has it.
    var hasUnfinishedStep = false
    /// It was switched off at its last stop; another processor may switch it on.
    var isOff = false
    /// The levels of its own devices that the built-in interrupt controller knows.
    var deviceLevels: DeviceInterrupts = []
    /// Its interrupt inputs as KVM has them.
    var drivenInputs: ArmInputs = []

    /// As after power-up: only the first vCPU is on.
    mutating func reset(isOff: Bool) {
        self = ARM64State()
        self.isOff = isOff
        hasUnfinishedStep = true
    }
}
