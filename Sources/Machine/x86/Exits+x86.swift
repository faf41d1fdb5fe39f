import Architecture
import Debugger
import Devices
import Host
import Interrupts
import KVM
import Primitives

// From an x86 guest's exit to what it means: a device access to answer, an instruction to complete, or a stop.
extension Processor {
    func handleX86(_ exit: Exit) throws(KVMError) -> Outcome {
        switch exit {
        case .io(let access):
            if let outcome = try reachedPlanted(access) { return outcome }
            return try perform(access)
        case .mmioRead where isTrapped(exit), .mmioWrite where isTrapped(exit): return try trapped(exit)
        case .mmioRead(let address, let size):
            let result =
                machine.interruptController.read(address, size: size, by: self)
                ?? machine.bus { $0.memory.read(at: address, size: size, now: machine.now) }
            vcpu.answerMMIO(result.value)
            let outcome = caught(result, size, at: address, isWrite: false, try apply(result))
            if case .stop = outcome { _ = try complete() }
            return outcome
        case .mmioWrite(let address, let data, let size): return try write(data, size, at: address)
        case .debug(let event): return try classify(event)
        case .interrupted: return try interrupted()
        case .internalError(.emulation, _):
            if let outcome = try retry(exit) { return outcome }
            return try completeInstruction()
        case .shutdown:
            let last = programCounter
            try fetchRegisters()
            if let outcome = try retry(exit) { return outcome }
            guard !X86.isAtReset(registers) else {
                return .stop(
                    StopEvent(.tripleFault, on: index, explanation: TripleFault.unknown(index, lastSeen: last)))
            }
            if let outcome = try undeliverable() { return outcome }
            try takeBackCompleted()
            return .stop(StopEvent(.tripleFault, on: index, explanation: TripleFault(self).explanation))
        case .internalError:
            if exit.isFailedDelivery, let outcome = try retry(exit) { return outcome }
            return .stop(failure(exit))
        case .registerRead(let index, let isRefused): return try access(index, writing: nil, isRefused)
        case .registerWrite(let index, let value, let isRefused): return try access(index, writing: value, isRefused)
        // The local APIC has CR8 already (see `adoptTaskPriority`).
        case .taskPriorityLowered, .taskPriorityAccess: return .goOn
        case .hypercall:
            vcpu.refuseHypercall()
            return .goOn
        case .busLock, .notify(isContextLost: false): return .goOn
        case .halt:
            try machine.interruptController.setActivity(.halted, of: self)
            guard machine.catchesHalts else { return .goOn }
            try fetchRegisters()
            return .stop(haltEvent)
        case .interruptWindowOpen: return .goOn
        case .endOfInterrupt(let vector):
            machine.interruptController.endOfInterrupt(vector, by: self)
            return .goOn
        case .undecodedAccess, .failEntry, .systemEvent, .notify, .exception, .hyperV, .xen, .trustDomain, .resetHold,
            .certificateRequest, .dirtyRingFull, .memoryFault, .externalAbort, .hardwareUnknown, .unknown:
            return .stop(failure(exit))
        }
    }

    /// The stop for an exit after which the guest cannot continue.
    func failure(_ exit: Exit) -> StopEvent { failure(exit.failure ?? "KVM came back with \(exit)") }

    func failure(_ explanation: String) -> StopEvent {
        StopEvent(.hostFailure, on: index, explanation: "vCPU \(index): \(explanation)")
    }

    // MARK: - Devices

    /// Answers a port access, unit by unit.
    private func perform(_ access: Exit.PortAccess) throws(KVMError) -> Outcome {
        if machine.interruptController.claims(access.port) { return performOnController(access) }
        var outcome = Outcome.goOn
        let port = IOPort(access.port)
        for unit in 0..<access.count {
            let result = machine.bus { platform in
                access.isWrite
                    ? platform.ports.write(
                        UInt64(vcpu.value(access, unit: unit)), at: port, size: access.size, now: machine.now)
                    : platform.ports.read(at: port, size: access.size, now: machine.now)
            }
            if !access.isWrite { vcpu.answer(access, unit: unit, with: UInt32(truncatingIfNeeded: result.value)) }
            if case .stop(let event) = try apply(result) { outcome = .stop(event) }
            if case .goOn = outcome, !machine.arrangement.catches.isEmpty {
                let value = access.isWrite ? vcpu.value(access, unit: unit) : UInt32(truncatingIfNeeded: result.value)
                outcome = caught(access, value)
            }
        }
        if port.rawValue & ~1 == PCPlatform.Port.clock.rawValue { machine.followClock(by: self) }
        // The guest must stand behind the instruction, not inside it.
        if case .stop = outcome { _ = try complete() }
        return outcome
    }

    /// Answers an access to the interrupt controllers' ports, byte by byte.
    private func performOnController(_ access: Exit.PortAccess) -> Outcome {
        var outcome = Outcome.goOn
        for unit in 0..<access.count {
            var value: UInt32 = 0
            let written = vcpu.value(access, unit: unit)
            for byte in 0..<access.size {
                let out = access.isWrite ? UInt8(truncatingIfNeeded: written >> UInt32(byte * 8)) : nil
                let answer = machine.interruptController.access(
                    port: access.port &+ UInt16(byte), writing: out, by: self)
                value |= UInt32(answer ?? 0xff) << UInt32(byte * 8)
            }
            if !access.isWrite { vcpu.answer(access, unit: unit, with: value) }
            if case .goOn = outcome { outcome = caught(access, access.isWrite ? written : value) }
        }
        return outcome
    }

    /// The stop that `monitor catch` asks for at this port access, if any.
    private func caught(_ access: Exit.PortAccess, _ value: UInt32) -> Outcome {
        let isCaught = machine.arrangement.catches.contains {
            if case .ports(let range) = $0.kind { range.contains(access.port) } else { false }
        }
        guard isCaught else { return .goOn }
        let what = access.isWrite ? "wrote \(hexadecimal(value)) to" : "read \(hexadecimal(value)) from"
        return .stop(
            StopEvent(
                .caught, on: index,
                explanation: "vCPU \(index) \(what) port \(hexadecimal(access.port)) (\(access.size * 8) bits)"))
    }

    /// The same for device memory, where the access caused no other stop.
    func caught(
        _ access: Access, _ size: Int, at address: PhysicalAddress, isWrite: Bool, _ outcome: Outcome
    ) -> Outcome {
        guard case .goOn = outcome else { return outcome }
        let isCaught = machine.arrangement.catches.contains {
            if case .memory(let range) = $0.kind { range.contains(address) } else { false }
        }
        guard isCaught else { return .goOn }
        let value = hexadecimal(access.value & .mask(size * 8))
        let what = isWrite ? "wrote \(value) to" : "read \(value) from"
        return .stop(StopEvent(.caught, on: index, explanation: "vCPU \(index) \(what) \(address) (\(size * 8) bits)"))
    }

    /// Does what a device access asks of the machine.
    func apply(_ access: Access) throws(KVMError) -> Outcome {
        if let line = access.line { try machine.change(line, by: self) }
        if access.madeRoom { machine.passInput() }
        switch access.effect {
        case nil: return .goOn
        case .output(let byte):
            if !machine.configuration.showsScreen { machine.console.put(byte) }
            return .goOn
        case .powerOff: return .stop(StopEvent(.ended(.poweredOff), on: index))
        case .exit(let status): return .stop(StopEvent(.ended(.exited(status: status)), on: index))
        case .reset: return .stop(StopEvent(.reset, on: index, explanation: "vCPU \(index) asked for a reset"))
        case .panic:
            let text = "vCPU \(index): the guest reports that it has crashed (pvpanic)"
            return .stop(StopEvent(.panicked, on: index, explanation: text))
        case .biosCall: return .stop(try biosCall())
        case .service:
            try machine.serveDevices(by: self)
            return .goOn
        }
    }

    private func write(_ data: UInt64, _ size: Int, at address: PhysicalAddress) throws(KVMError) -> Outcome {
        let result =
            machine.interruptController.write(data, address, size: size, by: self)
            ?? machine.bus { $0.memory.write(data, at: address, size: size, now: machine.now) }
        var written = result
        written.value = data
        let outcome = caught(written, size, at: address, isWrite: true, try apply(result))
        if case .stop = outcome { _ = try complete() }
        return outcome
    }

    /// Does what the guest wanted of a filtered register, or of one that KVM refuses it.
    private func access(
        _ register: UInt32, writing value: UInt64?, _ isRefused: Bool
    ) throws(KVMError) -> Outcome {
        let isCaught = !isRefused && machine.caughtRegisters.contains(register)
        let place: VirtualAddress
        let result: UInt64?
        if let answer = machine.interruptController.access(register: register, writing: value, by: self) {
            guard isCaught else { return .goOn }
            try fetchRegisters()
            (place, result) = (programCounter, answer.isFault ? nil : answer.value)
            _ = try complete()
        } else if isCaught {
            try fetchRegisters()
            place = programCounter
            result = try accessUnfiltered(register)
        } else {
            // The filter's only other register is that of SYSCALL, for which KVM has the same rule for guests and for
            // this program.
            var isTaken = false
            if let value, !isRefused { isTaken = try vcpu.setModelSpecific(register, to: value) }
            vcpu.answerRegister(isTaken ? value : nil)
            guard isRefused, x86.isUnfiltered else { return .goOn }
            // Without KVM's step, whose trap flag the fault would store.
            try disarmStep(before: .toHandler)
            _ = try complete()
            return .stop(StopEvent(.stepped, on: index))
        }
        let number = (value ?? result).map { hexadecimal($0) }
        let what = value == nil ? "read \(number ?? "nothing") from" : "wrote \(number ?? "") to"
        var explanation = "vCPU \(index) \(what) MSR \(hexadecimal(register)) at \(place)"
        if result == nil { explanation += ", which is a general-protection fault here" }
        return .stop(StopEvent(.caught, on: index, explanation: explanation))
    }

    /// Has the guest itself execute the access that the filter held back, so that KVM refuses what it refuses a guest:
    /// what was read or 0, or nil where that was a fault. No other vCPU runs meanwhile, unfiltered.
    private func accessUnfiltered(_ register: UInt32) throws(KVMError) -> UInt64? {
        try whileOthersWait { () throws(KVMError) in
            let before = registers
            vcpu.answerRegister(0)
            _ = try complete()
            try fetchRegisters()
            let end = programCounter
            registers = before
            registers.changed = .general
            // A refusal exits too, and is answered without a step.
            let exitsOnUnknown = machine.x86.filter.exitsOnUnknown
            if !exitsOnUnknown { try machine.vm.exitOnFilteredRegisters(andUnknown: true) }
            try machine.vm.filter(machine.x86.filter.registers.filter { $0.index != register })
            x86.isUnfiltered = true
            defer { x86.isUnfiltered = false }
            let event = try pass()
            try machine.vm.filter(machine.x86.filter.registers)
            if !exitsOnUnknown { try machine.vm.exitOnFilteredRegisters(andUnknown: false) }
            try fetchRegisters()
            guard event == nil, programCounter == end else { return nil }
            return X86.modelSpecificResult(registers)
        }
    }

    // MARK: - Debug events

    private func classify(_ event: Exit.DebugExit) throws(KVMError) -> Outcome {
        let place = event.programCounter
        // Whether nothing was executed since the vCPU went in: `registers` are those of before.
        let hasNotMoved = place == programCounter
        if event.code == 3 {
            if place == breakpoints.lifted, debugControl.armed.singleStep {
                // The guest's own under the breakpoint that is passed. Its handler is next: what is stepped no further
                // leaves no trap flag in what the handler finds.
                try vcpu.injectSoftware(vector: 3, asException: true)
                return .stop(StopEvent(.stepped, on: index))
            }
            if debugControl.armed.singleStep, !hasNotMoved { x86.hasPendingStepTrap = true }
            if let outcome = try reachedHandler(place) { return outcome }
            if let outcome = reachedPlanted(at: place) { return outcome }
            // The guest's own: KVM keeps its length, so RIP stays where it is.
            try vcpu.injectSoftware(vector: 3, asException: true)
            return .goOn
        }
        let slots = slots(for: stepping).hits(event.status)
        if x86.hasPendingStepTrap {
            x86.hasPendingStepTrap = false
            if hasNotMoved, X86DebugRegisters.isStep(event.status) { return .goOn }
        }
        // A step may come with the breakpoint that it leads to, which is hit when the guest is resumed.
        let isStep = debugControl.armed.singleStep && X86DebugRegisters.isStep(event.status)
        if !isStep, slots.contains(where: { $0.access == .execute && $0.address == place }) {
            if place == stepping.destination?.end { return .stop(StopEvent(.stepped, on: index)) }
            if let outcome = try reachedHandler(place) { return outcome }
            return .stop(StopEvent(.breakpoint(place), on: index))
        }
        let found = slots.filter { $0.access != .execute }.compactMap(watched)
        if !found.isEmpty {
            recordHits(found.sorted { $0.address < $1.address })
            return accesses.isFinishingRepetition ? .goOn : watchpointStop(and: nil)
        }
        if debugControl.armed.singleStep { return .stop(StopEvent(.stepped, on: index)) }
        // The guest's own trap flag or debug registers.
        try queueDebugException(status: event.status)
        return .goOn
    }

    /// What the client watches at a data breakpoint; where in its range the access was, the processor does not report.
    private func watched(_ slot: X86DebugRegisters.Slot) -> PageWatch.Hit? {
        machine.arrangement.watchpoints.first {
            $0.contains(slot.address) && ($0.access == .write) == (slot.access == .write)
                && !machine.x86.pageTraps.watchpoints.contains($0)
        }.map { PageWatch.Hit(watchpoint: $0, address: slot.address) }
    }

    // MARK: - What is planted

    /// What a planted instruction at `place` means; nil where it is the guest's own.
    func reachedPlanted(at place: VirtualAddress) -> Outcome? {
        guard place != stepping.destination?.start, place != breakpoints.lifted else { return nil }
        if machine.hasBreakpoint(at: place) { return .stop(StopEvent(.breakpoint(place), on: index)) }
        // Else it is there for another vCPU, or for another address that leads there too.
        return machine.isPlanted(at: place, seenBy: self) ? .pass : nil
    }
}
