// The controllers without local APICs: the kernel has those (KVM's split mode). What pins and devices send leaves as an
// effect; the answers, whether a local APIC took a message and that a level-triggered vector has ended, come back here.
//
// So the record has the lines, what was sent, and the ends of level-triggered pins. When a processor was shown a vector and
// took it, and the ends of edges, are not known here, nor are local timers and messages between processors.

/// A message that leaves.
package struct OutgoingMessage: Hashable, Sendable {
    package let message: InterruptMessage
    let sender: PCInterruptController.Sender
}

extension PCInterruptController {
    /// Takes the answer whether a local APIC accepted `outgoing`, before anything else can happen to its sender.
    package mutating func sent(_ outgoing: OutgoingMessage, isAccepted: Bool, at now: ModelTime) {
        let (message, sender) = (outgoing.message, outgoing.sender)
        guard isAccepted else {
            _ = drop(message, sender, .nobodyAccepted, at: now)
            return
        }
        guard message.hasVector else { return }
        let number = if case .line(let number, _) = sender { number } else { InterruptNumber.vector(message.vector) }
        journal.record(InterruptEvent(.pend, number, vector: message.vector, cause: sender.cause, at: now))
        if let pin = pin(of: sender) { ioapic.confirm(pin) }
    }

    private func pin(of sender: Sender) -> Int? {
        guard case .line(let number, _) = sender else { return nil }
        return number.line.flatMap { pin(of: $0) } ?? 0
    }

    /// Processor `cpu` has ended level-triggered `vector`.
    package mutating func endOfInterrupt(_ vector: UInt8, _ cpu: Int, at now: ModelTime) -> InterruptOutcome {
        var out = begin(at: now)
        end(vector, by: cpu, isDirect: false, at: now, &out)
        return out
    }

    /// The pins whose ends of interrupt the kernel must report: the level-triggered ones. A masked one too: guests mask
    /// a pin between an interrupt and its end.
    package var levelPins: [(pin: Int, message: InterruptMessage)] {
        ioapic.entries.indices.compactMap { pin in
            let entry = ioapic.entries[pin]
            return entry.isLevel && entry.message.hasVector ? (pin, entry.message) : nil
        }
    }

    /// The same with those local APICs as they are. For views.
    package func joined(by locals: [LocalAPIC]) -> Self {
        var whole = self
        whole.configuration.hasLocalAPICs = true
        whole.locals = locals
        return whole
    }
}
