// `info gic`: decoded state, or every register.

import Primitives

extension GICv2 {
    /// The Distributor and every CPU interface, or that of `cpu` alone, decoded.
    package func text(cpu: Int? = nil) -> String {
        var text = "gicd: CTLR=\(hexadecimal(distributor.control)) (\(forwardingText))"
        text += " interrupts=\(configuration.interrupts) cpus=\(configuration.processors)"
        text += " priority-bits=\(configuration.priorityBits)"
        text += " IIDR=\(hexadecimal(configuration.distributorIdentification, digits: 8))\n"
        for i in cpu.map({ [$0] }) ?? Array(interfaces.indices) { text += interfaceText(i) }
        return text
    }

    private var forwardingText: String {
        switch distributor.forwardedGroups {
        case 0: "forwards nothing"
        case 1: "forwards group 0"
        case 2: "forwards group 1"
        default: "forwards both groups"
        }
    }

    private func interfaceText(_ cpu: Int) -> String {
        let it = interfaces[cpu]
        func byte(_ value: UInt8) -> String { hexadecimal(value, digits: 2) }
        let name = "cpu \(cpu) gicc:"
        let indent = String(repeating: " ", count: name.count)
        var text = name + " CTLR=\(hexadecimal(it.control.rawValue)) (\(it.control))"
        text += " PMR=\(byte(it.priorityMask))"
        text += it.priorityMask == 0 ? " (masks everything)" : ""
        text += " BPR=\(it.binaryPoint) ABPR=\(it.aliasedBinaryPoint)\n"
        text += indent + " RPR=\(byte(it.runningPriority))" + (it.runningPriority == 0xff ? " (idle)" : "")
        let waiting = highestPending(cpu)
        text += " HPPIR=\(hexadecimal(highestPendingValue(cpu, isAlias: false), digits: 3))"
        text += waiting.map { " (\(Self.name($0.value)), prio \(byte($0.priority)))" } ?? " (none)"
        text += " APR=\(activeText(it.activePriorities, cpu))"
        if configuration.has(.separateActivePriorities) {
            text += " NSAPR=\(activeText(it.groupOneActivePriorities, cpu))"
        }
        text += " nIRQ=\(irq.contains(cpu) ? "asserted" : "idle") nFIQ=\(fiq.contains(cpu) ? "asserted" : "idle")\n"
        if !running[cpu].isEmpty {
            text += indent + " acknowledged, not ended: \(running[cpu].map(Self.name).joined(separator: ", "))\n"
        }
        return text
    }

    /// "33", or "2 from cpu 1".
    private static func name(_ word: UInt16) -> String {
        word & 0x3ff < 16 ? "\(word & 0x3ff) from cpu \(word >> 10)" : "\(word & 0x3ff)"
    }

    private func activeText(_ set: ActivePriorities, _ cpu: Int) -> String {
        (0..<interfaces[cpu].activeWords).reversed().map { hexadecimal(set[word: $0], digits: 8) }
            .joined(separator: " ")
    }

    /// Every register that is not 0, as processor `cpu` reads it; GICC_IAR is not read.
    package func rawText(cpu: Int) -> String {
        func line(_ name: String, _ offset: Int, _ value: UInt32) -> String {
            "\(name) \(hexadecimal(UInt(offset), digits: 3)) \(hexadecimal(value, digits: 8))\n"
        }
        var text = ""
        for offset in stride(from: 0, to: Self.distributorSize, by: 4) {
            let value = inspectDistributor(offset, cpu)
            if value != 0 { text += line("GICD", offset, value) }
        }
        for offset in stride(from: 0, to: Self.interfaceSize, by: 4) where offset != 0x0c && offset != 0x20 {
            guard let register = CPUInterface.Register(offset: offset, configuration), register.isReadable else {
                continue
            }
            text += line("GICC", offset, inspectInterface(offset, cpu))
        }
        return text
    }

    package var json: JSON {
        .object([
            ("control", .number(UInt64(distributor.control))), ("interrupts", .number(configuration.interrupts)),
            ("priority_bits", .number(configuration.priorityBits)),
            ("iidr", .number(UInt64(configuration.distributorIdentification))),
            ("cpus", .array(interfaces.indices.map { json(cpu: $0) })),
        ])
    }

    package func json(cpu: Int) -> JSON {
        let it = interfaces[cpu]
        return .object([
            ("cpu", .number(cpu)), ("control", .number(UInt64(it.control.rawValue))),
            ("pmr", .number(UInt64(it.priorityMask))), ("bpr", .number(UInt64(it.binaryPoint))),
            ("abpr", .number(UInt64(it.aliasedBinaryPoint))), ("rpr", .number(UInt64(it.runningPriority))),
            ("hppir", .number(UInt64(highestPendingValue(cpu, isAlias: false)))),
            ("apr", .array((0..<it.activeWords).map { .number(UInt64(it.activePriorities[word: $0])) })),
            ("nsapr", .array((0..<it.activeWords).map { .number(UInt64(it.groupOneActivePriorities[word: $0])) })),
            ("irq", .bool(irq.contains(cpu))), ("fiq", .bool(fiq.contains(cpu))),
            ("running", .array(running[cpu].map { .number(UInt64($0)) })),
        ])
    }
}

extension InterfaceControl: CustomStringConvertible {
    /// The names of the bits that are set, "off" without any.
    package var description: String {
        let names = [
            "EnableGrp0", "EnableGrp1", "AckCtl", "FIQEn", "CBPR", "FIQBypDisGrp0", "IRQBypDisGrp0", "FIQBypDisGrp1",
            "IRQBypDisGrp1", "EOImode",
        ]
        let set = names.indices.filter { rawValue[bit: $0] }.map { names[$0] }
        return set.isEmpty ? "off" : set.joined(separator: " ")
    }
}
