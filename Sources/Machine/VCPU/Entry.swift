import Architecture
import Debugger
import KVM
import Primitives

// Entries into the guest, and what each exit leads to.
extension Processor {
    /// Runs as far as `stepping` says: the event that ends it, or nil when the machine is stopping.
    func enter(_ stepping: Stepping) throws(KVMError) -> StopEvent? {
        let outer = self.stepping
        self.stepping = stepping
        defer { self.stepping = outer }
        let isSingle = stepping.isSingle
        breakpoints.reported = nil
        // A step still needs it.
        if !isSingle { arm64.watchpointStop = nil }
        while true {
            if let outcome = try prepareToRun(stepping) {
                guard case .stop(let event) = outcome else { return nil }
                return event
            }
            // A step has looked already: its own breakpoint may be lifted.
            if !isSingle { try watchHandlers(stepping) }
            try arm(guestDebug(stepping))
            counts.exits.entering()
            let exit = try run()
            delivery.isInjected = false
            counts.exits.exited(vcpu.reason(of: exit))
            try forgetCompleted(exit)
            switch try handle(exit) {
            case .goOn:
                // KVM forgets a step when the instruction needed the VMM: it ends here, not one instruction later.
                if !isSingle { try followBreakpoints(after: exit) }
                if isSingle, exit.isAccess, let event = try finishStep(exit) { return event }
            case .pass where stepping.endsInHandler:
                // The instruction faulted: its handler is next.
                return StopEvent(.stepped, on: index)
            case .pass:
                if let event = try passAlone() { return event }
            case .park: return nil
            case .stop(let event):
                guard case .breakpoint(let address) = event.cause else { return event }
                // One that a step leads to is reported when the guest is resumed from it.
                if isSingle || stepping.endsInHandler && isHandler(address) { return StopEvent(.stepped, on: index) }
                counts.hits.breakpoints[address, default: HitCounts.Breakpoint()].hits += 1
                guard let programs = machine.arrangement.programs[address], try verdict(of: programs) == .goOn else {
                    return event
                }
                counts.hits.breakpoints[address]!.passed += 1
                if let event = try passAlone() { return event }
            }
        }
    }

    /// Completes a stepped instruction that accessed a device; nil where it is not done yet.
    private func finishStep(_ exit: Exit) throws(KVMError) -> StopEvent? {
        let start = exit.isRegisterAccess ? programCounter : nil
        while true {
            let exit = try complete()
            if exit == .interrupted {
                guard let start else { return StopEvent(.stepped, on: index) }
                // Behind a refused register the fault is still to come.
                try fetchRegisters()
                return programCounter == start ? nil : StopEvent(.stepped, on: index)
            }
            switch try handle(exit) {
            case .goOn where exit.isAccess: continue
            case .goOn: return nil
            case .park, .pass: return StopEvent(.stepped, on: index)
            case .stop(let event): return event
            }
        }
    }

    /// Ends KVM's own stepping, which would not let go of the trap flag. `next` is what is entered then.
    func disarmStep(before next: Stepping) throws(KVMError) {
        guard debugControl.armed.singleStep else { return }
        distrustDebugControl()
        try arm(guestDebug(next))
    }

    /// KVM may have lost what KVM_SET_GUEST_DEBUG gave it.
    func distrustDebugControl() { debugControl.isArmed = false }

    func arm(_ debug: GuestDebug) throws(KVMError) {
        if arm64.hasUnfinishedStep {
            try vcpu.setGuestDebug(GuestDebug())
            (arm64.hasUnfinishedStep, debugControl.isArmed) = (false, false)
        }
        guard
            !debugControl.isArmed || debug != debugControl.armed
                || (debug.singleStep && !machine.capabilities.step.persists)
        else { return }
        // KVM takes the guest's trap flag away with its own.
        let dropsTrapFlag = debugControl.armed.singleStep && !debug.singleStep && sync.isCurrent && hasTrapFlag
        try vcpu.setGuestDebug(debug)
        debugControl.armed = debug
        if dropsTrapFlag {
            registers.changed.formUnion(.general)
            try storeChangedRegisters()
        }
        debugControl.isArmed = true
    }

    enum Outcome {
        case goOn
        /// The instruction here is to be executed although a breakpoint stands on it.
        case pass
        case park
        case stop(StopEvent)
    }

    /// After an exit that the guest did not cause: why the vCPU was called out.
    func interrupted() throws(KVMError) -> Outcome {
        vcpu.clearKick()
        try machine.advance(on: self)
        if let limit = loop.passLimit {
            loop.hasDeferredKick = true
            return limit.isReached ? .stop(stuckEvent) : .goOn
        }
        if machine.gate.isStopping { return .park }
        if machine.gate.goesFirst(index) {
            try fetchRegisters()
            let isDone = try machine.gate.isLongTurn ? activity() != .runnable : hasGotSomewhere
            if isDone { machine.gate.letOthersGo(index) }
        }
        machine.gate.yieldExclusivity(index)
        if loop.isListening, machine.server.wantsStop() { return .stop(StopEvent(.interrupted, on: index)) }
        if let event = try caughtHalt() { return .stop(event) }
        return try machine.runState.haltWatch.examine(self).map { .stop($0) } ?? .goOn
    }

    /// The stop for an instruction that is never done.
    private var stuckEvent: StopEvent {
        try? fetchRegisters()
        let explanation =
            "vCPU \(index) does not get past one instruction: it takes exceptions without end, and is at "
            + "\(programCounter) now; monitor catch exception all stops at each"
        return StopEvent(.exceptionLoop, on: index, explanation: explanation)
    }
}
