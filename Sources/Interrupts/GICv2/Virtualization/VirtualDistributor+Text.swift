// `irq flows` and `info gic lr`: the way of each interrupt to its guest, and what the list registers hold.

import Primitives

extension VirtualDistributor {
    /// The steps on record, one line each: of one flow or of all, the last `count` of them. Entries and exits, which
    /// are no one interrupt's, are in every flow.
    package func flowLines(_ flow: VirtualInterrupt.Flow? = nil, last count: Int = .max) -> String {
        let steps = record.steps.filter { flow == nil || $0.flow == nil || $0.flow == flow }.suffix(count)
        if steps.isEmpty { return "no steps\n" }
        let header = column("step", 6, right: true) + "  vcpu  " + column("id", 5) + column("event", 14) + "what"
        let lines = steps.map { step in
            column("\(step.number)", 6, right: true) + "  " + column(step.cpu.map { "\($0)" } ?? "-", 6)
                + column(step.id.map { "\($0)" } ?? "-", 5) + column(step.kind.name, 14) + step.text
        }
        return ([header] + lines).joined(separator: "\n") + "\n"
    }

    /// Every vCPU's list registers, words of control, and what waits without a list register.
    package var listText: String {
        interfaces.indices.map { cpu in
            let block = interfaces[cpu].hypervisor
            var lines = [
                "vcpu\(cpu): \(isRunning[cpu] ? "in the guest" : "in the hypervisor")  "
                    + "HCR \(hexadecimal(block.control.rawValue, digits: 8))  "
                    + "VMCR \(hexadecimal(block.machine.rawValue, digits: 8))  "
                    + "APR \(hexadecimal(block.activePriorities, digits: 8))  "
                    + "MISR \(block.maintenanceConditions)"
            ]
            for (index, list) in block.lists.enumerated() {
                lines.append("  LR\(column("\(index)", 3)) \(hexadecimal(list.rawValue, digits: 8))  \(list)")
            }
            let waiting = queues[cpu].map { place in
                let it = interrupts[place]
                let state = (it.isActive ? "A" : "") + (it.isPending ? "P" : "")
                return "\(it.id)\(state.isEmpty ? "" : ":" + state)"
            }
            lines.append("  list: " + (waiting.isEmpty ? "empty" : waiting.joined(separator: " ")))
            return lines.joined(separator: "\n") + "\n"
        }
        .joined()
    }

    /// `flowLines` for programs.
    package func flowJSON(_ flow: VirtualInterrupt.Flow? = nil) -> JSON {
        let steps = record.steps.filter { flow == nil || $0.flow == nil || $0.flow == flow }
        return .array(
            steps.map { step in
                .object([
                    ("step", .number(step.number)), ("vcpu", .optional(step.cpu) { .number($0) }),
                    ("id", .optional(step.id) { .number($0) }), ("flow", .optional(step.flow) { .string("\($0)") }),
                    ("event", .string(step.kind.name)), ("lr", .optional(step.list) { .number($0) }),
                    ("text", .string(step.text)),
                ])
            }
        )
    }

    /// `listText` for programs.
    package var listJSON: JSON {
        .array(
            interfaces.indices.map { cpu in
                let block = interfaces[cpu].hypervisor
                return .object([
                    ("vcpu", .number(cpu)), ("running", .bool(isRunning[cpu])),
                    ("hcr", .number(UInt64(block.control.rawValue))), ("vmcr", .number(UInt64(block.machine.rawValue))),
                    ("apr", .number(UInt64(block.activePriorities))),
                    ("misr", .number(UInt64(block.maintenanceConditions.rawValue))),
                    ("lr", .array(block.lists.map { .number(UInt64($0.rawValue)) })),
                    ("list", .array(queues[cpu].map { .number(interrupts[$0].id) })),
                ])
            }
        )
    }

    private func column(_ text: String, _ width: Int, right isRight: Bool = false) -> String {
        let space = String(repeating: " ", count: Swift.max(0, width - text.count))
        return isRight ? space + text : text + space
    }
}

extension FlowStep {
    private var register: String { list.map { "LR\($0) = \(content)" } ?? "" }

    /// What happened, in words.
    package var text: String {
        switch kind {
        case .physicalAcknowledge: "host: GICC_IAR = \(argument)"
        case .physicalDrop: "host: GICC_EOIR = \(argument), EOImode 1: it stays active"
        case .raise: flow == .physicalDevice ? "the physical interrupt stands for it" : "the device raises its input"
        case .lower: "the device lowers its input"
        case .send: "vcpu\(argument) writes GICD_SGIR"
        case .queue: "on the list of vcpu\(cpu ?? 0)"
        case .kick: "vcpu\(cpu ?? 0) is to look"
        case .enter: "into the guest"
        case .fill: register
        case .withhold: "waits for an SGI with more senders"
        case .overflow: "no list register left"
        case .signal: "nVIRQ or nVFIQ asserted for \(register)"
        case .acknowledge: "guest: GICV_IAR, \(register)"
        case .drop: "guest: GICV_EOIR, priority dropped"
        case .end: list == nil ? "ended without a list register (EOICount)" : "deactivated, \(register)"
        case .physicalDeactivate: "physical \(argument) deactivated"
        case .unlistedEnd: "guest ends what no list register has"
        case .maintenance: "GICH_MISR \(MaintenanceConditions(rawValue: UInt32(argument)))"
        case .exit: "out of the guest"
        case .fold: register
        case .resample: "the input of physical \(argument) is looked at again"
        case .unqueue: "off the list"
        case .migrate: "to the list of vcpu\(cpu ?? 0)"
        }
    }
}
