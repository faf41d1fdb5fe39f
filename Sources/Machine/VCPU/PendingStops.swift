import Debugger

// Stops of a vCPU that are not reported yet, since another's came first.

/// A stop that others came before.
struct PendingStop {
    let event: StopEvent
    /// What it reports; once that is removed, it is dropped.
    var watchpoint: Arrangement.Watchpoint?
}

extension Processor {
    /// Another's stop came first: this one is reported later, or happens again.
    func keep(_ event: StopEvent) {
        if recurs(event), !machine.runState.reportsEachStop { return }
        if event.cause.happensOnce || machine.runState.reportsEachStop {
            return loop.pendingStops.insert(PendingStop(event: event), at: 0)
        }
        if case .breakpoint(let address) = event.cause { counts.hits.breakpoints[address]?.hits -= 1 }
    }
}

extension StopCause {
    /// Whether the stop would be lost if it were not reported: a breakpoint is simply hit again.
    var happensOnce: Bool {
        switch self {
        case .held, .breakpoint, .stepped, .interrupted, .paused, .emulationFailure: false
        case .watchpoint, .caught, .tripleFault, .exceptionLoop, .hostFailure, .haltedForGood, .memoryFault, .panicked,
            .biosCall, .reset, .ended:
            true
        }
    }
}
