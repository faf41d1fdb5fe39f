import Host
import KVM

/// How often and how long a vCPU was out of the guest, by reason. KVM's own statistics stay at 0 on some hosts.
struct ExitStatistics: Sendable {
    struct Row: Sendable {
        var count: UInt64 = 0
        /// Nanoseconds between an exit and the next entry, stops by the debugger left out.
        var time: UInt64 = 0
    }

    private(set) var rows: [UInt32: Row] = [:]
    private var left: UInt64 = 0
    private var reason: UInt32 = 0

    mutating func exited(_ reason: UInt32) {
        left = Clock.monotonic
        self.reason = reason
        rows[reason, default: Row()].count += 1
    }

    mutating func entering() {
        guard left != 0 else { return }
        rows[reason, default: Row()].time += Clock.monotonic - left
        left = 0
    }

    /// The time until the next entry is the debugger's.
    mutating func stopped() { left = 0 }

    mutating func reset() { self = ExitStatistics() }

    /// A table for people, of all vCPUs together.
    static func text(_ all: [ExitStatistics]) -> String {
        var sum: [UInt32: Row] = [:]
        for statistics in all {
            for (reason, row) in statistics.rows {
                sum[reason, default: Row()].count += row.count
                sum[reason, default: Row()].time += row.time
            }
        }
        let total = sum.values.reduce(0) { $0 + $1.count }
        guard total > 0 else { return "no exits yet" }
        let head = pad("exit", 18) + pad("count", -12) + pad("share", -9) + pad("mean", -12)
        let lines = sum.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }.map { reason, row in
            let share = row.count * 1000 / total
            let mean = row.time / row.count
            return pad(ExitReason.name(reason), 18) + pad("\(row.count)", -12) + pad("\(share / 10).\(share % 10) %", -9)
                + pad("\(mean / 1000).\(mean % 1000 / 100) us", -12)
        }
        return ([head] + lines + [pad("all", 18) + pad("\(total)", -12)]).joined(separator: "\n")
    }

    /// `text` in a column of `width`, on the left, or on the right for a negative one.
    private static func pad(_ text: String, _ width: Int) -> String {
        let space = String(repeating: " ", count: max(0, abs(width) - text.count))
        return width > 0 ? text + space : space + text
    }
}
