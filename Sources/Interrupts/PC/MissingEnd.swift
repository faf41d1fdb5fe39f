// Interrupts that a guest does not end: what is in service for long holds back all of its class and below (Intel SDM volume
// 3, section 11.8.3; 8259A datasheet, "Fully Nested Mode").

import Primitives

/// An interrupt that has been in service for longer than any handler takes.
package struct MissingEnd: Hashable, Sendable {
    /// Nanoseconds of model time that a handler has.
    package static let patience: UInt64 = 100_000_000

    /// Nil for the 8259 pair's.
    package let processor: Int?
    package let vector: UInt8
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
        let what = processor == nil ? "of its priority and below" : "of its class and below"
        let held = waiting == 1 ? "1 interrupt \(what) waits" : "\(waiting) interrupts \(what) wait"
        return "\(who) \(hexadecimal(vector)) in service since \(tenths / 10).\(tenths % 10) s, \(held): EOI is missing"
    }

    var json: JSON {
        .object([
            ("kind", .string("missingEnd")), ("cpu", .optional(processor) { .number($0) }),
            ("argument", .number(UInt64(vector))), ("count", .number(1 as UInt64)), ("text", .string(description)),
            ("first", .number(since)), ("last", .number(since + age)), ("pc", .string(hexadecimal(0 as UInt64))),
        ])
    }
}

extension PCInterruptController {
    /// What is in service for too long, as far as it was seen to begin.
    package func missingEnds(at now: Moment) -> [MissingEnd] {
        var found: [MissingEnd] = []
        func look(_ place: InterruptPlace, _ processor: Int?, _ vector: UInt8, waiting: Int) {
            guard let since = journal.acknowledged(place), now.nanoseconds >= since + MissingEnd.patience else {
                return
            }
            found.append(
                MissingEnd(
                    processor: processor, vector: vector, since: since, age: now.nanoseconds - since, waiting: waiting))
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
    package func warningText(at now: Moment) -> String {
        let missing = missingEnds(at: now).map { "\($0)\n" }.joined()
        return journal.warnings.entries.isEmpty && !missing.isEmpty ? missing : missing + journal.warnings.text
    }

    package func warningJSON(at now: Moment) -> JSON {
        .array(missingEnds(at: now).map(\.json) + journal.warnings.rows)
    }
}
