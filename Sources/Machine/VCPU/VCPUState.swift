import Architecture
import Debugger
import Host
import Interrupts
import KVM
import Primitives
import Synchronization

// The state of a vCPU, in values with one job each. What belongs to one architecture is in X86State and ARM64State.

/// How `Processor.registers` relate to KVM's.
struct RegisterSync {
    /// The registers in the run page are older than KVM's: also before the first exit, which brings some.
    var isPageStale = true
    /// `registers` has the general and system ones of the last exit.
    var isCurrent = false
}

/// What KVM_SET_GUEST_DEBUG got last.
struct DebugControl {
    var armed = GuestDebug()
    /// False when KVM may have something else by now.
    var isArmed = true
}

/// What the vCPU's thread does between two stops.
struct RunLoop: ~Copyable {
    /// The last order.
    var action = ResumePlan.Action.stay
    /// Reported at this vCPU's next turns, without running.
    var pendingStops: [PendingStop] = []
    /// Of the vCPUs that run, this one is interrupted by the debugger's socket.
    var isListening = false
    /// The kernel's id of the thread.
    var thread: Int32 = 0
    var alarm: Alarm?
    /// It has run since it was last marked as stopped (see PauseMark).
    var hasRun = false
    /// The general registers when the machine was last resumed, where others may run too.
    var startRegisters: [UInt8] = []
    /// Set while one instruction is being passed: that is one step, and nothing comes between until the limit is reached.
    var passLimit: PassLimit?
    /// A kick came while an instruction was being passed.
    var hasDeferredKick = false
    /// `monitor catch hlt`: where this vCPU was last reported to be halted, while it has not moved since. On arm64, where
    /// it was at the last look.
    var lastHalt: VirtualAddress?
}

/// The breakpoints around the program counter, and those that no client knows of.
struct BreakpointState {
    /// Where a breakpoint stopped this vCPU: a resume from there steps over it first.
    var reported: VirtualAddress?
    /// Where the guest's own instruction lies in place of a planted one now.
    var lifted: VirtualAddress?
    /// The page tables by which breakpoints were last planted anew.
    var followedPaging: X86Paging?
    /// Hidden breakpoints on the guest's exception handlers.
    var handlers = HandlerWatch()
}

/// Interrupts on their way from the built-in controllers to KVM (see InterruptDelivery+x86.swift).
struct InterruptDelivery {
    /// Whether the vCPU runs, sleeps or is to be started.
    var activity = VCPU.Activity.runnable
    /// An interrupt may be pending that it could not take yet.
    var mayHavePending = true
    /// KVM has one that it has not taken to the guest.
    var isInjected = false
    /// KVM may have an NMI that it has not taken to the guest.
    var mayHaveNMI = false
    /// A vector that was acknowledged and that KVM had no room for; injected at a later entry.
    var queuedVector: UInt8?
    /// When the last tick of Linux's was taken, in nanoseconds of Clock.monotonic.
    var tickTaken: UInt64 = 0
    /// CR8 as KVM and the model both have it.
    var taskPriority: UInt8 = 0
    /// A caught interrupt that is being delivered to its handler.
    var caught: InterruptEvent?
}

/// What other threads read or change while the vCPU runs. A class, since Swift 6.0.3 fails to compile a structure of these in
/// the release configuration.
final class ThreadSignals: Sendable {
    /// Calls the thread out of the guest. Set before any other thread needs it (see `live`).
    let kick = Mutex<Kick?>(nil)
    /// HaltWatch calls a vCPU that passes an instruction, so that the limit is checked.
    let mayBeStuck = Atomic<Bool>(false)
    /// It was found halted with interrupts off (see HaltWatch).
    let isHaltedForGood = Atomic<Bool>(false)
    /// The interrupt controllers have something new for it.
    let interruptsChanged = Atomic<Bool>(true)
    let interruptCalls = Mutex(InterruptCalls())
}

/// What `monitor` counts on this vCPU.
struct Counts: Sendable {
    var exits = ExitStatistics()
    var hits = HitCounts()
}
