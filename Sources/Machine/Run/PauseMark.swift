import KVM

// A guest that was stopped for long finds that much time gone, and its lockup watchdogs fire. KVM's clock can be marked
// (KVM_KVMCLOCK_CTRL): the guest then starts them anew. Documentation/virt/kvm/api.rst, section 4.77.

/// When vCPUs are to be marked as stopped: once a stop, and not at each of many in a row, since a mark costs as much as an
/// eighth of a step and no watchdog fires in a tenth of a second.
struct PauseMark {
    /// Nanoseconds for which a mark is as good as a new one.
    static let lifetime: UInt64 = 100_000_000

    private var last: UInt64?
    private var isMarked = false

    /// At the stop, and again before the machine is resumed, at `now` in nanoseconds: whether vCPUs are to be marked.
    mutating func isDue(at now: UInt64) -> Bool {
        if isMarked { return false }
        if let last, now &- last < Self.lifetime { return false }
        (last, isMarked) = (now, true)
        return true
    }

    /// The machine is resumed.
    mutating func resume() { isMarked = false }
}

extension VirtualMachine {
    /// Marks every vCPU that has run since its last mark, if it is time.
    func markPause(at now: UInt64) {
        guard runState.marksPauses, processors.contains(where: { $0.loop.hasRun }), runState.pauseMark.isDue(at: now)
        else { return }
        for processor in processors where processor.loop.hasRun {
            processor.loop.hasRun = false
            // A guest without KVM's clock has nothing to mark.
            _ = try? processor.vcpu.markPause()
        }
    }
}
