// Messages between the controllers, and the local sources of each local APIC.

import Primitives

extension PCInterruptController {
    /// Who sends a message.
    enum Sender: Hashable {
        case processor(Int)
        /// A pin of the I/O APIC, by the name of its input.
        case line(InterruptNumber, by: InterruptEvent.Cause)
        case device
        case debugger

        var cause: InterruptEvent.Cause {
            switch self {
            case .processor: .otherProcessor
            case .line(_, let cause): cause
            case .device: .message
            case .debugger: .debugger
            }
        }

        fileprivate var processor: Int? { if case .processor(let cpu) = self { cpu } else { nil } }
    }

    /// A device writes `data` to `address`: nothing where that is no interrupt.
    package mutating func signal(address: UInt64, data: UInt32, at now: ModelTime) -> InterruptOutcome {
        var out = begin(at: now)
        guard let message = InterruptMessage(address: address, data: data) else { return out }
        if message.isLevel, !message.isAssert { return out }  // the end of a level: nothing keeps it up
        _ = send(message, from: .device, at: now, &out)
        return out
    }

    /// Sends `message` as if from nowhere, for a debugger: whether a local APIC accepted it.
    package mutating func inject(
        _ message: InterruptMessage, at now: ModelTime
    ) -> (isAccepted: Bool, outcome: InterruptOutcome) {
        var out = begin(at: now)
        let isAccepted = send(message, from: .debugger, at: now, &out)
        return (isAccepted, out)
    }

    /// The NMI line, LINT1 of every local APIC, has an edge.
    package mutating func pulseNonMaskable(at now: ModelTime) -> InterruptOutcome {
        var out = begin(at: now)
        for cpu in locals.indices { deliver(.lint1, cpu, at: now, &out) }
        return out
    }

    /// A local source of processor `cpu` interrupts: its thermal sensor, its performance counters.
    package mutating func raise(_ source: LocalVector.Source, _ cpu: Int, at now: ModelTime) -> InterruptOutcome {
        var out = begin(at: now)
        deliver(source, cpu, at: now, &out)
        return out
    }

    // MARK: On the bus

    /// Sends a message: whether a local APIC accepted it.
    mutating func send(
        _ message: InterruptMessage, from sender: Sender, at now: ModelTime, _ out: inout InterruptOutcome
    ) -> Bool {
        guard configuration.hasLocalAPICs else {
            out.messages.append(OutgoingMessage(message: message, sender: sender))
            return false  // `sent` learns whether
        }
        var targets = targets(of: message, sender)
        if targets.isEmpty, message.shorthand == .none { return drop(message, sender, .nobodyAddressed, at: now) }
        if message.isArbitrated {
            guard let one = arbitrate(targets) else { return drop(message, sender, .nobodyEnabled, at: now) }
            targets = ProcessorSet(one)
        }
        var isAccepted = false
        for cpu in targets where give(message, cpu, sender, at: now, &out) { isAccepted = true }
        if !isAccepted, message.hasVector, message.vector >= 16, !targets.isEmpty {
            return drop(message, sender, .nobodyEnabled, at: now)
        }
        return isAccepted
    }

    mutating func drop(
        _ message: InterruptMessage, _ sender: Sender, _ kind: GuestMistake.Kind, at now: ModelTime
    ) -> Bool {
        let number = if case .line(let number, _) = sender { number } else { InterruptNumber.vector(message.vector) }
        journal.record(InterruptEvent(.drop, number, vector: message.vector, cause: sender.cause, at: now))
        let mistake = GuestMistake(kind, processor: sender.processor, argument: UInt64(message.vector))
        journal.warnings.add(mistake, at: now)
        return false
    }

    /// Who is meant (Intel SDM volume 3, section 11.6.2). An APIC that is off hears nothing.
    func targets(of message: InterruptMessage, _ sender: Sender) -> ProcessorSet {
        var set = ProcessorSet()
        for cpu in locals.indices {
            let isMeant =
                switch message.shorthand {
                case .itself: cpu == sender.processor
                case .all: locals[cpu].mode != .disabled
                case .others: locals[cpu].mode != .disabled && cpu != sender.processor
                case .none: locals[cpu].isAddressed(by: message, isFromProcessor: sender.processor != nil)
                }
            if isMeant { set.insert(cpu) }
        }
        return set
    }

    /// The one with the lowest priority among those that are on; of equals the one after the last chosen (section
    /// 11.6.2.4).
    private mutating func arbitrate(_ candidates: ProcessorSet) -> Int? {
        var best: Int?
        for offset in 1...locals.count {
            let cpu = (lastArbitrated + offset) % locals.count
            guard candidates.contains(cpu), locals[cpu].isSoftwareEnabled else { continue }
            let priority = locals[cpu].processorPriority >> 4
            if let best, locals[best].processorPriority >> 4 <= priority { continue }
            best = cpu
        }
        if let best { lastArbitrated = best }
        return best
    }

    /// One local APIC gets the message: whether it accepted it.
    private mutating func give(
        _ message: InterruptMessage, _ cpu: Int, _ sender: Sender, at now: ModelTime, _ out: inout InterruptOutcome
    ) -> Bool {
        switch message.mode {
        case .fixed, .lowestPriority:
            let number =
                if case .line(let number, _) = sender { number } else { InterruptNumber.vector(message.vector) }
            let acceptance = locals[cpu].accept(message.vector, isLevel: message.isLevel)
            return take(message.vector, acceptance, cpu, (number, sender.cause), at: now, &out)
        case .external:
            locals[cpu].hasExternalRequest = true
            updateInput(cpu, at: now, &out)
        case .reserved:
            let mistake = GuestMistake(.reservedDeliveryMode, processor: sender.processor, argument: 3)
            journal.warnings.add(mistake, at: now)
            return false
        case .smi: strike(.management, cpu, message.vector, sender.cause, at: now, &out)
        case .nmi: strike(.nonMaskable, cpu, message.vector, sender.cause, at: now, &out)
        case .initialize: strike(.initialize, cpu, message.vector, sender.cause, at: now, &out)
        case .startUp: strike(.startUp, cpu, message.vector, sender.cause, at: now, &out)
        }
        return true
    }

    /// What needs no vector and no priority: NMI, SMI, INIT, start-up.
    private mutating func strike(
        _ kind: InterruptEvent.Kind, _ cpu: Int, _ vector: UInt8, _ cause: InterruptEvent.Cause, at now: ModelTime,
        _ out: inout InterruptOutcome
    ) {
        switch kind {
        case .nonMaskable: out.nonMaskable.insert(cpu)
        case .management: out.management.insert(cpu)
        case .initialize:
            locals[cpu].receiveInit()
            signals[cpu] = nil
            out.initialize.insert(cpu)
            setDeadline()
        default:
            guard locals[cpu].receiveStartUp() else { return }
            out.startUp.insert(cpu)
            out.startUpVector = vector
        }
        let number = InterruptNumber.vector(kind == .nonMaskable ? 2 : vector)
        journal.record(InterruptEvent(kind, number, processor: cpu, vector: vector, cause: cause, at: now))
    }

    // MARK: Inside a local APIC

    /// A local source interrupts as its entry says.
    mutating func deliver(
        _ source: LocalVector.Source, _ cpu: Int, at now: ModelTime, _ out: inout InterruptOutcome
    ) {
        switch locals[cpu].deliver(source) {
        case .nothing: break
        case .external: updateInput(cpu, at: now, &out)
        case .nonMaskable: strike(.nonMaskable, cpu, 0, source.cause, at: now, &out)
        case .management: strike(.management, cpu, 0, source.cause, at: now, &out)
        case .initialize: strike(.initialize, cpu, 0, source.cause, at: now, &out)
        case .vector(let vector, let acceptance):
            _ = take(vector, acceptance, cpu, (.vector(vector), source.cause), at: now, &out)
        }
    }

    /// What follows from an APIC's having taken a vector or not: whether it did.
    private mutating func take(
        _ vector: UInt8, _ acceptance: LocalAPIC.Acceptance, _ cpu: Int,
        _ origin: (number: InterruptNumber, cause: InterruptEvent.Cause), at now: ModelTime,
        _ out: inout InterruptOutcome
    ) -> Bool {
        switch acceptance {
        case .accepted:
            if vector < 32 {
                let mistake = GuestMistake(.exceptionVector, processor: cpu, argument: UInt64(vector))
                journal.warnings.add(mistake, at: now)
            }
            journal.pend(
                InterruptPlace(row: cpu, slot: Int(vector)), origin.number, processor: cpu, vector: vector,
                cause: origin.cause, at: now
            )
            updateInput(cpu, at: now, &out)
            return true
        case .coalesced:
            journal.record(
                InterruptEvent(.coalesce, origin.number, processor: cpu, vector: vector, cause: origin.cause, at: now)
            )
            return true
        case .refused: return false
        case .illegal:
            let mistake = GuestMistake(.illegalVectorReceived, processor: cpu, argument: UInt64(vector))
            journal.warnings.add(mistake, at: now)
            report(LocalAPIC.ErrorBit.receivedIllegalVector, cpu, at: now, &out)
            return false
        }
    }

    /// An APIC met an error. The error interrupt's own illegal vector is the last that it can meet.
    mutating func report(_ errors: UInt32, _ cpu: Int, at now: ModelTime, _ out: inout InterruptOutcome) {
        if locals[cpu].add(errors: errors) { deliver(.error, cpu, at: now, &out) }
    }
}

extension LocalVector.Source {
    fileprivate var cause: InterruptEvent.Cause {
        switch self {
        case .timer: .timer
        case .error: .error
        case .lint0, .lint1: .localPin
        case .performance: .performanceCounter
        case .thermal, .correctedMachineCheck: .thermalSensor
        }
    }
}
