import Debugger
import KVM

// What a vCPU does in its guest architecture's own way: arm64's is in the folder of that name.
extension Processor {
    /// Executes the next instruction, and never lands in an interrupt handler unless asked to: nil where the machine stops
    /// before it is done.
    func step() throws(KVMError) -> StopEvent? {
        try storeChangedRegisters()
        return switch machine.architecture {
        case .x86_64: try stepX86()
        case .arm64: try stepArm()
        }
    }

    /// Goes past the instruction of a breakpoint, or of a watchpoint that is told before the access, into the handler
    /// where it calls one; nil when that is done.
    func pass() throws(KVMError) -> StopEvent? {
        try storeChangedRegisters()
        return switch machine.architecture {
        case .x86_64: try passX86()
        case .arm64: try passArm()
        }
    }

    /// Makes the vCPU ready to run, however long that takes; an outcome where the machine wants something else first.
    func prepareToRun(_ stepping: Stepping) throws(KVMError) -> Outcome? {
        switch machine.architecture {
        case .x86_64: try makeReadyX86(stepping)
        case .arm64: try makeReadyArm()
        }
    }

    /// Follows the guest to where it has put its handlers, for what is caught there: before each entry.
    func watchHandlers(_ stepping: Stepping = .run) throws(KVMError) {
        switch machine.architecture {
        case .x86_64: try watchInterruptTable(stepping)
        case .arm64: try watchVectors()
        }
    }

    /// What KVM is to be told of breakpoints, watchpoints and steps.
    func guestDebug(_ stepping: Stepping) -> GuestDebug {
        switch machine.architecture {
        case .x86_64: x86GuestDebug(stepping)
        case .arm64: armGuestDebug(stepping)
        }
    }

    /// The stop for a vCPU that takes exceptions for ever, where that does not exit by itself.
    func exceptionLoop() throws(KVMError) -> StopEvent? {
        switch machine.architecture {
        case .x86_64: nil
        case .arm64: try armExceptionLoop()
        }
    }

    /// At its stop: what others may change about it while it stands still.
    func noteActivity() {
        switch machine.architecture {
        case .x86_64: break
        case .arm64: noteArmActivity()
        }
    }

    /// Does what an exit asks for, and says how it goes on.
    func handle(_ exit: Exit) throws(KVMError) -> Outcome {
        switch machine.architecture {
        case .x86_64: try handleX86(exit)
        case .arm64: try handleArm(exit)
        }
    }
}
