// `info irqs`: one line for each interrupt, whichever controller has it.

import Primitives

/// One interrupt as people list it.
package struct InterruptRow: Hashable, Sendable {
    package var number: InterruptNumber
    /// "IO-APIC", "8259", "local"; on a GIC "SGI", "PPI", "SPI".
    package var controller: String
    package var processor: Int?
    package var isPending = false
    package var isLineHigh = false
    package var isActive = false
    package var isEnabled = false
    package var isLevel = false
    package var vector: UInt8 = 0
    /// On a GIC only: its priority, its group, and of an SGI the processor that sent it.
    package var priority: UInt8?
    package var group: Int?
    package var source: Int?
    /// "phys 0x1 = cpu 1"; empty where there is none.
    package var target = ""
    /// How often it came; nil where it is not counted.
    package var count: UInt64?
    /// Nanoseconds of `ModelTime`; nil for never.
    package var last: UInt64?

    package var json: JSON {
        var members: [(String, JSON)] = [
            ("id", .string("\(number)")), ("controller", .string(controller)),
            ("cpu", .optional(processor) { .number($0) }), ("pending", .bool(isPending)), ("line", .bool(isLineHigh)),
            ("active", .bool(isActive)), ("enabled", .bool(isEnabled)),
            ("trigger", .string(isLevel ? "level" : "edge")),
            ("vector", .number(UInt64(vector))), ("target", .string(target)),
            ("count", .optional(count) { .number($0) }),
            ("last_ns", .optional(last) { .number($0) }),
        ]
        if let priority {
            members += [
                ("priority", .number(UInt64(priority))), ("group", .optional(group) { .number($0) }),
                ("source", .optional(source) { .number($0) }),
            ]
        }
        return .object(members)
    }
}

extension [InterruptRow] {
    /// A table; times are before `now`.
    package func text(at now: ModelTime) -> String {
        let isGIC = first?.priority != nil
        let numbers = isGIC ? ["PRI", "GRP", "TGT", "SRC", "COUNT", "LAST"] : ["VEC", "COUNT", "LAST", "TARGET"]
        let titles = ["ID", "TYP", "CPU", "PLAE", "CFG"] + numbers
        let cells = [titles] + map { $0.cells(now) }
        let widths = titles.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        return
            cells.map { row in
                var line = ""
                for (cell, width) in zip(row, widths) {
                    line += cell + String(repeating: " ", count: width - cell.count + 2)
                }
                while line.last == " " { line.removeLast() }
                return line + "\n"
            }
            .joined()
    }
}

extension InterruptRow {
    fileprivate func cells(_ now: ModelTime) -> [String] {
        let flags =
            (isPending ? "P" : "-") + (isLineHigh ? "L" : "-") + (isActive ? "A" : "-") + (isEnabled ? "E" : "-")
        let unknown = "n/a"
        let times = count.map { "\($0)" } ?? unknown
        let age = last.map { "+" + duration(now.nanoseconds &- $0) } ?? (count == nil ? unknown : "-")
        let common = ["\(number)", controller, processor.map { "\($0)" } ?? "-", flags, isLevel ? "lvl" : "edge"]
        guard let priority else { return common + [hexadecimal(vector, digits: 2), times, age, target] }
        let bare = hexadecimal(priority, digits: 2).dropFirst(2)
        return common + [
            String(bare), group.map { "\($0)" } ?? "-", target.isEmpty ? "-" : target, source.map { "\($0)" } ?? "-",
            times, age,
        ]
    }
}

/// Nanoseconds for people: three digits at most before the unit, one after the point.
package func duration(_ nanoseconds: UInt64) -> String {
    let units: [(size: UInt64, name: String)] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")]
    guard let unit = units.first(where: { nanoseconds >= $0.size }) else { return "\(nanoseconds)ns" }
    return "\(nanoseconds / unit.size).\(nanoseconds % unit.size / (unit.size / 10))\(unit.name)"
}

extension PCInterruptController {
    /// Every input of the I/O APIC, those of the 8259 pair where a processor listens to it, and every vector that
    /// waits or is in service without an input of its own.
    package var rows: [InterruptRow] {
        var rows = (0..<IOAPIC.pins).filter { line(of: $0) != nil }.map { row(ofPin: $0) }.sorted {
            $0.number < $1.number
        }
        if locals.contains(where: \.passesExternal) { rows += (0..<16).map { row(ofInput: $0) } }
        for cpu in locals.indices { rows += localRows(cpu) }
        return rows
    }

    private func counted(_ row: InterruptRow) -> InterruptRow {
        var row = row
        let counts = journal.statistics[row.number]
        row.count = counts?[.pend] ?? 0
        row.last = counts?.last
        return row
    }

    /// The input at `pin`, as the I/O APIC has it.
    package func row(ofPin pin: Int) -> InterruptRow {
        let entry = ioapic.entries[pin]
        let targets = self.targets(of: entry.message, .line(number(of: pin), by: .line))
        var row = InterruptRow(number: number(of: pin), controller: "IO-APIC")
        row.isLineHigh = ioapic.lines[bit: pin]
        row.isEnabled = !entry.isMasked
        row.isLevel = entry.isLevel
        row.vector = entry.vector
        let vector = entry.vector
        row.isPending = entry.message.hasVector && targets.contains { locals[$0].interruptRequest.contains(vector) }
        row.isActive = entry.message.hasVector && targets.contains { locals[$0].inService.contains(vector) }
        row.target = "\(entry.isLogical ? "log" : "phys") \(hexadecimal(entry.destination)) = cpu \(targets)"
        return counted(row)
    }

    private func row(ofInput input: Int) -> InterruptRow {
        var row = InterruptRow(number: .line(input), controller: "8259")
        row.isPending = pics.request[bit: input]
        row.isActive = pics.inService[bit: input]
        row.isEnabled = !pics.mask[bit: input]
        let chip = input < 8 ? pics.master : pics.slave
        row.isLineHigh = chip.lines[bit: input & 7]
        row.isLevel = chip.levels[bit: input & 7]
        row.vector = pics.vector(of: input)
        return counted(row)
    }

    private func localRows(_ cpu: Int) -> [InterruptRow] {
        let apic = locals[cpu]
        let wired = Set(ioapic.entries.filter { !$0.isMasked }.map(\.vector))
        return (16...UInt8.max).compactMap { vector in
            let (isPending, isActive) = (apic.interruptRequest.contains(vector), apic.inService.contains(vector))
            guard isPending || isActive, !wired.contains(vector) else { return nil }
            var row = InterruptRow(number: .vector(vector), controller: "local", processor: cpu)
            row.isPending = isPending
            row.isActive = isActive
            row.isEnabled = true
            row.isLevel = apic.triggerMode.contains(vector)
            row.vector = vector
            return counted(row)
        }
    }
}
