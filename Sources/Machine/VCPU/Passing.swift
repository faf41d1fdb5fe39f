import Architecture
import Debugger
import KVM
import Primitives

// Getting past a breakpoint, and what else a vCPU does while no other one runs. That is the third guard of shared state,
// beside the baton (see Gate) and the locks: within `whileOthersWait` a running vCPU's thread may change guest memory that is
// planted, KVM's memory slots, and its filters.
extension Processor {
    /// Whether the program counter is still where the last stop was reported.
    var isAtReported: Bool {
        if let stop = arm64.watchpointStop, stop == programCounter { return true }
        guard let address = breakpoints.reported, address == programCounter else { return false }
        return machine.hasBreakpoint(at: address) || isHandler(address)
    }

    /// Passes the breakpoint that the last stop here was for, while the others are still stopped.
    func passReported() -> StopEvent? {
        guard isAtReported else { return nil }
        return whileMoving { () throws(KVMError) in try deferringKicks { () throws(KVMError) in try pass() } }
    }

    /// Passes the breakpoint at the program counter while no other vCPU runs; an event where that was more than a step.
    func passAlone() throws(KVMError) -> StopEvent? { try whileOthersWait { () throws(KVMError) in try pass() } }

    /// Runs `body` and defers kicks until it is done.
    private func deferringKicks<R>(_ body: () throws(KVMError) -> R) throws(KVMError) -> R {
        loop.passLimit = PassLimit()
        signals.mayBeStuck.store(true, ordering: .relaxed)
        breakpoints.reported = nil
        defer {
            loop.passLimit = nil
            signals.mayBeStuck.store(false, ordering: .relaxed)
            if loop.hasDeferredKick { vcpu.repeatKick() }
            loop.hasDeferredKick = false
        }
        return try body()
    }

    /// Runs `body`, in the midst of handling an exit, while no other vCPU runs.
    func whileOthersWait<R>(_ body: () throws(KVMError) -> R) throws(KVMError) -> R {
        // A breakpoint is being passed: the others are stopped already.
        if isPassing { return try body() }
        return try machine.gate.exclusively(index) { () throws(KVMError) in try deferringKicks(body) }
    }
}
