import Host
import KVM

/// How often and how long a vCPU was out of the guest, by reason. KVM's own statistics stay at 0 on some hosts.
struct ExitStatistics: Sendable {
    struct Row: Sendable {
        var count: UInt64 = 0
        /// Nanoseconds between an exit and the next entry, stops by the debugger left out.
        var time: UInt64 = 0
    }

    /// By reason; the last row takes every reason beyond.
    private var rows = [Row](repeating: Row(), count: 64)
    /// By name, instructions that KVM could not emulate and that were completed here.
    private var completions: [String: UInt64] = [:]
    private var left: UInt64 = 0
    private var last = 0

    /// The vCPU has left the guest for `reason`, a number of KVM's.
    mutating func exited(_ reason: UInt32) {
        left = Clock.monotonic
        last = min(Int(reason), rows.count - 1)
        rows[last].count += 1
    }

    /// Instructions completed here.
    var completionCount: UInt64 { completions.values.reduce(0, +) }

    /// An instruction was completed here.
    mutating func completed(_ name: String) { completions[name, default: 0] += 1 }

    /// It goes back in.
    mutating func entering() {
        guard left != 0 else { return }
        rows[last].time += Clock.monotonic - left
        left = 0
    }

    /// The time until the next entry is the debugger's.
    mutating func stopped() { left = 0 }

    mutating func reset() { self = ExitStatistics() }

    /// A table for people, of all vCPUs together.
    static func text(_ all: [ExitStatistics]) -> String {
        var sum = ExitStatistics().rows
        for statistics in all {
            for (i, row) in statistics.rows.enumerated() {
                sum[i].count += row.count
                sum[i].time += row.time
            }
        }
        let total = sum.reduce(0) { $0 + $1.count }
        guard total > 0 else { return "no exits yet" }
        let head = pad("exit", 18) + pad("count", -12) + pad("share", -9) + pad("mean", -12)
        let seen = sum.enumerated().filter { $0.element.count > 0 }
        let lines = seen.sorted { ($1.element.count, $0.offset) < ($0.element.count, $1.offset) }.map { reason, row in
            let share = row.count * 1000 / total
            let mean = row.time / row.count
            // The time of exits that were stops is the debugger's.
            let meanText = row.time == 0 ? "-" : "\(mean / 1000).\(mean % 1000 / 100) us"
            return pad(ExitReason.name(UInt32(reason)), 18) + pad("\(row.count)", -12)
                + pad("\(share / 10).\(share % 10) %", -9)
                + pad(meanText, -12)
        }
        return ([head] + lines + [pad("all", 18) + pad("\(total)", -12)] + completions(all)).joined(separator: "\n")
    }

    private static func completions(_ all: [ExitStatistics]) -> [String] {
        let sum = all.reduce(into: [:]) { $0.merge($1.completions, uniquingKeysWith: +) }
        if sum.isEmpty { return [] }
        let rows = sum.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        return ["completed here"] + rows.map { pad("  \($0.key)", 18) + pad("\($0.value)", -12) }
    }

    /// `text` in a column of `width`, on the left, or on the right for a negative one.
    private static func pad(_ text: String, _ width: Int) -> String {
        let space = String(repeating: " ", count: max(0, abs(width) - text.count))
        return width > 0 ? text + space : space + text
    }
}
