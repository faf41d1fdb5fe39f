// Acknowledging and ending: what GICC_IAR, GICC_EOIR, GICC_DIR and their aliases do (Arm IHI 0048B, sections 3.2.2,
// 3.2.4, 3.3 and 4.4), and which interrupt a CPU interface signals.

import Primitives

extension GICv2 {
    /// Group 1 waits, but this register does not acknowledge it.
    package static let otherGroup: UInt16 = 1022
    /// Nothing to acknowledge.
    package static let nothing: UInt16 = 1023
    /// Ends in a row with the level still high that are worth a warning.
    static let patience = 10_000
    /// The first of the INTIDs that stand for no interrupt.
    static let special = 1020

    // MARK: What is pending

    /// The pending interrupt with the highest priority for processor `cpu`, whether it is let through or not.
    package func highestPending(_ cpu: Int) -> Distributor.Candidate? {
        let (forwarded, enabled) = (distributor.forwardedGroups, interfaces[cpu].control.enabledGroups)
        var groups = forwarded & enabled
        if configuration.has(.disabledGroupsCompete), forwarded != 0, enabled != 0 { groups = 3 }
        return groups == 0 ? nil : distributor.best(for: cpu, groups: groups)
    }

    func passesMask(_ it: Distributor.Candidate, _ cpu: Int) -> Bool { it.priority < interfaces[cpu].priorityMask }

    /// Whether it may interrupt what runs on `cpu`.
    func preempts(_ it: Distributor.Candidate, _ cpu: Int) -> Bool {
        let isWhole = configuration.has(.wholePriorityPreempts)
        let priority = isWhole ? it.priority : interfaces[cpu].groupPriority(it.priority, isGroupOne: it.isGroupOne)
        return priority < interfaces[cpu].runningPriority
    }

    /// What processor `cpu`'s IRQ or FIQ input is asserted for.
    func signalled(_ cpu: Int) -> Distributor.Candidate? {
        guard let it = highestPending(cpu), passesMask(it, cpu), preempts(it, cpu) else { return nil }
        let groups = distributor.forwardedGroups & interfaces[cpu].control.enabledGroups
        return groups >> (it.isGroupOne ? 1 : 0) & 1 != 0 ? it : nil
    }

    /// The interrupt for which processor `cpu`'s input is asserted.
    package func signalledInterrupt(_ cpu: Int) -> Int? { signalled(cpu)?.INTID }

    /// GICC_HPPIR, or GICC_AHPPIR.
    func highestPendingValue(_ cpu: Int, isAlias: Bool) -> UInt16 {
        guard let it = highestPending(cpu) else { return Self.nothing }
        if configuration.has(.maskedHighestPending), !passesMask(it, cpu) { return Self.nothing }
        return special(for: it, cpu, isAlias: isAlias) ?? it.value
    }

    /// What a register of the wrong group gives.
    private func special(for it: Distributor.Candidate, _ cpu: Int, isAlias: Bool) -> UInt16? {
        if isAlias { return it.isGroupOne ? nil : Self.nothing }
        return it.isGroupOne && !interfaces[cpu].control.acknowledgesGroupOne ? Self.otherGroup : nil
    }

    // MARK: Acknowledge

    /// A read of GICC_IAR, or of GICC_AIAR: the value.
    mutating func acknowledge(_ cpu: Int, isAlias: Bool, at now: ModelTime, _ out: inout InterruptOutcome) -> UInt16 {
        guard let it = highestPending(cpu), passesMask(it, cpu) else { return spurious(Self.nothing, cpu, at: now) }
        let special = special(for: it, cpu, isAlias: isAlias)
        if !preempts(it, cpu) {
            let shown = configuration.has(.groupOneShownWhileHeld) ? special : nil
            return spurious(shown ?? Self.nothing, cpu, at: now)
        }
        if let special {
            if special == Self.otherGroup { warn(.acknowledgeOfGroupOne, cpu, it.INTID, at: now) }
            return spurious(special, cpu, at: now)
        }
        let row = distributor.acknowledge(it, cpu)
        let level = Int(interfaces[cpu].groupPriority(it.priority, isGroupOne: it.isGroupOne))
        interfaces[cpu].activate(
            level >> Int(interfaces[cpu].levelShift),
            isGroupOne: it.isGroupOne && configuration.has(.separateActivePriorities))
        remember(it.value, cpu)
        journal.acknowledge(
            place(it.INTID, cpu, source: it.source), processor: cpu, vector: 0, detail: .word(it.value), at: now)
        recordPending(row, cause: .line, at: now)
        // Its priority now holds others back, too.
        updateOutputs(row, at: now, &out)
        return it.value
    }

    private mutating func spurious(_ value: UInt16, _ cpu: Int, at now: ModelTime) -> UInt16 {
        journal.record(
            InterruptEvent(.spurious, .line(Int(value)), processor: cpu, detail: .word(value), at: now))
        return value
    }

    /// More than can be nested are there only when software writes GICC_APR; the oldest are forgotten.
    private mutating func remember(_ value: UInt16, _ cpu: Int) {
        if running[cpu].count == 256 { running[cpu].removeFirst() }
        running[cpu].append(value)
    }

    // MARK: End of interrupt

    /// A write to GICC_EOIR, or to GICC_AEOIR.
    mutating func end(_ word: UInt32, _ cpu: Int, isAlias: Bool, at now: ModelTime, _ out: inout InterruptOutcome) {
        let id = Int(word & 0x3ff)
        if id >= Self.special { return warn(.endOfSpurious, cpu, id, at: now) }
        if id >= configuration.interrupts { return warn(.endOfAbsent, cpu, id, at: now) }
        if interfaces[cpu].runningPriority == 0xff { return warn(.endWithoutAcknowledge, cpu, id, at: now) }
        let isGroupOne = distributor.bit(distributor.group, id, cpu)
        if isAlias, !isGroupOne { return warn(.endOfOtherGroup, cpu, id, at: now) }
        if !isAlias, isGroupOne, !interfaces[cpu].control.acknowledgesGroupOne {
            warn(.endOfOtherGroup, cpu, id, at: now)
        }
        interfaces[cpu].drop(isGroupOne: isGroupOne && configuration.has(.separateActivePriorities))
        let value = forget(UInt16(truncatingIfNeeded: word & 0x1fff), cpu, at: now)
        if let value {
            let place = place(id, cpu, source: Int(value >> 10))
            journal.end(place, processor: cpu, vector: 0, detail: .word(value), at: now)
        }
        if !interfaces[cpu].control.splitsEnd { deactivate(id, cpu, at: now, &out) }
    }

    /// Takes what is ended from the running ones; nil where it is none of them. What is odd about it is a warning.
    private mutating func forget(_ word: UInt16, _ cpu: Int, at now: ModelTime) -> UInt16? {
        let id = word & 0x3ff
        guard let i = running[cpu].lastIndex(where: { $0 & 0x3ff == id }) else {
            warn(.endOfInactive, cpu, Int(id), at: now)
            return nil
        }
        if i != running[cpu].count - 1 { warn(.endOutOfOrder, cpu, Int(id), at: now) }
        let value = running[cpu].remove(at: i)
        if id < 16, value != word { warn(.endOfOtherSource, cpu, Int(word), at: now) }
        return value
    }

    /// A write to GICC_DIR.
    mutating func deactivateDirectly(_ word: UInt32, _ cpu: Int, at now: ModelTime, _ out: inout InterruptOutcome) {
        let id = Int(word & 0x3ff)
        if !interfaces[cpu].control.splitsEnd { return warn(.deactivateInWrongMode, cpu, id, at: now) }
        if id >= Self.special { return warn(.deactivateOfSpurious, cpu, id, at: now) }
        if id >= configuration.interrupts { return warn(.endOfAbsent, cpu, id, at: now) }
        guard distributor.bit(distributor.active, id, cpu) else {
            return warn(.deactivateOfInactive, cpu, id, at: now)
        }
        let detail = InterruptEvent.Detail.word(UInt16(truncatingIfNeeded: word & 0x1fff))
        journal.record(InterruptEvent(.deactivate, .line(id), processor: cpu, detail: detail, at: now))
        deactivate(id, cpu, at: now, &out)
    }

    private mutating func deactivate(_ id: Int, _ cpu: Int, at now: ModelTime, _ out: inout InterruptOutcome) {
        let row = distributor.row(id >> 5, cpu)
        let bit: UInt32 = 1 << UInt32(id & 31)
        if distributor.line[row] & ~distributor.edge[row] & distributor.active[row] & bit != 0 {
            let slot = distributor.slot(id, cpu)
            endsWhileHigh[slot] &+= 1
            if endsWhileHigh[slot] == Self.patience {
                endsWhileHigh[slot] = 0
                warn(.levelNeverLowered, cpu, id, at: now)
            }
        }
        distributor.active[row] &= ~bit
        recordPending(row, cause: .line, at: now)
        updateOutputs(row, at: now, &out)
    }

    mutating func warn(_ kind: GuestMistake.Kind, _ cpu: Int, _ argument: Int, at now: ModelTime) {
        journal.warnings.add(GuestMistake(kind, processor: cpu, argument: UInt64(argument)), at: now)
    }
}

extension Distributor.Candidate {
    /// As GICC_IAR gives it: the source of an SGI from bit 10 on.
    package var value: UInt16 { UInt16(INTID | source << 10) }
}

extension Distributor {
    /// A processor takes what `best` gave it: the row that changed.
    mutating func acknowledge(_ it: Candidate, _ cpu: Int) -> Int {
        let row = row(it.INTID >> 5, cpu)
        let bit: UInt32 = 1 << UInt32(it.INTID & 31)
        active[row] |= bit
        guard it.INTID < 16 else {
            latch[row] &= ~bit
            return row
        }
        let i = cpu << 4 | it.INTID
        sources[i] &= ~(1 << UInt8(it.source))
        activeSource[i] = UInt8(it.source)
        if sources[i] == 0 { latch[row] &= ~bit }
        return row
    }
}

extension CPUInterface {
    mutating func activate(_ level: Int, isGroupOne: Bool) {
        if isGroupOne { groupOneActivePriorities.insert(level) } else { activePriorities.insert(level) }
    }

    /// Priority drop: the highest active one of the group ends.
    mutating func drop(isGroupOne: Bool) {
        if isGroupOne { groupOneActivePriorities.removeHighest() } else { activePriorities.removeHighest() }
    }
}
