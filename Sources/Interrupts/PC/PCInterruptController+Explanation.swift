// Why an interrupt does or does not reach a processor: every condition between them, in order.

import Primitives

extension PCInterruptController {
    /// The way of input `line`, to processor `cpu` or to all it is meant for. `facts` has one row a processor.
    package func explain(line: Int, cpu: Int? = nil, _ facts: [ProcessorFacts]) -> [InterruptCheck] {
        guard let pin = pin(of: line) else {
            return [check("input", "input \(line)", .notWired, "no device can have this input")]
        }
        var checks = [
            check(
                "input", "level = \(ioapic.lines[bit: pin] ? "high" : "low")", isHigh(pin) ? nil : .lineLow,
                "no device asserts it now")
        ]
        // Two ways lead on; which is open is the guest's choice. A closed one is listed only when both are.
        let listeners = locals.indices.filter { locals[$0].passesExternal && (cpu == nil || cpu == $0) }
        let isPinOpen = !ioapic.entries[pin].isMasked
        let isPairMeant = line < 16 && !listeners.isEmpty && !pics.mask[bit: line]
        let isPairOpen = isPairMeant && (!isPinOpen || pics.isOpen(line))
        if isPairOpen || line < 16 && !isPinOpen {
            checks += pairChecks(line)
            for i in isPairOpen ? listeners : [cpu ?? 0] { checks += [localPinCheck(i)] + processorChecks(i, facts) }
        }
        return isPairOpen && !isPinOpen ? checks : checks + pinChecks(pin, cpu, facts)
    }

    /// The way of `vector` from the local APIC of `cpu` on.
    package func explain(vector: UInt8, cpu: Int, _ facts: [ProcessorFacts]) -> [InterruptCheck] {
        vectorChecks(vector, cpu) + processorChecks(cpu, facts)
    }

    private func check(
        _ stage: String, _ condition: String, _ obstacle: InterruptCheck.Obstacle?, _ reason: String
    ) -> InterruptCheck {
        InterruptCheck(stage: stage, condition: condition, obstacle: obstacle, reason: obstacle == nil ? "" : reason)
    }

    private func isHigh(_ pin: Int) -> Bool { ioapic.lines[bit: pin] }

    // MARK: I/O APIC

    private func pinChecks(_ pin: Int, _ cpu: Int?, _ facts: [ProcessorFacts]) -> [InterruptCheck] {
        let entry = ioapic.entries[pin]
        let stage = "I/O APIC"
        var checks = [
            check(
                stage, "pin \(pin) mask = \(entry.isMasked ? 1 : 0)", entry.isMasked ? .pinMasked : nil,
                "the guest has masked pin \(pin)")
        ]
        if entry.isLevel {
            checks.append(
                check(
                    stage, "remote IRR = \(entry.remoteIRR ? 1 : 0)", entry.remoteIRR ? .remoteIRR : nil,
                    remoteIRRText(entry.vector))
            )
            if ioapic.paused[bit: pin] {
                checks.append(
                    check(
                        stage, "pause", .paused,
                        "\(IOAPIC.patience) EOIs in a row did not lower the line; it comes again after 10 ms")
                )
            }
        }
        guard entry.message.hasVector else {
            let mode = entry.deliveryMode
            return checks + [check(stage, "delivery mode \(mode)", .noVector, "it sends \(mode), no vector")]
        }
        checks.append(
            check(
                stage, "vector = \(hexadecimal(entry.vector, digits: 2))", entry.vector < 16 ? .illegalVector : nil,
                "vectors below 16 are refused with an APIC error")
        )
        let targets = self.targets(of: entry.message, .line(number(of: pin), by: .line))
        let kind = entry.isLogical ? "logical" : "physical"
        checks.append(
            check(
                stage, "\(kind) destination \(hexadecimal(entry.destination)) = cpu \(targets)",
                targets.isEmpty ? .nobodyAddressed : cpu.map { targets.contains($0) } == false ? .notAddressed : nil,
                targets.isEmpty ? "no local APIC has that destination" : "cpu \(cpu ?? 0) is not meant")
        )
        if entry.vector < 16 || targets.isEmpty { return checks }
        let wanted = cpu.map { [$0] } ?? Array(targets)
        let holders = wanted.filter { locals[$0].interruptRequest.contains(entry.vector) }
        // Of an arbitrated message one processor has it; before that, each would do.
        for target in entry.message.isArbitrated && !holders.isEmpty ? holders : wanted {
            checks += vectorChecks(entry.vector, target)
            checks += processorChecks(target, facts)
        }
        return checks
    }

    private func remoteIRRText(_ vector: UInt8) -> String {
        let text = "the last interrupt has had no EOI: "
        if let cpu = locals.indices.first(where: { locals[$0].inService.contains(vector) }) {
            return text + "vector \(hexadecimal(vector, digits: 2)) is in service on cpu \(cpu)"
        }
        if let cpu = locals.indices.first(where: { locals[$0].interruptRequest.contains(vector) }) {
            return text + "vector \(hexadecimal(vector, digits: 2)) still waits on cpu \(cpu)"
        }
        return text + "no local APIC has vector \(hexadecimal(vector, digits: 2)) any more, so none will come by itself"
            + (locals.contains(where: \.keepsEOI) ? " (SVR bit 12 keeps EOIs from the I/O APIC)" : "")
    }

    // MARK: Local APIC

    private func vectorChecks(_ vector: UInt8, _ cpu: Int) -> [InterruptCheck] {
        let apic = locals[cpu]
        let stage = "cpu \(cpu) APIC"
        let name = hexadecimal(vector, digits: 2)
        let isRequested = apic.interruptRequest.contains(vector)
        var checks = [
            check(
                stage, "IA32_APIC_BASE enable = \(apic.mode == .disabled ? 0 : 1)",
                apic.mode == .disabled ? .apicDisabled : nil, "the guest has disabled this APIC"),
            check(
                stage, "SVR enable = \(apic.isSoftwareEnabled ? 1 : 0)",
                apic.isSoftwareEnabled || isRequested ? nil : .apicSwitchedOff,
                "the guest has not switched this APIC on, so it accepts no vector"),
            check(
                stage, "IRR[\(name)] = \(isRequested ? 1 : 0)", isRequested ? nil : .notRequested,
                apic.inService.contains(vector) ? "it is in service, without an EOI so far" : "nothing waits here"),
        ]
        let service = apic.inService.highest ?? 0
        checks.append(
            check(
                stage, "TPR = \(hexadecimal(apic.taskPriority, digits: 2))",
                apic.taskPriority >> 4 >= vector >> 4 ? .taskPriority : nil,
                "the task priority class \(apic.taskPriority >> 4) is not below the vector's, \(vector >> 4)")
        )
        checks.append(
            check(
                stage, apic.inService.isEmpty ? "ISR empty" : "ISR highest = \(hexadecimal(service, digits: 2))",
                !apic.inService.isEmpty && service >> 4 >= vector >> 4 ? .inService : nil,
                "vector \(hexadecimal(service, digits: 2)) of class \(service >> 4) is in service without an EOI")
        )
        if let highest = apic.interruptRequest.highest, highest > vector {
            checks.append(
                check(
                    stage, "IRR highest = \(hexadecimal(highest, digits: 2))", .higherPending,
                    "vector \(hexadecimal(highest, digits: 2)) goes first")
            )
        }
        return checks
    }

    // MARK: 8259 pair

    private func pairChecks(_ line: Int) -> [InterruptCheck] {
        let chip = line < 8 ? pics.master : pics.slave
        let stage = line < 8 ? "8259 master" : "8259 slave"
        var checks = chipChecks(chip, stage, line & 7, (.pairMasked, .pairInService))
        if line >= 8 {
            checks += chipChecks(pics.master, "8259 master", PIC8259.cascade, (.cascadeMasked, .cascadeInService))
        }
        return checks
    }

    private func chipChecks(
        _ chip: PIC8259, _ stage: String, _ input: Int,
        _ obstacles: (masked: InterruptCheck.Obstacle, inService: InterruptCheck.Obstacle)
    ) -> [InterruptCheck] {
        var checks: [InterruptCheck] = []
        if chip.step != .ready {
            checks.append(
                check(stage, "initialization", .pairInitializing, "the guest has not given it all of ICW1 to ICW4")
            )
        }
        checks.append(
            check(
                stage, "IMR.\(input) = \(chip.mask[bit: input] ? 1 : 0)",
                chip.mask[bit: input] ? obstacles.masked : nil, "the guest has masked input \(input)")
        )
        checks.append(
            check(
                stage, "IRR.\(input) = \(chip.request[bit: input] ? 1 : 0)",
                chip.request[bit: input] ? nil : .pairNotRequested, "no edge or level is waiting")
        )
        // Which input stands before this one: the order begins behind the lowest.
        let before = (1...8).map { (Int(chip.lowest) + $0) & 7 }.prefix { $0 != input }
        let blocking = chip.isSpecialMask ? chip.inService & ~chip.mask : chip.inService
        let holder = (before + [input]).first { blocking[bit: $0] }
        checks.append(
            check(
                stage, "ISR = \(hexadecimal(chip.inService, digits: 2))", holder == nil ? nil : obstacles.inService,
                "input \(holder ?? 0) is in service without an EOI")
        )
        if let first = before.first(where: { (chip.request & ~chip.mask)[bit: $0] }) {
            checks.append(check(stage, "input \(first) waits too", .pairHigherPending, "input \(first) goes first"))
        }
        return checks
    }

    private func localPinCheck(_ cpu: Int) -> InterruptCheck {
        let entry = locals[cpu][.lint0]
        let stage = "cpu \(cpu) APIC"
        if locals[cpu].mode == .disabled { return check(stage, "off: LINT0 is INTR", nil, "") }
        if entry.isMasked {
            return check(stage, "LVT LINT0 mask = 1", .localPinMasked, "the guest has masked the 8259's way in")
        }
        let obstacle: InterruptCheck.Obstacle? = entry.deliveryMode == .external ? nil : .localPinMode
        return check(stage, "LVT LINT0 mode = \(entry.deliveryMode)", obstacle, "LINT0 is not in ExtINT mode")
    }

    // MARK: Processor

    private func processorChecks(_ cpu: Int, _ facts: [ProcessorFacts]) -> [InterruptCheck] {
        let fact = facts.indices.contains(cpu) ? facts[cpu] : ProcessorFacts()
        let stage = "cpu \(cpu)"
        let place = fact.place.isEmpty ? "" : ", \(fact.place)"
        var checks: [InterruptCheck] = []
        if locals[cpu].activity == .waitingForStartUp {
            checks.append(
                check(stage, "waits for start-up", .waitingForStartUp, "no processor has sent it INIT and SIPI"))
        }
        if let isEnabled = fact.interruptsEnabled {
            checks.append(
                check(
                    stage, "IF = \(isEnabled ? 1 : 0)", isEnabled ? nil : .interruptsDisabled,
                    "cpu \(cpu) has interrupts disabled" + (fact.isHalted ? " and is halted: only an NMI wakes it" : "")
                        + place)
            )
        }
        if fact.isShadowed {
            checks.append(
                check(stage, "interrupt shadow", .blockedInstruction, "for one more instruction after STI or MOV SS")
            )
        }
        return checks
    }
}
