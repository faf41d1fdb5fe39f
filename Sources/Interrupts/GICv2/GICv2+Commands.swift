// What a debugger does to interrupts, which the guest does not notice.

import Primitives

extension GICv2 {
    /// The answer to `inject-nmi`.
    package static let nonMaskableRefusal = "GICv2 has no NMI"

    // MARK: Making interrupts

    /// Makes interrupt `id` pending; without `how`, as its trigger wants it. An SGI comes from `cpu` itself.
    package mutating func inject(
        _ id: Int, cpu: Int = 0, _ how: InterruptRequest.Injection? = nil, _ facts: [ProcessorFacts] = [],
        at now: ModelTime
    ) -> InterruptResult {
        if let refusal = refusal(id, cpu) { return refusal }
        let name = Self.kind(id) + " \(id)"
        if id < 16 {
            if let how, how != .edge { return refused("SGI \(id) has no line") }
            return send(sgi: id, from: cpu, to: .itself, facts, at: now)
        }
        let state = distributor.state(id, cpu)
        switch how ?? (state.isEdge ? .edge : .level) {
        case .edge:
            var out = InterruptOutcome()
            let row = distributor.row(id >> 5, cpu)
            distributor.latch[row] |= 1 << UInt32(id & 31)
            if state.isLatched {
                journal.record(
                    InterruptEvent(.coalesce, .line(id), processor: id < 32 ? cpu : nil, cause: .debugger, at: now))
            }
            recordPending(row, cause: .debugger, at: now)
            updateOutputs(row, at: now, &out)
            let text = state.isPending ? "\(name) was pending already: two are one" : "\(name) is pending"
            return done(text, id, cpu, facts, out)
        case .level:
            let out = setLine(id, cpu: cpu, true, at: now, cause: .debugger)
            let text = "the line of \(name) \(state.isLineHigh ? "was high already" : "is high")"
            let advice = "; no device lowers it: lower-irq \(id) does"
            return done(text + advice, id, cpu, facts, out)
        case .pulse:
            let out = pulseLine(id, cpu: cpu, at: now, cause: .debugger)
            let text = "the line of \(name) was pulsed"
            return done(
                state.isEdge ? text : text + "; it is level-sensitive, so nothing remains pending", id, cpu, facts, out)
        }
    }

    /// Lowers the input that `inject` raised; it stays high where its device holds it up, too.
    package mutating func lower(_ id: Int, cpu: Int = 0, at now: ModelTime) -> InterruptResult {
        if let refusal = refusal(id, cpu) { return refusal }
        guard isWired(id) else { return refused("SGI \(id) has no line") }
        let out = setLine(id, cpu: cpu, false, at: now, cause: .debugger)
        if isRaisedByDevice(id, cpu) {
            return done("the line of \(Self.kind(id)) \(id) stays high: its device holds it up", out)
        }
        return done(Self.lowered(id, staysPending: distributor.state(id, cpu).isPending), out)
    }

    /// What came of `lower`.
    package static func lowered(_ id: Int, staysPending: Bool) -> String {
        let rest = staysPending ? ", but it stays pending: clear-irq \(id) takes it back" : ""
        return "the line of \(kind(id)) \(id) is low\(rest)"
    }

    /// Takes back what is pending; a level that is high stays pending.
    package mutating func clear(_ id: Int, cpu: Int = 0, at now: ModelTime) -> InterruptResult {
        if let refusal = refusal(id, cpu) { return refusal }
        let state = distributor.state(id, cpu)
        let name = Self.kind(id) + " \(id)"
        guard state.isPending else { return refused("\(name) is not pending") }
        var out = InterruptOutcome()
        if id < 16 {
            clear(sgi: id, from: 0xff, to: cpu, .debugger, at: now, &out)
        } else {
            let row = distributor.row(id >> 5, cpu)
            distributor.latch[row] &= ~(1 << UInt32(id & 31))
            recordPending(row, cause: .debugger, recordsFallen: true, at: now)
            updateOutputs(row, at: now, &out)
        }
        return done(Self.cleared(id, staysPending: distributor.state(id, cpu).isPending), finish(out))
    }

    /// What came of `clear`.
    package static func cleared(_ id: Int, staysPending: Bool) -> String {
        "\(kind(id)) \(id) " + (staysPending ? "stays pending: its line is high" : "is taken back")
    }

    /// Sends an SGI as processor `sender` would.
    package mutating func send(
        sgi id: Int, from sender: Int, to target: InterruptRequest.SoftwareTarget, _ facts: [ProcessorFacts] = [],
        at now: ModelTime
    ) -> InterruptResult {
        guard (0..<16).contains(id) else { return refused("SGIs are 0 to 15") }
        if let refusal = refusal(id, sender) { return refusal }
        let word: UInt32 =
            switch target {
            case .mask(let mask): UInt32(truncatingIfNeeded: mask & 0xff) << 16
            case .others: 1 << 24
            case .itself: 2 << 24
            }
        let targets = targets(ofSGI: word, from: sender) ?? 0
        if targets == 0 { return refused("no processor is addressed: the GIC has \(interfaces.count) processors") }
        var out = InterruptOutcome()
        for cpu in interfaces.indices where targets >> UInt8(cpu) & 1 != 0 {
            pend(sgi: id, from: 1 << UInt8(sender), to: cpu, .debugger, at: now, &out)
        }
        let set = ProcessorSet(rawValue: UInt64(targets))
        return done(
            "SGI \(id) from cpu \(sender) is pending on cpu \(set)", id, set.first { _ in true } ?? 0, facts, out)
    }

    // MARK: Changing registers

    /// Disables or enables it in the Distributor; the guest is not notified.
    package mutating func setMask(
        _ id: Int, cpu: Int = 0, _ isMasked: Bool, _ facts: [ProcessorFacts] = [], at now: ModelTime
    ) -> InterruptResult {
        if let refusal = refusal(id, cpu) { return refusal }
        let name = Self.kind(id) + " \(id)"
        if isMasked, id < 16, configuration.has(.fixedSoftwareEnables) {
            return refused("SGIs are always enabled here")
        }
        let wasEnabled = distributor.state(id, cpu).isEnabled
        let out = change(id, cpu, at: now) { distributor, row, bit in
            if isMasked { distributor.enabled[row] &= ~bit } else { distributor.enabled[row] |= bit }
        }
        if wasEnabled == isMasked {
            let processor = id < 32 ? cpu : nil
            journal.record(
                InterruptEvent(isMasked ? .mask : .unmask, .line(id), processor: processor, cause: .debugger, at: now))
        }
        if isMasked { return done("\(name) is disabled; the guest is not notified", out) }
        let text = "\(name) is enabled; the guest is not notified"
        return distributor.state(id, cpu).isPending ? done(text, id, cpu, facts, out) : done(text, out)
    }

    /// Gives it another priority, of which the implemented bits count.
    package mutating func setPriority(
        _ id: Int, cpu: Int = 0, _ value: UInt8, _ facts: [ProcessorFacts] = [], at now: ModelTime
    ) -> InterruptResult {
        if let refusal = refusal(id, cpu) { return refusal }
        let real = value & configuration.priorityMask
        let slot = distributor.slot(id, cpu)
        let out = change(id, cpu, at: now) { distributor, _, _ in distributor.priority[slot] = real }
        var text = "\(Self.kind(id)) \(id) has priority \(hexadecimal(real, digits: 2))"
        if real != value { text += ": only \(configuration.priorityBits) bits exist" }
        return distributor.state(id, cpu).isPending ? done(text, id, cpu, facts, out) : done(text, out)
    }

    /// Sends an SPI to the processors of a mask from now on.
    package mutating func route(
        _ id: Int, to mask: UInt8, _ facts: [ProcessorFacts] = [], at now: ModelTime
    ) -> InterruptResult {
        if let refusal = refusal(id, 0) { return refusal }
        guard id >= 32 else {
            return refused("\(Self.kind(id)) \(id) belongs to one processor; only SPIs have targets")
        }
        let slot = distributor.slot(id, 0)
        let out = change(id, 0, at: now) { distributor, _, _ in distributor.setTargets(slot, mask) }
        let state = distributor.state(id, 0)
        let reach = ProcessorSet(rawValue: UInt64(state.reach))
        let text = "SPI \(id) has targets \(hexadecimal(state.targets)) and goes to cpu \(reach)"
        return state.isPending ? done(text, id, reach.first { _ in true } ?? 0, facts, out) : done(text, out)
    }

    /// Puts it into group 0 or 1.
    package mutating func setGroup(
        _ id: Int, cpu: Int = 0, isOne: Bool, _ facts: [ProcessorFacts] = [], at now: ModelTime
    ) -> InterruptResult {
        if let refusal = refusal(id, cpu) { return refusal }
        guard configuration.has(.groups) else { return refused("this GIC has no groups") }
        let out = change(id, cpu, at: now) { distributor, row, bit in
            if isOne { distributor.group[row] |= bit } else { distributor.group[row] &= ~bit }
        }
        let text = "\(Self.kind(id)) \(id) is in group \(isOne ? 1 : 0)"
        return distributor.state(id, cpu).isPending ? done(text, id, cpu, facts, out) : done(text, out)
    }

    // MARK: Helpers

    private mutating func change(
        _ id: Int, _ cpu: Int, at now: ModelTime, _ body: (inout Distributor, Int, UInt32) -> Void
    ) -> InterruptOutcome {
        var out = InterruptOutcome()
        let row = distributor.row(id >> 5, cpu)
        body(&distributor, row, 1 << UInt32(id & 31))
        recordPending(row, cause: .debugger, at: now)
        updateOutputs(row, at: now, &out)
        return finish(out)
    }

    private func refusal(_ id: Int, _ cpu: Int) -> InterruptResult? {
        if !(0..<configuration.interrupts).contains(id) {
            return refused("no interrupt \(id): they are 0 to \(configuration.interrupts - 1)")
        }
        return interfaces.indices.contains(cpu) ? nil : refused("no processor \(cpu)")
    }

    private func refused(_ text: String) -> InterruptResult {
        InterruptResult(isDone: false, text, outcome: finish(InterruptOutcome()))
    }

    private func done(_ text: String, _ outcome: InterruptOutcome) -> InterruptResult {
        InterruptResult(text, outcome: outcome)
    }

    /// With the forecast of interrupt `id` on processor `cpu`, or wherever an SPI goes.
    private func done(
        _ text: String, _ id: Int, _ cpu: Int, _ facts: [ProcessorFacts], _ outcome: InterruptOutcome
    ) -> InterruptResult {
        // One processor that nothing keeps it from is enough.
        let ways = (id < 32 ? [cpu] : processors(of: id, nil)).map { explain(id, cpu: $0, facts) }
        let obstacles = (ways.isEmpty ? [explain(id, facts)] : ways).map { way in way.first { $0.obstacle != nil } }
        let obstacle = obstacles.contains(nil) ? nil : obstacles.first ?? nil
        return InterruptResult(
            text, forecast: obstacle.map { .blocked($0) } ?? .delivers, outcome: finish(outcome))
    }
}
