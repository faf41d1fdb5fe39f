import Debugger

// Stops of a vCPU that were not told, since another's came first.
extension Processor {
    /// A stop that others came before.
    struct Pending {
        let event: StopEvent
        /// What it is told for; once that is gone, it need not be told.
        var watchpoint: Arrangement.Watchpoint?
    }

    /// Another's stop came first: this one is told later, or happens again.
    func keep(_ event: StopEvent) {
        // arm64: a caught interrupt is met again at the first instruction of its handler, if it is still to be caught.
        let isMetAgain = machine.architecture == .arm64 && event.cause == .caught && isHandler(programCounter)
        if isMetAgain, !machine.tellsEach { return }
        if event.cause.happensOnce || machine.tellsEach { return pending.insert(Pending(event: event), at: 0) }
        if case .breakpoint(let address) = event.cause { hits.breakpoints[address]?.hits -= 1 }
    }
}

extension StopCause {
    /// Whether the stop would be lost if it were not told: a breakpoint is simply hit again.
    var happensOnce: Bool {
        switch self {
        case .held, .breakpoint, .stepped, .interrupted, .paused, .emulationFailure: false
        case .watchpoint, .caught, .tripleFault, .exceptionLoop, .hostFailure, .haltedForGood, .memoryFault, .reset,
            .ended:
            true
        }
    }
}
