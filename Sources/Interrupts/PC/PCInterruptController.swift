// The interrupt controllers of a PC as one value: a local APIC for each processor, the I/O APIC, the 8259 pair, the
// 8254, and the wires between them. A machine reports what happens, with the time, and does what comes back.
//
// The wires: input N of the 8259 pair is pin N of the I/O APIC, but for the timer, whose pin is the configuration's.
// The pair's output is LINT0 of every local APIC and, where the timer leaves it free, pin 0; LINT1 is the NMI line.

import Primitives

/// All interrupt controllers of a PC.
package struct PCInterruptController: Sendable {
    package struct Configuration: Hashable, Sendable {
        /// 1 to 64.
        package var processors = 1
        /// False where the kernel has the local APICs: messages to them leave as effects, and a processor sees the
        /// 8259 pair alone, and only processor 0 does.
        package var hasLocalAPICs = true
        package var features = LocalAPIC.Features()
        /// Ticks of the guest's time stamp counter a second, for the deadline timer.
        package var timeStampFrequency: UInt64 = 1_000_000_000
        /// The I/O APIC's pin for interrupt 0: 2 with an override in the firmware's tables, 0 without.
        package var timerPin = 2
        /// Events that the trace keeps.
        package var traceCapacity = 4096

        package init() {}
    }

    package internal(set) var configuration: Configuration
    package internal(set) var locals: [LocalAPIC]
    package internal(set) var ioapic = IOAPIC()
    package internal(set) var pics = PICPair()
    package internal(set) var pit = PIT8254()
    package internal(set) var levels = LineLevels()
    package var journal: InterruptJournal
    /// What each processor's interrupt input shows.
    var signals: [PendingInterrupt?]
    /// Who got the last lowest-priority message: the next search begins behind.
    var lastArbitrated = 0
    /// When `advance` must be called next, in nanoseconds of `ModelTime`; nil while no timer runs.
    package internal(set) var nextDeadline: UInt64?

    package init(_ configuration: Configuration) {
        precondition((1...ProcessorSet.limit).contains(configuration.processors), "1 to 64 processors")
        self.configuration = configuration
        let count = configuration.processors
        locals = (0..<count).map { LocalAPIC(processor: $0, features: configuration.features) }
        signals = [PendingInterrupt?](repeating: nil, count: count)
        // A row for each processor, and one for the 8259 pair.
        journal = InterruptJournal(capacity: configuration.traceCapacity, rows: count + 1, slots: 256)
    }

    /// A machine reset. The inputs stay as the devices hold them, nothing else holds them; what was recorded stays.
    package mutating func reset(at now: ModelTime) {
        var out = InterruptOutcome()
        for line in Self.lines {
            change(line, false, by: .timer, at: now, &out)
            change(line, false, by: .debugger, at: now, &out)
        }
        for i in locals.indices {
            locals[i].reset()
            signals[i] = nil
        }
        ioapic.reset()
        pics.reset()
        pit.reset()
        nextDeadline = nil
        lastArbitrated = 0
    }

    // MARK: The processor's side

    /// What processor `cpu` is asked to take; nil when nothing, or while it waits for its start-up message. Whether it
    /// can take it (IF, a blocked instruction boundary) is its own business.
    package func pending(_ cpu: Int) -> PendingInterrupt? {
        guard configuration.hasLocalAPICs else { return cpu == 0 && pics.output ? .external : nil }
        guard locals[cpu].activity == .running else { return nil }
        if pics.output, locals[cpu].passesExternal || locals[cpu].hasExternalRequest { return .external }
        return locals[cpu].nextVector.map { .vector($0) }
    }

    /// Processor `cpu`, which saw something pending, takes its interrupt: the vector. When meanwhile nothing is left,
    /// the local APIC gives its spurious vector; with the APIC off or not ours, nil.
    package mutating func acknowledge(_ cpu: Int, at now: ModelTime) -> (vector: UInt8?, outcome: InterruptOutcome) {
        var out = begin(at: now)
        switch pending(cpu) {
        case .external:
            let answer = pics.acknowledge()
            locals[cpu].hasExternalRequest = false
            recordAcknowledgement(answer, cpu, at: now)
            updatePairOutput(at: now, &out)
            updateInput(cpu, at: now, &out)
            return (answer.vector, out)
        case .vector:
            guard let vector = locals[cpu].acknowledge() else { preconditionFailure("pending, but nothing to take") }
            journal.acknowledge(InterruptPlace(row: cpu, slot: Int(vector)), processor: cpu, vector: vector, at: now)
            updateInput(cpu, at: now, &out)
            return (vector, out)
        case nil:
            guard configuration.hasLocalAPICs, locals[cpu].mode != .disabled else { return (nil, out) }
            let vector = UInt8(truncatingIfNeeded: locals[cpu].spuriousVector)
            journal.record(InterruptEvent(.spurious, .vector(vector), processor: cpu, vector: vector, at: now))
            return (vector, out)
        }
    }

    private mutating func recordAcknowledgement(_ answer: PICPair.Acknowledgement, _ cpu: Int, at now: ModelTime) {
        if answer.isSpurious {
            journal.record(
                InterruptEvent(.spurious, .line(answer.input), processor: cpu, vector: answer.vector, at: now)
            )
            return
        }
        journal.acknowledge(pairPlace(answer.input), processor: cpu, vector: answer.vector, at: now)
    }

    /// Where the journal keeps input `number` of the 8259 pair.
    func pairPlace(_ number: Int) -> InterruptPlace { InterruptPlace(row: locals.count, slot: number) }

    // MARK: What every call does

    /// Timers that are due come before anything else that happens.
    mutating func begin(at now: ModelTime) -> InterruptOutcome {
        var out = InterruptOutcome()
        if let nextDeadline, nextDeadline <= now.nanoseconds { expire(at: now, &out) }
        return out
    }

    /// Updates what processor `cpu`'s interrupt input shows, and records a delivery that is new.
    mutating func updateInput(_ cpu: Int, at now: ModelTime, _ out: inout InterruptOutcome) {
        let shown = pending(cpu)
        guard shown != signals[cpu] else { return }
        signals[cpu] = shown
        guard let shown else { return }
        out.wake.insert(cpu)
        // Whether LINT0 lets the pair through is not known here.
        guard configuration.hasLocalAPICs else { return }
        switch shown {
        case .vector(let vector):
            journal.deliver(InterruptPlace(row: cpu, slot: Int(vector)), processor: cpu, vector: vector, at: now)
        case .external:
            guard let input = pics.nextInput else { return }
            journal.deliver(pairPlace(input), processor: cpu, vector: pics.vector(of: input), at: now)
        }
    }
}
