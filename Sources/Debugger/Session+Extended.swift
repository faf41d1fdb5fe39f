import RemoteProtocol

// The machine as the client's process: attaching, detaching, killing, starting again. GDB manual, "Connecting to a Remote
// Target" (extended-remote) and "Packets": `!`, `D`, `k`, `R`, `vAttach`, `vKill`, `vRun`.
//
// A client of the extended protocol stays when it has detached, when the guest has ended, and when it has killed it: it
// can attach to the machine again, or run it from its start. With the plain protocol each of these ends the connection,
// the last two the machine as well.

/// What a client has of the machine.
enum Attachment: Equatable {
    /// The machine is its process.
    case attached
    /// It has detached, and the machine runs. For its packets the machine pauses.
    case detached(ResumePlan.Action)
    /// It has detached, killed the machine or seen it end, and the machine is stopped.
    case none
}

extension Session {
    /// Whether the client stays connected when the guest has ended.
    package var outlivesEnd: Bool { client.isExtended }

    /// How the guest has ended, where it has.
    package var ending: Ending? { if case .ended(let ending) = stop.cause { ending } else { nil } }

    /// Whether the machine runs without the client, which is still connected.
    package var isDetached: Bool { if case .detached = attachment { true } else { false } }

    func extend() {
        client.isExtended = true
        reply.ok()
    }

    /// Whether `process`, if the client names one, is the machine; otherwise the refusal is the reply.
    func isMachine(_ process: Int?) -> Bool {
        if process == nil || process == Self.process { return true }
        reply.error(.noThread, "there is only process \(Self.process)")
        return false
    }

    /// D.
    func detach(_ process: Int?) {
        guard isMachine(process) else { return }
        guard client.isExtended else { return leave(.detach) }
        guard attachment == .attached else { return refuseUnattached() }
        close()
        attachment = .detached(.run)
        reply.ok()
    }

    /// vAttach: the machine where it is, and where it has ended, at its first instruction.
    func attach(_ process: Int) {
        guard isMachine(process) else { return }
        switch attachment {
        case .attached: break
        case .detached: beStopped()
        case .none:
            if case .ended = stop.cause {
                do throws(Refusal) { try reset() } catch { return reply.error(.invalid, error.reason) }
            }
            beStopped()
        }
        attachment = .attached
        if nonStop != nil { reply.ok() } else { reply.stop(stopReply(stop)) }
    }

    /// Every vCPU is stopped, for nothing that the client has been waiting for.
    private func beStopped() {
        if isDetached { stop = StopEvent(.held, on: stop.processor) }
        selected = stop.processor
        client.selectedToResume = nil
        if nonStop != nil { nonStop = NonStop(stopped: stop, processors: processorCount) }
    }

    /// k: without a reply, but for LLDB.
    func kill() -> Bool {
        if client.isExtended { try? killMachine() } else { make(.kill) }
        if client.listsThreadsInStops { reply.stop(.killed(.kill, process: nil)) }
        return client.listsThreadsInStops
    }

    /// vKill.
    func kill(_ process: Int) {
        guard isMachine(process) else { return }
        guard client.isExtended else { return leave(.kill) }
        guard attachment != .none else { return refuseUnattached() }
        answerRefusal { () throws(Refusal) in try killMachine() }
    }

    /// The machine is at its start again, and belongs to no client.
    private func killMachine() throws(Refusal) {
        removeAll()
        try reset()
        attachment = .none
        beStopped()
    }

    /// R: back to the start, without a reply.
    func restart() -> Bool {
        if (try? reset()) != nil { attachment = .attached }
        return false
    }

    /// vRun: the same kernel from its start; there is no other program to run.
    func answerRun() {
        do throws(Refusal) {
            try reset()
            if attachment != .attached { beStopped() }
            attachment = .attached
            reply.stop(stopReply(stop))
        } catch {
            reply.error(.invalid, error.reason)
        }
    }

    func refuseUnattached() {
        reply.error(.noThread, "no process is attached; attach \(Self.process) or run gives one")
    }

    /// The machine stopped while the client has no process: no reply is due. What ends or stops it is found when
    /// the client attaches; a pause for a packet and a reset go on.
    func noteDetached(_ event: StopEvent) {
        stop = event
        switch event.cause {
        case .interrupted, .reset: break
        default: attachment = .none
        }
    }

    /// The guest has ended: under the extended protocol the client has no process any more, and its breakpoints are gone.
    func noteEnd() {
        guard client.isExtended else { return }
        attachment = .none
        removeAll()
    }

    /// `?` without a process: how the last one ended, as far as it did.
    func answerNoProcess() {
        if case .ended = stop.cause { return reply.stop(stopReply(stop)) }
        reply.stop(.exited(status: 0, process: nil))
    }

    private func leave(_ demand: Demand) {
        reply.ok()
        make(demand)
    }
}
