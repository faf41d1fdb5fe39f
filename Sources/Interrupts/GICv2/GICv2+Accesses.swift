// What processors read and write: the Distributor's page and their own CPU interface's. An access never faults; one
// that the GIC does not take reads 0 or is ignored, and is a warning.

import Primitives

extension GICv2 {
    // MARK: Distributor

    /// Processor `cpu` reads `size` bytes at `offset` of the Distributor.
    package mutating func readDistributor(_ offset: Int, size: Int, _ cpu: Int, at now: ModelTime) -> InterruptOutcome {
        guard let register = decode(offset, size, cpu, at: now) else { return finish(InterruptOutcome()) }
        if !register.isReadable { warn(.writeOnlyDistributorRegister, cpu, offset, at: now) }
        return finish(InterruptOutcome(), value: distributor.read(register, size: size, cpu))
    }

    /// Processor `cpu` writes `size` bytes at `offset` of the Distributor.
    package mutating func writeDistributor(
        _ value: UInt64, _ offset: Int, size: Int, _ cpu: Int, at now: ModelTime
    ) -> InterruptOutcome {
        var out = InterruptOutcome()
        guard let register = decode(offset, size, cpu, at: now) else { return finish(out) }
        let word = UInt32(truncatingIfNeeded: size == 1 ? value & 0xff : value)
        write(word, register, size, cpu, at: now, &out)
        return finish(out)
    }

    private mutating func decode(_ offset: Int, _ size: Int, _ cpu: Int, at now: ModelTime) -> Distributor.Register? {
        do throws(Distributor.Refusal) {
            return try Distributor.decode(offset, size: size, configuration)
        } catch {
            switch error {
            case .hole: warn(.reservedDistributorRegister, cpu, offset, at: now)
            case .access: warn(.distributorAccess, cpu, offset, at: now)
            case .absent(let id): warn(.absentInterrupt, cpu, id, at: now)
            }
            return nil
        }
    }

    private mutating func write(
        _ value: UInt32, _ register: Distributor.Register, _ size: Int, _ cpu: Int, at now: ModelTime,
        _ out: inout InterruptOutcome
    ) {
        let enables = register.enableWord.map { distributor.row($0, cpu) }
        let before = enables.map { distributor.enabled[$0] } ?? 0
        let effect = distributor.write(value, to: register, size: size, cpu)
        if let mistake = effect.mistake { warn(mistake, cpu, Int(value), at: now) }
        switch effect.consequence {
        case .nothing: break
        case .all: updateOutputs(at: now, &out)
        case .row(let row):
            if let word = register.enableWord { recordMasks(word, cpu, before, at: now) }
            var recordsFallen = true
            if case .setActive = register { recordsFallen = false }
            recordPending(row, cause: .register, recordsFallen: recordsFallen, at: now)
            updateOutputs(row, at: now, &out)
        case .send(let word): send(word, from: cpu, at: now, &out)
        case .setSources(let first, let bytes):
            for i in 0..<size {
                let sources = UInt8(truncatingIfNeeded: bytes >> UInt32(8 * i))
                if sources & ~UInt8.mask(configuration.processors) != 0 { warn(.absentSource, cpu, first + i, at: now) }
                pend(sgi: first + i, from: sources, to: cpu, .register, at: now, &out)
            }
        case .clearSources(let first, let bytes):
            for i in 0..<size {
                let sources = UInt8(truncatingIfNeeded: bytes >> UInt32(8 * i))
                clear(sgi: first + i, from: sources, to: cpu, .register, at: now, &out)
            }
        }
    }

    private mutating func send(_ word: UInt32, from cpu: Int, at now: ModelTime, _ out: inout InterruptOutcome) {
        guard let targets = targets(ofSGI: word, from: cpu) else {
            return warn(.reservedTargetFilter, cpu, Int(word), at: now)
        }
        if targets == 0 { warn(.softwareInterruptToNobody, cpu, Int(word), at: now) }
        for target in interfaces.indices where targets >> UInt8(target) & 1 != 0 {
            pend(sgi: Int(word & 15), from: 1 << UInt8(cpu), to: target, .softwareInterrupt, at: now, &out)
        }
    }

    /// Records which enable bits of a word are not as they were.
    private mutating func recordMasks(_ word: Int, _ cpu: Int, _ before: UInt32, at now: ModelTime) {
        let after = distributor.enabled[distributor.row(word, cpu)]
        var bits = before ^ after
        while bits != 0 {
            let bit = bits.trailingZeroBitCount
            bits &= bits &- 1
            let kind: InterruptEvent.Kind = after >> UInt32(bit) & 1 != 0 ? .unmask : .mask
            let processor = word == 0 ? cpu : nil
            journal.record(InterruptEvent(kind, .line(word << 5 | bit), processor: processor, at: now))
        }
    }

    // MARK: CPU interface

    /// Processor `cpu` reads `size` bytes at `offset` of its CPU interface.
    package mutating func readInterface(_ offset: Int, size: Int, _ cpu: Int, at now: ModelTime) -> InterruptOutcome {
        var out = InterruptOutcome()
        guard let register = decodeInterface(offset, size, cpu, at: now) else { return finish(out) }
        switch register {
        case .acknowledge, .aliasedAcknowledge:
            let value = acknowledge(cpu, isAlias: register == .aliasedAcknowledge, at: now, &out)
            return finish(out, value: UInt32(value))
        default:
            if !register.isReadable { warn(.writeOnlyInterfaceRegister, cpu, offset, at: now) }
            return finish(out, value: peek(register, cpu))
        }
    }

    /// Processor `cpu` writes `size` bytes at `offset` of its CPU interface.
    package mutating func writeInterface(
        _ value: UInt64, _ offset: Int, size: Int, _ cpu: Int, at now: ModelTime
    ) -> InterruptOutcome {
        var out = InterruptOutcome()
        guard let register = decodeInterface(offset, size, cpu, at: now) else { return finish(out) }
        let value = UInt32(truncatingIfNeeded: value)
        switch register {
        case .control: interfaces[cpu].setControl(value)
        case .priorityMask: interfaces[cpu].setPriorityMask(value)
        case .binaryPoint: interfaces[cpu].setBinaryPoint(value)
        case .aliasedBinaryPoint: interfaces[cpu].setAliasedBinaryPoint(value)
        case .activePriorities(let word):
            if word < interfaces[cpu].activeWords { interfaces[cpu].activePriorities[word: word] = value }
        case .groupOneActivePriorities(let word):
            if word < interfaces[cpu].activeWords, configuration.has(.separateActivePriorities) {
                interfaces[cpu].groupOneActivePriorities[word: word] = value
            }
        case .endOfInterrupt: end(value, cpu, isAlias: false, at: now, &out)
        case .aliasedEndOfInterrupt: end(value, cpu, isAlias: true, at: now, &out)
        case .deactivate: deactivateDirectly(value, cpu, at: now, &out)
        case .acknowledge, .runningPriority, .highestPending, .aliasedAcknowledge, .aliasedHighestPending,
            .identification:
            warn(.readOnlyInterfaceRegister, cpu, offset, at: now)
        }
        updateOutputs(of: cpu, at: now, &out)
        return finish(out)
    }

    private mutating func decodeInterface(
        _ offset: Int, _ size: Int, _ cpu: Int, at now: ModelTime
    ) -> CPUInterface.Register? {
        guard size == 4, offset & 3 == 0 else {
            warn(.interfaceAccess, cpu, offset, at: now)
            return nil
        }
        guard let register = CPUInterface.Register(offset: offset, configuration) else {
            warn(.reservedInterfaceRegister, cpu, offset, at: now)
            return nil
        }
        return register
    }

    // MARK: Looking without doing

    /// What a read would give, without its side effects; 0 where there is no register.
    package func inspectDistributor(_ offset: Int, _ cpu: Int) -> UInt32 {
        guard let register = try? Distributor.decode(offset, size: 4, configuration) else { return 0 }
        return distributor.read(register, size: 4, cpu)
    }

    /// The same of a CPU interface. GICC_IAR shows what GICC_HPPIR does, since a read would acknowledge.
    package func inspectInterface(_ offset: Int, _ cpu: Int) -> UInt32 {
        CPUInterface.Register(offset: offset, configuration).map { peek($0, cpu) } ?? 0
    }

    private func peek(_ register: CPUInterface.Register, _ cpu: Int) -> UInt32 {
        let interface = interfaces[cpu]
        switch register {
        case .control: return interface.control.rawValue
        case .priorityMask: return UInt32(interface.priorityMask)
        case .binaryPoint: return UInt32(interface.binaryPoint)
        case .aliasedBinaryPoint: return configuration.has(.groups) ? UInt32(interface.aliasedBinaryPoint) : 0
        case .runningPriority: return UInt32(interface.runningPriority)
        case .acknowledge, .highestPending: return UInt32(highestPendingValue(cpu, isAlias: false))
        case .aliasedAcknowledge, .aliasedHighestPending: return UInt32(highestPendingValue(cpu, isAlias: true))
        case .activePriorities(let word): return interface.activePriorities[word: word]
        case .groupOneActivePriorities(let word): return interface.groupOneActivePriorities[word: word]
        case .identification: return configuration.interfaceIdentification
        case .endOfInterrupt, .aliasedEndOfInterrupt, .deactivate: return 0
        }
    }
}
