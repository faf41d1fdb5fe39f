import Architecture
import Primitives
import RemoteProtocol

/// One client's conversation: packets in, replies out, and what the client wants of the machine. Does no I/O; used by
/// the thread that serves the client, while the machine is stopped.
package final class Session {
    /// What the client wants that only the machine's owner can do.
    package enum Demand: Equatable {
        case resume(ResumePlan)
        /// The client leaves and the machine resumes.
        case detach
        /// The client ends the machine.
        case kill
    }

    let target: any DebugTarget
    package internal(set) var framer = Framer(maximumPacketSize: Session.packetSize)
    var reply = Reply()
    var breakpoints = BreakpointTable()
    var catches = CatchTable()
    /// What the client has chosen.
    var client = ClientState()
    /// The vCPU that `g`, `m` and their like mean (`Hg`).
    var selected = 0
    /// Why the machine is stopped now.
    package internal(set) var stop: StopEvent
    var attachment = Attachment.attached
    /// Nil in all-stop mode, where one stop is the whole machine's.
    var nonStop: NonStop?
    let layout: RegisterLayout
    let processorCount: Int
    var early = EarlyInput()
    private var demand: Demand?
    /// `next` ended because enough output is pending: send it, and call again before waiting for input.
    package private(set) var isBehind = false

    /// Bytes of output that are pending, and packets kept while the machine runs, from which on nothing more is taken.
    private static let (mostPending, mostEarly) = (1 << 20, 1 << 12)

    /// Bytes of the largest packet, either way.
    static let packetSize = 0x2_0000
    /// The one process there is.
    static let process = 1

    package init(_ target: any DebugTarget, stop: StopEvent) {
        self.target = target
        self.stop = stop
        let traits = target.traits
        layout = traits.layout
        processorCount = traits.processorCount
        selected = stop.processor
    }

    // MARK: - The conversation

    /// Takes received bytes; then call `next` until it returns nil.
    package func feed(_ bytes: ArraySlice<UInt8>) { framer.feed(bytes) }

    /// Answers packets until one makes a demand of the machine; nil when more input is needed. What to send gathers
    /// in `framer.outgoing`.
    package func next() -> Demand? {
        isBehind = false
        while let packet = nextPacket() {
            let command = Command(parsing: packet)
            reply.clear()
            if answer(command) { framer.frame(reply.bytes) }
            if command == .startNoAckMode { framer.acknowledges = false }
            sendNotification()
            if let demand {
                self.demand = nil
                return demand
            }
            if framer.outgoing.count >= Self.mostPending {
                isBehind = true
                return nil
            }
        }
        return nil
    }

    private func nextPacket() -> ArraySlice<UInt8>? {
        if !early.packets.isEmpty { return early.packets.removeFirst()[...] }
        while let event = framer.next() {
            switch event {
            case .packet(let packet): return packet
            case .interrupt: early.isInterruptPending = nonStop == nil && !isDetached
            case .ack, .nak, .badChecksum, .oversized: continue
            }
        }
        return nil
    }

    /// While the machine runs: whether what was fed asks for a stop. Packets wait until then; in non-stop mode, and while
    /// the client has detached, each of them asks for a pause.
    package func interrupts() -> Bool {
        while let event = framer.next() {
            switch event {
            case .interrupt where isDetached: continue
            case .interrupt where nonStop != nil:
                interruptFirst()
                sendNotification()
                return true
            case .interrupt: early.isInterruptPending = true
            case .packet(let packet) where nonStop == nil && packet.elementsEqual("vCtrlC".utf8):
                framer.frame(Array("OK".utf8))
                early.isInterruptPending = true
            case .packet(let packet):
                early.packets.append(Array(packet))
                // No client asks so much of a machine that runs: it stops and answers.
                if nonStop != nil || isDetached || early.packets.count >= Self.mostEarly { return true }
            case .ack, .nak, .badChecksum, .oversized: continue
            }
        }
        return early.isInterruptPending
    }

    /// The client has been sent the first `count` bytes of `framer.outgoing`.
    package func sent(_ count: Int) { framer.sent(count) }

    /// The machine stopped: reports it to the client, which waits for it.
    package func report(_ event: StopEvent) {
        if isDetached { return noteDetached(event) }
        if case .ended = event.cause { noteEnd() }
        if nonStop != nil {
            notify(event)
            return sendNotification()
        }
        // A state that the guest cannot leave by itself is explained once, not at each step in it.
        let isKnown = event == stop && event.cause.persists
        if event.cause == .interrupted { early.isInterruptPending = false }
        becomeStopped(by: event)
        if let explanation = event.explanation, !isKnown { console(explanation + "\n") }
        reply.clear()
        reply.stop(stopReply(event))
        framer.frame(reply.bytes)
    }

    /// All-stop mode: `event` is why the machine is stopped now, and its vCPU is the one that packets mean.
    func becomeStopped(by event: StopEvent) {
        stop = event
        selected = event.processor
        client.selectedToResume = nil
    }

    /// Whether text may be sent to the client while the machine moves: a client in non-stop mode, or without a process,
    /// takes none.
    package var takesConsoleOutput: Bool { nonStop == nil && attachment == .attached }

    /// The client is gone: nothing of its stays behind.
    package func close() {
        catches.all = []
        removeAll()
        arrangeChanges()
    }

    /// Shows the user some text at once, in as many packets as it takes.
    func console(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            var output = Reply()
            // Two digits a byte, behind an O.
            output.console(rest.prefix((Self.packetSize - 1) / 2))
            framer.frame(output.bytes)
            rest = rest.dropFirst((Self.packetSize - 1) / 2)
        }
    }

    func make(_ demand: Demand) { self.demand = demand }

    // MARK: - One line a command

    /// Handles a command; false when it has no reply, or not yet.
    private func answer(_ command: Command) -> Bool {
        switch command {
        case .unknown: break
        case .malformed(let reason): reply.error(reason)
        case .supported(let features): support(features)
        case .startNoAckMode, .symbols: reply.ok()
        case .extendedMode: extend()
        case .mustReplyEmpty, .traceStatus: break
        case .sectionOffsets: answerSectionOffsets()
        case .errorStrings: enableErrorStrings()
        case .nonStop(let on): setNonStop(on)
        case .attached(let process): if isMachine(process) { reply.text("1") }
        case .detach(let process): detach(process)
        case .kill: return kill()
        case .killProcess(let process): kill(process)
        case .restart: return restart()
        case .run: answerRun()
        case .attach(let process): attach(process)
        case .monitor(let text): monitor(text)
        case .selectThread(let operation, let thread): select(operation, thread)
        case .threadAlive(let thread): answerAlive(thread)
        case .currentThread: answerCurrentThread()
        case .firstThreads: reply.threads(allThreads)
        case .nextThreads: reply.lastThreads()
        case .threadExtraInfo(let thread): answerExtraInfo(thread)
        case .readRegisters(let thread): readRegisters(thread)
        case .writeRegisters(let bytes, let thread): writeRegisters(bytes, thread)
        case .readRegister(let number, let thread): readRegister(number, thread)
        case .writeRegister(let number, let bytes, let thread): writeRegister(number, bytes, thread)
        case .readMemory(let address, let count): readMemory(address, count, binary: false)
        case .readMemoryBinary(let address, let count): readMemory(address, count, binary: true)
        case .writeMemory(let address, let bytes): writeMemory(address, bytes)
        case .searchMemory(let address, let count, let pattern): searchMemory(address, count, pattern)
        case .checkMemory(let address, let count): checkMemory(address, count)
        case .memoryRegion(let address): answerMemoryRegion(address)
        case .transfer(let object, let annex, let offset, let count): transfer(object, annex, offset, count)
        case .stopReason: answerStopReason()
        case .nextStop: answerNextStop()
        case .interrupt: answerInterrupt()
        case .resumeActions: reply.text("vCont;c;C;s;S;t;r")
        case .resume(let actions): return resume(actions)
        case .resumeSelected(let action, let address): return resumeSelected(action, at: address)
        case .insertBreakpoint(let request): answerRefusal { () throws(Refusal) in try insert(request) }
        case .removeBreakpoint(let request): answerRefusal { () throws(Refusal) in try remove(request) }
        case .threadSuffix: reply.ok()
        case .threadsInStopReply: listThreadsInStops()
        case .hostInfo: answerHostInfo()
        case .processInfo(let process): if isMachine(process) { answerProcessInfo() }
        case .registerInfo(let number): answerRegisterInfo(number)
        case .threadsInfo: answerThreadsInfo()
        case .threadStopInfo(let thread): answerThreadStopInfo(thread)
        case .saveRegisters(let thread): saveRegisters(thread)
        case .restoreRegisters(let state, let thread): restoreRegisters(state, thread)
        case .emulatorFeatures: reply.text("sstepbits;sstep;PhyMemMode")
        case .stepMaskBits: reply.text("ENABLE=1,NOIRQ=2,NOTIMER=4")
        case .stepMask: reply.text(hexadecimal(client.stepMask.rawValue))
        case .setStepMask(let mask): answerRefusal { () throws(Refusal) in try setStepMask(mask) }
        case .physicalMemoryMode: reply.text(client.readsPhysicalMemory ? "1" : "0")
        case .setPhysicalMemoryMode(let on): setPhysicalMemory(on)
        }
        return true
    }

    /// Runs `body`: `OK`, or its refusal as an error.
    func answerRefusal(_ body: () throws(Refusal) -> Void) {
        do throws(Refusal) {
            try body()
            reply.ok()
        } catch {
            reply.error(.invalid, error.reason)
        }
    }

    /// Brings the machine back to its first instruction, where it is stopped.
    func reset() throws(Refusal) {
        try target.reset()
        becomeStopped(by: StopEvent(.held, on: 0))
        nonStop?.restart(at: stop)
    }

    /// vCtrlC while the machine is stopped, or in non-stop mode.
    private func answerInterrupt() {
        reply.ok()
        if nonStop == nil { early.isInterruptPending = true } else { interruptFirst() }
    }

    private func setPhysicalMemory(_ on: Bool) {
        client.readsPhysicalMemory = on
        reply.ok()
    }

    private func enableErrorStrings() {
        reply.errorStyle = .numberAndMessage
        reply.ok()
    }

    private func listThreadsInStops() {
        client.listsThreadsInStops = true
        reply.ok()
    }
}
