import Architecture
import Primitives

/// What an x86 vCPU needs between two exits, besides what KVM keeps.
struct X86State {
    /// A step over MOV SS met an INT3, which exits before the step's trap: the processor keeps that for the next entry
    /// (Intel SDM volume 3, sections 6.8.3 and 27.3.4), where it is to be dropped.
    var hasPendingStepTrap = false
    /// An INT n that was completed here, until the guest is seen to have gone on.
    var completed: (instruction: X86InterruptInstruction, at: VirtualAddress)?
    /// A user-mode step ended otherwise, and flags that the guest has saved still have the trap flag.
    var hasStrayTrapFlag = false
    /// The guest's own INT3 under a breakpoint that is being passed.
    var ownBreakpoint: VirtualAddress?
    /// A breakpoint whose instruction faulted while it was passed: it is not reported again when the instruction is
    /// retried with the same stack.
    var interruptedPass: (at: VirtualAddress, stack: UInt64)?
    /// A caught register's access is being executed by the guest itself (see `accessUnfiltered`).
    var isUnfiltered = false
    /// A step that must run and that a pause of the machine has interrupted.
    var pausedRun: Stepping.Destination?

    /// Executes instructions that KVM does not emulate; made when it is first needed, on this vCPU's thread.
    var helper: UserModeHelper?

    /// As after power-up.
    mutating func reset() {
        let helper = helper
        self = X86State()
        self.helper = helper
    }
}
