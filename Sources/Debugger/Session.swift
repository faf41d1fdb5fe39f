import Architecture
import Primitives
import RemoteProtocol

/// One client's conversation: packets in, replies out, and what the client wants of the machine. Does no I/O; used by
/// the thread that serves the client, while the machine stands still.
package final class Session {
    /// What the client wants that only the machine's owner can do.
    package enum Demand: Equatable {
        case resume(ResumePlan)
        /// The client leaves and the machine goes on.
        case detach
        /// The client ends the machine.
        case kill
    }

    let target: any DebugTarget
    package internal(set) var framer = Framer(maximumPacketSize: Session.packetSize)
    var reply = Reply()
    var breakpoints = BreakpointTable()
    var catches: [Catch] = []
    var features: ClientFeatures = []
    /// The vCPU that `g`, `m` and their like mean (`Hg`), and the one that `c` and `s` mean (`Hc`); nil for all.
    var selected = 0
    var selectedToResume: Int?
    /// Why the machine stands still now.
    package internal(set) var stop: StopEvent
    var physicalMemory = false
    var listsThreadsInStops = false
    var wantsBareBinary = false
    var savedRegisters = SavedRegisters()
    /// The client speaks the extended protocol: it may run the program again.
    var isExtended = false
    let layout: RegisterLayout
    private var demand: Demand?
    /// Packets that came while the machine ran: answered when it has stopped.
    private var early: [[UInt8]] = []

    /// Bytes of the largest packet, either way.
    static let packetSize = 0x2_0000
    /// The one process there is.
    static let process = 1

    package init(_ target: any DebugTarget, stop: StopEvent) {
        self.target = target
        self.stop = stop
        layout = target.traits.layout
        selected = stop.processor
    }

    // MARK: - The conversation

    /// Takes received bytes; then call `next` until it returns nil.
    package func feed(_ bytes: ArraySlice<UInt8>) { framer.feed(bytes) }

    /// Answers packets until one makes a demand of the machine; nil when more input is needed. What to send gathers
    /// in `framer.outgoing`.
    package func next() -> Demand? {
        while let packet = nextPacket() {
            let command = Command(parsing: packet)
            reply.clear()
            if answer(command) { framer.frame(reply.bytes) }
            if command == .startNoAckMode { framer.acknowledges = false }
            if let demand {
                self.demand = nil
                return demand
            }
        }
        return nil
    }

    private func nextPacket() -> ArraySlice<UInt8>? {
        if !early.isEmpty { return early.removeFirst()[...] }
        while let event = framer.next() {
            if case .packet(let packet) = event { return packet }
        }
        return nil
    }

    /// While the machine runs: whether what was fed asks for a stop. Packets wait until then.
    package func interrupts() -> Bool {
        while let event = framer.next() {
            switch event {
            case .interrupt: return true
            case .packet(let packet) where packet.elementsEqual("vCtrlC".utf8):
                framer.frame(Array("OK".utf8))
                return true
            case .packet(let packet): early.append(Array(packet))
            case .ack, .nak, .badChecksum, .oversized: continue
            }
        }
        return false
    }

    /// The client has been sent the first `count` bytes of `framer.outgoing`.
    package func sent(_ count: Int) { framer.sent(count) }

    /// The machine stopped: tells the client, who waits for it.
    package func report(_ event: StopEvent) {
        stop = event
        selected = event.processor
        selectedToResume = nil
        if let account = event.account { console(account + "\n") }
        reply.clear()
        writeStop(event)
        framer.frame(reply.bytes)
    }

    /// The client is gone: nothing of its stays behind.
    package func close() {
        catches = []
        for request in breakpoints.requests { try? remove(request) }
        try? target.arrange(Arrangement())
    }

    /// Shows the user a line at once.
    func console(_ text: String) {
        var output = Reply()
        output.console(Array(text.utf8)[...])
        framer.frame(output.bytes)
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
        case .mustReplyEmpty, .traceStatus, .sectionOffsets: break
        case .errorStrings: enableErrorStrings()
        case .nonStop(let on): on ? reply.error(.unsupported, "non-stop mode is not offered") : reply.ok()
        case .attached: reply.text("1")
        case .detach: leave(.detach)
        case .kill: return end()
        case .killProcess(let process): killProcess(process)
        case .restart: return restart()
        case .run: answerRun()
        case .attach: writeStop(stop)
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
        case .stopReason: writeStop(stop)
        case .nextStop: reply.ok()
        case .interrupt: reply.ok()
        case .resumeActions: reply.text("vCont;c;C;s;S;t;r")
        case .resume(let actions): return resume(actions)
        case .resumeSelected(let action, let address): return resumeSelected(action, at: address)
        case .insertBreakpoint(let request): answerRefusal { () throws(Refusal) in try insert(request) }
        case .removeBreakpoint(let request): answerRefusal { () throws(Refusal) in try remove(request) }
        case .threadSuffix: reply.ok()
        case .threadsInStopReply: listThreadsInStops()
        case .hostInfo: answerHostInfo()
        case .processInfo: answerProcessInfo()
        case .registerInfo(let number): answerRegisterInfo(number)
        case .threadsInfo: answerThreadsInfo()
        case .threadStopInfo(let thread): answerThreadStopInfo(thread)
        case .saveRegisters(let thread): saveRegisters(thread)
        case .restoreRegisters(let state, let thread): restoreRegisters(state, thread)
        case .stepMaskBits: reply.text("ENABLE=1,NOIRQ=2,NOTIMER=4")
        case .stepMask: reply.text("0x7")
        case .setStepMask(let mask): mask == 7 ? reply.ok() : reply.error(.unsupported, "only 0x7 is offered")
        case .physicalMemoryMode: reply.text(physicalMemory ? "1" : "0")
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

    private func leave(_ demand: Demand) {
        reply.ok()
        make(demand)
    }

    /// k: the end, of which LLDB wants to be told.
    private func end() -> Bool {
        make(.kill)
        if listsThreadsInStops { reply.stop(.killed(.kill, process: nil)) }
        return listsThreadsInStops
    }

    private func extend() {
        isExtended = true
        reply.ok()
    }

    /// vKill: the end, but for a client that stays to run something again: that is the kernel from its start.
    private func killProcess(_ process: Int) {
        guard process == Self.process else { return reply.error(.noThread, "there is only process \(Self.process)") }
        if isExtended { answerRefusal { () throws(Refusal) in try reset() } } else { leave(.kill) }
    }

    /// R: back to the start, without a reply.
    private func restart() -> Bool {
        try? reset()
        return false
    }

    /// vRun: the same kernel from its start; there is no other program to run.
    private func answerRun() {
        do throws(Refusal) {
            try reset()
            writeStop(stop)
        } catch {
            reply.error(.invalid, error.reason)
        }
    }

    /// Brings the machine back to its first instruction, where it stands still.
    func reset() throws(Refusal) {
        try target.reset()
        stop = StopEvent(.held, on: 0)
        selected = 0
        selectedToResume = nil
    }

    private func setPhysicalMemory(_ on: Bool) {
        physicalMemory = on
        reply.ok()
    }

    private func enableErrorStrings() {
        reply.errorStyle = .numberAndMessage
        reply.ok()
    }

    private func listThreadsInStops() {
        listsThreadsInStops = true
        reply.ok()
    }
}
