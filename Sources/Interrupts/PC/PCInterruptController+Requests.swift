// The requests of a debugger to a PC's controllers: which changes they are, and the answer once those are made. The same
// for the model and for the kernel's, which are changed by other means.

import Primitives

extension PCInterruptController {
    /// A change to the controllers, or what devices and processors do to them.
    package enum Change: Hashable, Sendable {
        /// The debugger holds an input up, or releases it.
        case line(Int, Bool)
        /// An input goes low, high, and low again: one edge.
        case pulse(Int)
        case mask(Int, Bool)
        case route(Int, destination: UInt8)
        case message(InterruptMessage)
        case nonMaskable(processor: Int)
        /// Removes a vector that a local APIC has accepted.
        case clear(vector: UInt8, processor: Int)
    }

    /// A request that cannot be granted.
    package struct Objection: Error {
        package let text: String
    }

    /// What `request` changes, in order.
    package func changes(for request: InterruptRequest) throws(Objection) -> [Change] {
        switch request {
        case .inject(let line, _, let how):
            guard let pin = pin(of: line) else { throw notWired(line) }
            if how == .level || how == nil && ioapic.entries[pin].isLevel { return [.line(line, true)] }
            guard !level(of: line) else {
                throw Objection(
                    text: "line \(line) is high already: a pulse would be no edge; lower-irq \(line) lowers what "
                        + "inject-irq raised")
            }
            return [.pulse(line)]
        case .lower(let line, _): return [.line(line, false)]
        case .clear(let number, let cpu):
            return [.clear(vector: UInt8(truncatingIfNeeded: number), processor: cpu)]
        case .mask(let line, _, let isMasked): return [.mask(line, isMasked)]
        case .route(let line, let destination):
            return [.route(line, destination: UInt8(truncatingIfNeeded: destination))]
        case .vector(let vector, let cpu): return [.message(InterruptMessage(vector: vector, to: locals[cpu].id))]
        case .interprocessor(let vector, let targets):
            return targets.map { .message(InterruptMessage(vector: vector, to: locals[$0].id)) }
        case .message(let message): return [.message(message)]
        case .nonMaskable(let targets): return targets.map { .nonMaskable(processor: $0) }
        case .priority, .group, .send, .record, .clearRecord:
            throw Objection(text: "a PC's interrupt controllers do not have that")
        }
    }

    /// The answer to `request`, after `changes`, of which `accepted` had an effect. `facts` has one row a processor.
    package func result(
        of request: InterruptRequest, _ changes: [Change], accepted: Int,
        _ facts: @autoclosure () -> [ProcessorFacts]
    ) throws(Objection) -> InterruptResult {
        let isAccepted = accepted == changes.count
        switch request {
        case .inject(let line, _, _):
            let text =
                changes == [.pulse(line)]
                ? "line \(line) pulsed" : "line \(line) is high; no device lowers it: lower-irq \(line) does"
            // The pulse is over: that the line is low again blocks nothing.
            let obstacle = explain(line: line, facts())
                .first { $0.obstacle != nil && $0.obstacle != .lineLow && $0.obstacle != .edgePassed }
            return InterruptResult(text, forecast: obstacle.map { .blocked($0) } ?? .delivers)
        case .lower(let line, _):
            guard isAccepted else { throw notWired(line) }
            return InterruptResult(
                level(of: line) ? "line \(line) is still high: a device holds it" : "line \(line) is low")
        case .clear(let vector, let cpu):
            guard isAccepted else {
                throw Objection(text: "vector \(vector) is not pending in the local APIC of vCPU \(cpu)")
            }
            return InterruptResult("vector \(vector) is taken back")
        case .mask(let line, _, let isMasked):
            guard isAccepted else { throw notWired(line) }
            return InterruptResult(
                "interrupt \(line) is \(isMasked ? "masked" : "unmasked"); the guest is not notified")
        case .route(let line, let destination):
            guard isAccepted else { throw notWired(line) }
            return InterruptResult("interrupt \(line) goes to \(hexadecimal(destination))")
        case .interprocessor:
            return InterruptResult("accepted by \(accepted) of \(changes.count); will deliver on resume")
        case .vector, .message:
            return InterruptResult(
                isAccepted ? "accepted; will deliver on resume" : "no local APIC accepted it: see irq warnings")
        case .nonMaskable(let targets):
            return InterruptResult(
                "NMI for \(targets.count == 1 ? "vCPU \(targets[0])" : "every vCPU"); will deliver on resume")
        case .priority, .group, .send, .record, .clearRecord: return InterruptResult("")
        }
    }

    private func notWired(_ line: Int) -> Objection { Objection(text: "no device can have input \(line)") }
}
