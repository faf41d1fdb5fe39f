// `stubvisor-bench irq`: how long an interrupt takes from its source to the guest's handler, under each kind of
// interrupt controllers, and what the record of interrupts costs.

import Debugger
import Host
import Interrupts
import Machine
import Primitives

enum InterruptBench {
    static let name = "irq"
    static let summary = "inject to handler, us, for each kind of interrupt controllers; and what their record costs"

    /// Those of x86-64 that are APICs.
    private static let kinds = ["apic", "kernel", "split"]
    private static let states: [(name: String, choice: CountingMachine.Choice)] = [
        ("halted", .sleep), ("busy", .run),
    ]

    static func run(rounds: Int) throws(BenchError) {
        var machines: [String: CountingMachine] = [:]
        var refusals: [String: String] = [:]
        for name in kinds {
            guard let kind = InterruptControllerKind(rawValue: name) else {
                let known = InterruptControllerKind.allCases.map(\.rawValue).joined(separator: " or ")
                refusals[name] = "--irqchip \(name): expected \(known)"
                continue
            }
            do throws(BenchError) {
                machines[name] = try CountingMachine(kind)
                machines[name]?.order(.sleep)
            } catch {
                refusals[name] = error.message
            }
        }
        try measureLatency(machines, refusals, rounds: rounds)
        if let apic = machines["apic"] { try measureRecord(apic) }
        for machine in machines.values { machine.finish() }
    }

    // MARK: - From the source to the handler

    /// Injections in a row to one machine; the kinds take turns, so that what else the host does meets them all.
    private static let block = 50

    private static func measureLatency(
        _ machines: [String: CountingMachine], _ refusals: [String: String], rounds: Int
    ) throws(BenchError) {
        var latencies: [String: [UInt64]] = [:]
        for _ in 0..<4 * rounds {
            for (state, choice) in states {
                for name in kinds {
                    guard let machine = machines[name] else { continue }
                    machine.order(choice)
                    for _ in 0..<block {
                        // The guest must be back from the handler of the one before, which ends after its answer.
                        _ = waitForInput([], milliseconds: 1)
                        guard let time = machine.inject() else {
                            throw BenchError(message: "\(name), guest \(state): an interrupt did not arrive")
                        }
                        latencies[name + state, default: []].append(time)
                    }
                    machine.order(.sleep)
                }
            }
        }
        print("from the line to the handler's answer, \(4 * rounds * block) injections each, us")
        print(row("", "guest", ["p50", "p99", "max"]))
        for (state, _) in states {
            for name in kinds {
                guard let times = latencies[name + state]?.sorted() else {
                    print(row(name, state, []) + "refused: \(refusals[name] ?? "")")
                    continue
                }
                let places = [times.count / 2, times.count * 99 / 100, times.count - 1]
                print(row(name, state, places.map { tenths(times[$0]) }))
            }
        }
    }

    private static func row(_ name: String, _ state: String, _ cells: [String]) -> String {
        let pad = { (text: String, width: Int) in text + String(repeating: " ", count: max(0, width - text.count)) }
        return pad("irq", 12) + pad(name, 8) + pad(state, 8)
            + cells.map { String(repeating: " ", count: max(0, 10 - $0.count)) + $0 }.joined()
    }

    /// Nanoseconds as microseconds.
    private static func tenths(_ nanoseconds: UInt64) -> String { "\(nanoseconds / 1000).\(nanoseconds % 1000 / 100)" }

    // MARK: - What the record costs

    /// A guest that does nothing but interrupt itself: no exits are richer in events.
    private static func measureRecord(_ machine: CountingMachine) throws(BenchError) {
        var (shortest, eventsAnExit) = (Double.infinity, 0.0)
        // The run that the host disturbed least counts: there an exit is shortest, and the record's share largest.
        for _ in 0..<20 {
            // Counts are read while the guest sleeps, and its vCPU's thread with it.
            let (before, start) = (try tally(machine), Clock.monotonic)
            machine.order(.interruptItself)
            _ = waitForInput([], milliseconds: 50)
            machine.order(.sleep)
            let time = Clock.monotonic - start
            _ = waitForInput([], milliseconds: 20)
            let after = try tally(machine)
            let (events, exits) = (Double(after.events - before.events), Double(after.exits - before.exits))
            guard exits > 0, Double(time) / exits < shortest else { continue }
            (shortest, eventsAnExit) = (Double(time) / exits, events / exits)
        }
        guard eventsAnExit > 0 else { throw BenchError(message: "the guest did not interrupt itself") }
        let cost = costOfAnEvent()
        let share = eventsAnExit * cost / shortest * 100
        print("record: \(rounded(cost)) ns an event, \(rounded(eventsAnExit)) events an exit,", terminator: " ")
        print("\(rounded(shortest / 1000)) us an exit: \(rounded(share, 100)) % of it")
    }

    private static func rounded(_ value: Double, _ parts: Double = 10) -> Double { (value * parts).rounded() / parts }

    /// Events recorded and exits taken so far.
    private static func tally(_ machine: CountingMachine) throws(BenchError) -> (events: UInt64, exits: UInt64) {
        guard let journal = try? machine.machine.interrupts().journal else { throw BenchError(message: "no record") }
        // The table's last line is the sum.
        let words = machine.machine.report(.exits).split(whereSeparator: \.isWhitespace)
        return (journal.trace.total, words.last.flatMap { UInt64($0) } ?? 0)
    }

    /// Nanoseconds to record one of the four events of an interrupt: in the trace, with its count and its latency.
    private static func costOfAnEvent() -> Double {
        var journal = InterruptJournal(capacity: 4096, rows: 2, slots: 256)
        let place = InterruptPlace(row: 0, slot: 0x47)
        let interrupts: UInt64 = 2_500
        var best = UInt64.max
        for _ in 0..<400 {
            let start = Clock.monotonic
            for i in 0..<interrupts {
                let now = ModelTime(nanoseconds: i * 40, programCounter: 0x10_0000)
                journal.pend(place, .vector(0x47), processor: 0, vector: 0x47, cause: .otherProcessor, at: now)
                journal.deliver(place, processor: 0, vector: 0x47, at: now)
                journal.acknowledge(place, processor: 0, vector: 0x47, at: now)
                journal.end(place, processor: 0, vector: 0x47, at: now)
            }
            best = min(best, Clock.monotonic - start)
        }
        return Double(best) / Double(interrupts * 4)
    }
}
