// Interrupts that a guest does not end: what is in service for long holds back all of its class and below (Intel SDM volume
// 3, section 11.8.3; 8259A datasheet, "Fully Nested Mode"; Arm IHI 0048B, section 3.3.2).

import Primitives

/// An interrupt that has been in service for longer than any handler takes.
package struct MissingEnd: Hashable, Sendable {
    /// Nanoseconds of model time that a handler has.
    package static let patience: UInt64 = 100_000_000

    /// What has it in service: a local APIC, the 8259 pair, a GIC's CPU interface.
    package enum Controller: Sendable { case localAPIC, pair, gic }

    package let controller: Controller
    /// Nil for the 8259 pair's.
    package let processor: Int?
    /// The vector, or a GIC's INTID.
    package let number: Int
    /// When it was taken, and for how long it has been in service, in nanoseconds of model time.
    package let since: UInt64
    package let age: UInt64
    /// Interrupts that it holds back.
    package let waiting: Int
}

extension MissingEnd: CustomStringConvertible {
    package var description: String {
        let who = processor.map { "cpu\($0) has" } ?? "the 8259 pair has"
        let tenths = age / 100_000_000
        let what = controller == .localAPIC ? "of its class and below" : "of its priority and below"
        let held = waiting == 1 ? "1 interrupt \(what) waits" : "\(waiting) interrupts \(what) wait"
        let state =
            controller == .gic
            ? "\(GICv2.kind(number)) \(number) active" : "\(hexadecimal(UInt64(number))) in service"
        return "\(who) \(state) since \(tenths / 10).\(tenths % 10) s, \(held): EOI is missing"
    }

    var json: JSON {
        .object([
            ("kind", .string("missingEnd")), ("cpu", .optional(processor) { .number($0) }),
            ("argument", .number(UInt64(number))), ("count", .number(1 as UInt64)), ("text", .string(description)),
            ("first", .number(since)), ("last", .number(since + age)), ("pc", .string(hexadecimal(0 as UInt64))),
        ])
    }
}

extension PCInterruptController {
    /// What is in service for too long, as far as it was seen to begin.
    package func missingEnds(at now: ModelTime) -> [MissingEnd] {
        var found: [MissingEnd] = []
        func look(_ place: InterruptPlace, _ processor: Int?, _ vector: UInt8, waiting: Int) {
            guard let since = journal.acknowledged(place), now.nanoseconds >= since + MissingEnd.patience else {
                return
            }
            found.append(
                MissingEnd(
                    controller: processor == nil ? .pair : .localAPIC, processor: processor, number: Int(vector),
                    since: since, age: now.nanoseconds - since, waiting: waiting))
        }
        for cpu in locals.indices {
            guard let vector = locals[cpu].inService.highest else { continue }
            let held = locals[cpu].interruptRequest.vectors.filter { $0 >> 4 <= vector >> 4 }
            look(InterruptPlace(row: cpu, slot: Int(vector)), cpu, vector, waiting: held.count)
        }
        for input in 0..<16 where pics.inService[bit: input] && input != PIC8259.cascade {
            look(pairPlace(input), nil, pics.vector(of: input), waiting: pics.waiting.nonzeroBitCount)
        }
        return found
    }

    /// `irq warnings`: the guest's mistakes.
    package func warningText(at now: ModelTime) -> String {
        journal.warnings.text(with: missingEnds(at: now))
    }

    package func warningJSON(at now: ModelTime) -> JSON { journal.warnings.json(with: missingEnds(at: now)) }
}

extension GICv2 {
    /// What is active for too long on each processor: the last interrupt that it acknowledged.
    package func missingEnds(at now: ModelTime) -> [MissingEnd] {
        interfaces.indices.compactMap { cpu in
            guard let value = running[cpu].last else { return nil }
            let id = Int(value & 0x3ff)
            guard let since = journal.acknowledged(place(id, cpu, source: Int(value >> 10 & 7))),
                now.nanoseconds >= since + MissingEnd.patience
            else { return nil }
            let held = (0..<configuration.interrupts).filter { isHeldBack($0, cpu) }
            return MissingEnd(
                controller: .gic, processor: cpu, number: id, since: since, age: now.nanoseconds - since,
                waiting: held.count)
        }
    }

    /// Whether `id` is pending for processor `cpu`, enabled, and no match for what runs there.
    private func isHeldBack(_ id: Int, _ cpu: Int) -> Bool {
        let state = distributor.state(id, cpu)
        guard state.isPending, state.isEnabled, !state.isActive, state.reach >> UInt8(cpu) & 1 != 0 else {
            return false
        }
        let candidate = Distributor.Candidate(
            INTID: id, source: 0, priority: state.priority, isGroupOne: state.isGroupOne)
        return !preempts(candidate, cpu)
    }
}

extension InterruptWarnings {
    /// `irq warnings`: what is not ended, then the mistakes.
    package func text(with missing: [MissingEnd]) -> String {
        let lines = missing.map { "\($0)\n" }.joined()
        return entries.isEmpty && !lines.isEmpty ? lines : lines + text
    }

    package func json(with missing: [MissingEnd]) -> JSON { .array(missing.map(\.json) + rows) }
}
