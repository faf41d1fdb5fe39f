// `info gic` of a GICv3: decoded state, or every register.

import Primitives

extension GICv3 {
    package func text(cpu: Int?) -> String {
        var text = "gicd: CTLR=\(hexadecimal(control)) (\(forwardingText))"
        text += " interrupts=\(interrupts) cpus=\(interfaces.count)"
        text += " IIDR=\(hexadecimal(identification, digits: 8))\n"
        for i in cpu.map({ [$0] }) ?? Array(interfaces.indices) { text += redistributorText(i) + interfaceText(i) }
        return text
    }

    private var forwardingText: String {
        let groups = ["forwards nothing", "forwards group 0", "forwards group 1", "forwards both groups"]
        return [groups[Int(forwardedGroups)], control[bit: 4] ? "affinity routing" : "no affinity routing"]
            .joined(separator: ", ")
    }

    private func redistributorText(_ cpu: Int) -> String {
        let it = redistributors[cpu]
        return "cpu \(cpu) gicr: affinity \(it.affinity) CTLR=\(hexadecimal(it.control))"
            + " WAKER=\(hexadecimal(it.waker)) (\(it.isAsleep ? "asleep" : "awake"))\n"
    }

    private func interfaceText(_ cpu: Int) -> String {
        let it = interfaces[cpu]
        func byte(_ value: UInt8) -> String { hexadecimal(value, digits: 2) }
        let name = "cpu \(cpu) icc: "
        let indent = String(repeating: " ", count: name.count)
        let modes = [it.hasCommonBinaryPoint ? "CBPR" : "", it.splitsEnd ? "EOImode" : ""].filter { !$0.isEmpty }
        var text = name + " SRE=\(it[.enable] & 7) IGRPEN0=\(it[.groupZero] & 1) IGRPEN1=\(it[.groupOne] & 1)"
        text +=
            " CTLR=\(hexadecimal(it[.control])) (\((modes + ["priority-bits=\(it.priorityBits)"]).joined(separator: " ")))"
        text += " PMR=\(byte(it.priorityMask))"
        text += it.priorityMask == 0 ? " (masks everything)" : ""
        text += " BPR0=\(it[.binaryPointZero]) BPR1=\(it[.binaryPointOne])\n"
        text += indent + " RPR=\(byte(it.runningPriority))" + (it.runningPriority == 0xff ? " (idle)" : "")
        text += " HPPIR=\(highestPending(cpu).map { "\($0.INTID) (prio \(byte($0.priority)))" } ?? "none")"
        text += " AP0R=\(activeText(it, { .activeZero($0) })) AP1R=\(activeText(it, { .activeOne($0) }))"
        let shown = signalled(cpu)
        text += " nIRQ=\(shown?.isGroupOne == true ? "asserted" : "idle")"
        return text + " nFIQ=\(shown?.isGroupOne == false ? "asserted" : "idle")\n"
    }

    /// The words that were read, the highest first.
    private func activeText(_ it: Interface, _ register: (Int) -> SystemRegister) -> String {
        (0..<4).reversed().compactMap { it.values[register($0)].map { hexadecimal($0, digits: 8) } }
            .joined(separator: " ")
    }

    /// As the processor reads it: what is pending by its level shows in GICD_ISPENDR and GICD_ICPENDR, too. 0 where there
    /// is no register.
    package func inspect(_ register: Register) -> UInt32 {
        let offset: Int? =
            switch register {
            case .distributor(let offset): offset
            case .redistributor(let offset, _): offset - Self.privateFrame
            case .system, .levels: nil
            }
        let cpu: Int
        if case .redistributor(_, let owner) = register { cpu = owner } else { cpu = 0 }
        if let offset, let (block, id) = Block.find(offset), block == .setPending || block == .clearPending,
            id < words << 5, block.register(of: id, cpu) == register
        {
            let row = place(id >> 5, cpu)
            return latch[row] | line[row] & ~edge[row]
        }
        return UInt32(truncatingIfNeeded: load(register))
    }

    package func rawText(cpu: Int) -> String {
        func line(_ name: String, _ offset: Int, _ register: Register) -> String {
            let value = inspect(register)
            return value == 0
                ? "" : "\(name) \(hexadecimal(UInt(offset), digits: 5)) \(hexadecimal(value, digits: 8))\n"
        }
        var text = ""
        for offset in stride(from: 0, to: 0x8000, by: 4) { text += line("GICD", offset, .distributor(offset)) }
        for offset in stride(from: 0, to: 0x1_1000, by: 4) {
            text += line("GICR", offset, .redistributor(offset, cpu: cpu))
        }
        for name in SystemRegister.all {
            let value = interfaces[cpu][name]
            if value != 0 { text += "ICC_\(name.name)_EL1 \(hexadecimal(value))\n" }
        }
        return text
    }

    package var json: JSON {
        .object([
            ("control", .number(UInt64(control))), ("interrupts", .number(interrupts)),
            ("iidr", .number(UInt64(identification))),
            ("cpus", .array(interfaces.indices.map { json(cpu: $0) })),
        ])
    }

    package func json(cpu: Int) -> JSON {
        let (it, redistributor) = (interfaces[cpu], redistributors[cpu])
        let shown = signalled(cpu)
        return .object([
            ("cpu", .number(cpu)), ("affinity", .string("\(redistributor.affinity)")),
            ("asleep", .bool(redistributor.isAsleep)), ("control", .number(it[.control])),
            ("igrpen0", .number(it[.groupZero])), ("igrpen1", .number(it[.groupOne])),
            ("priority_bits", .number(it.priorityBits)), ("pmr", .number(UInt64(it.priorityMask))),
            ("bpr0", .number(it[.binaryPointZero])), ("bpr1", .number(it[.binaryPointOne])),
            ("rpr", .number(UInt64(it.runningPriority))),
            ("hppir", .number(highestPending(cpu)?.INTID ?? 1023)),
            ("ap0r", .array((0..<4).compactMap { it.values[.activeZero($0)].map { .number($0) } })),
            ("ap1r", .array((0..<4).compactMap { it.values[.activeOne($0)].map { .number($0) } })),
            ("irq", .bool(shown?.isGroupOne == true)), ("fiq", .bool(shown?.isGroupOne == false)),
        ])
    }
}
