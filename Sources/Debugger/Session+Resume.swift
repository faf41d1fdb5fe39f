import Architecture
import Primitives
import RemoteProtocol

// Going on, and what is said when the machine has stopped.
extension Session {
    /// vCont: each vCPU does the first action that names it; one that none names stays. False: no reply yet.
    func resume(_ actions: [ThreadAction]) -> Bool {
        guard attachment == .attached else {
            refuseUnattached()
            return true
        }
        if nonStop != nil {
            move(actions)
            reply.ok()
            return true
        }
        var plan = ResumePlan(actions: [])
        for processor in 0..<processorCount {
            let action = actions.first { $0.thread.matches(process: Self.process, thread: processor + 1) }?.action
            plan.actions.append(action.map(planned) ?? .stay)
        }
        return go(plan)
    }

    /// `c`, `s`, `C`, `S`: the selected vCPU does it and, where it is stepping, the others wait.
    func resumeSelected(_ action: ResumeAction, at address: VirtualAddress?) -> Bool {
        guard attachment == .attached else {
            refuseUnattached()
            return true
        }
        let count = processorCount
        let processor = client.selectedToResume ?? selected
        if let address {
            var file = target.registers(of: processor, having: RegisterBlocks())
            file.set(layout.registers[layout.programCounter], to: address.rawValue)
            do throws(Refusal) { try target.setRegisters(file, of: processor) } catch {
                reply.error(.invalid, error.reason)
                return true
            }
        }
        if nonStop != nil { return resume([ThreadAction(action, threadID(processor))]) }
        var plan = ResumePlan(actions: [ResumePlan.Action](repeating: .stay, count: count))
        if planned(action) == .run && client.selectedToResume == nil { plan = .run(count) }
        plan.actions[processor] = planned(action)
        return go(plan)
    }

    private func go(_ plan: ResumePlan) -> Bool {
        guard plan.actions.contains(where: { $0 != .stay }) else {
            reply.error(.invalid, "vCont resumes no thread")
            return true
        }
        if early.isInterruptPending { return answerPendingInterrupt(plan) }
        // It places the image anew: what is planted comes after. Where it fails, the machine reports it at the resume.
        try? target.completeReset()
        // Someone who only steps cannot run into what is not planted under it.
        if plan.actions.contains(.run) { replant() }
        arrangeChanges()
        make(.resume(plan))
        return false
    }

    /// Reports the Ctrl-C that came before this resume, on a vCPU that was to step or move, and moves none. As gdbserver does.
    private func answerPendingInterrupt(_ plan: ResumePlan) -> Bool {
        early.isInterruptPending = false
        let movers = plan.actions.indices.filter { plan.actions[$0] != .stay }
        let stepper = movers.first { plan.actions[$0] != .run }
        let processor = stepper ?? (movers.contains(stop.processor) ? stop.processor : movers[0])
        becomeStopped(by: StopEvent(.interrupted, on: processor))
        reply.stop(stopReply(stop))
        return true
    }

    /// Signals mean nothing to a machine: it resumes without them.
    func planned(_ action: ResumeAction) -> ResumePlan.Action {
        switch action {
        case .resume, .resumeWithSignal: .run
        case .step, .stepWithSignal: .step
        case .stepRange(let range): .stepRange(range)
        case .stop: .stay
        }
    }

    func stopReply(_ event: StopEvent) -> StopReply {
        if case .ended(let ending) = event.cause {
            return .exited(status: ending.status, process: client.features.contains(.multiprocess) ? Self.process : nil)
        }
        var stop = Stop(event.cause.signal, thread: threadID(event.processor), core: event.processor)
        stop.reason = reason(event.cause)
        stop.registers = expedited(of: event.processor)
        if client.listsThreadsInStops { stop.details = details(of: event.processor, listingThreads: true) }
        return .stopped(stop)
    }

    private func reason(_ cause: StopCause) -> Stop.Reason? {
        switch cause {
        case .breakpoint(let address):
            if breakpoints.has(.hardware, at: address) {
                return client.features.contains(.hardwareBreakpoints) ? .hardwareBreakpoint : nil
            }
            return client.features.contains(.softwareBreakpoints) ? .softwareBreakpoint : nil
        case .watchpoint(.write, let address): return .writeWatchpoint(address)
        case .watchpoint(.read, let address): return .readWatchpoint(address)
        case .watchpoint(.readWrite, let address): return .accessWatchpoint(address)
        default: return nil
        }
    }
}
