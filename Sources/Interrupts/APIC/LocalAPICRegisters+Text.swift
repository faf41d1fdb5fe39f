// The local APIC for people, in the shape that `info lapic` has in QEMU's monitor: one line a register, raw and in words.

import Primitives

extension LocalAPICRegisters {
    /// The registers of processor `cpu` as lines of text, each ended with a newline.
    package func text(cpu: Int) -> String {
        var lines = ["local APIC of CPU \(cpu): id \(id), version \(hexadecimal(version, digits: 2))", ""]
        lines += LocalVector.Source.allCases
            .filter { $0 != .correctedMachineCheck || localVectorCount > 6 }
            .map { label($0.name) + text(localVector($0), isTimer: $0 == .timer) }
        lines.append(
            label("Timer") + "DCR=\(hexadecimal(register(Offset.timerDivide))) (divide by \(timerDivisor)) "
                + "initial_count = \(timerInitialCount) current_count = \(timerCurrentCount)"
        )
        lines.append(
            label("SPIV") + word(Offset.spuriousVector) + " APIC \(isSoftwareEnabled ? "enabled" : "disabled"), "
                + "spurious vec \(spuriousVector)"
        )
        lines.append(label("ICR") + word(Offset.interruptCommand) + " " + text(command))
        lines.append(
            label("ICR2") + word(Offset.interruptCommandHigh) + " destination \(hexadecimal(command.destination))"
        )
        lines.append(label("ESR") + word(Offset.errorStatus) + errors)
        lines.append(label("ISR") + text(inService))
        lines.append(label("IRR") + text(interruptRequest))
        lines.append("")
        lines.append(
            "APR \(byte(arbitrationPriority)) TPR \(byte(taskPriority)) "
                + "DFR \(isX2APIC ? "none" : byte(destinationModel)) LDR \(hexadecimal(logicalDestination, digits: 2)) "
                + "PPR \(byte(processorPriority))"
        )
        return lines.joined(separator: "\n") + "\n"
    }

    private func label(_ name: String) -> String { name + String(repeating: " ", count: Swift.max(1, 8 - name.count)) }
    private func byte(_ value: UInt8) -> String { hexadecimal(value, digits: 2) }
    private func word(_ offset: Int) -> String { hexadecimal(register(offset), digits: 8) }

    private func text(_ entry: LocalVector, isTimer: Bool) -> String {
        var words = [hexadecimal(entry.rawValue, digits: 8)]
        words.append(entry.isActiveLow ? "active-lo" : "active-hi")
        words.append(entry.isLevel ? "level" : "edge")
        if entry.isMasked { words.append("masked") }
        if entry.isPending { words.append("pending") }
        if entry.remoteIRR { words.append("remote-irr") }
        if isTimer { words.append(entry.timerMode.name) }
        words.append("\(entry.deliveryMode) (vec \(entry.vector))")
        return words.joined(separator: " ")
    }

    private func text(_ command: InterruptCommand) -> String {
        var words = ["\(command.deliveryMode) (vec \(command.vector))"]
        words.append(command.isLogical ? "logical" : "physical")
        words.append(command.isLevel ? "level" : "edge")
        words.append(command.isAssert ? "assert" : "de-assert")
        words.append(command.shorthand.name)
        if command.isPending { words.append("pending") }
        return words.joined(separator: " ")
    }

    private func text(_ set: VectorSet) -> String {
        if set.isEmpty { return "(none)" }
        let levels = triggerMode
        return set.vectors.map { "\($0)" + (levels.contains($0) ? "(level)" : "") }.joined(separator: " ")
    }

    /// ESR in words: SDM volume 3, section 11.5.3, figure 11-9.
    private var errors: String {
        let names: [(bit: Int, name: String)] = [
            (0, "send checksum"), (1, "receive checksum"), (2, "send accept"), (3, "receive accept"),
            (4, "redirectable IPI"), (5, "sent illegal vector"), (6, "received illegal vector"),
            (7, "illegal register address"),
        ]
        let set = names.filter { errorStatus[bit: $0.bit] }.map(\.name)
        return set.isEmpty ? "" : " " + set.joined(separator: ", ")
    }
}

extension LocalVector.Source {
    fileprivate var name: String {
        switch self {
        case .lint0: "LVT0"
        case .lint1: "LVT1"
        case .performance: "LVTPC"
        case .error: "LVTERR"
        case .thermal: "LVTTHMR"
        case .timer: "LVTT"
        case .correctedMachineCheck: "LVTCMCI"
        }
    }
}

extension LocalVector.TimerMode {
    fileprivate var name: String {
        switch self {
        case .oneShot: "one-shot"
        case .periodic: "periodic"
        case .deadline: "tsc-deadline"
        case .reserved: "reserved mode"
        }
    }
}

extension InterruptCommand.Shorthand {
    fileprivate var name: String {
        switch self {
        case .none: "no-shorthand"
        case .itself: "self"
        case .all: "all"
        case .others: "all-but-self"
        }
    }
}

extension LocalAPICRegisters {
    /// Every register that has a name, raw.
    package func json(cpu: Int) -> JSON {
        func vectors(_ set: VectorSet) -> JSON {
            .array((UInt8.min...UInt8.max).filter(set.contains).map { .number(Int($0)) })
        }
        return .object([
            ("cpu", .number(cpu)), ("id", .number(UInt64(id))), ("version", .number(UInt64(version))),
            ("x2apic", .bool(isX2APIC)), ("enabled", .bool(isSoftwareEnabled)),
            ("spurious_vector", .number(UInt64(spuriousVector))), ("tpr", .number(UInt64(taskPriority))),
            ("ppr", .number(UInt64(effectivePriority))), ("ldr", .number(UInt64(logicalDestination))),
            ("esr", .number(UInt64(errorStatus))), ("isr", vectors(inService)), ("irr", vectors(interruptRequest)),
            ("tmr", vectors(triggerMode)), ("timer_initial", .number(UInt64(timerInitialCount))),
            ("timer_current", .number(UInt64(timerCurrentCount))), ("timer_divide", .number(UInt64(timerDivisor))),
        ])
    }
}
