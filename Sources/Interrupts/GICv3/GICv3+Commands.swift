// What a debugger does to a GICv3 behind the guest's back: the words that go with it, and the changes that have the effect,
// for the real one.

import Primitives

extension GICv3 {
    /// What is done to the real one.
    package enum Change: Hashable, Sendable {
        case register(Register, UInt64)
        /// An input, of a PPI processor `cpu`'s.
        case line(Int, cpu: Int, Bool)
    }

    /// What a command came to: `changes`, which this value has seen already.
    package struct Done: Sendable {
        package let result: InterruptResult
        package let changes: [Change]
    }

    /// `facts` has one row a processor, for the forecast.
    package mutating func perform(_ request: InterruptRequest, _ facts: [ProcessorFacts]) -> Done {
        do throws(Objection) {
            switch request {
            case .inject(let id, let cpu, let how): return try inject(id, cpu, how, facts)
            case .lower(let id, let cpu): return try lower(id, cpu)
            case .clear(let id, let cpu): return try clear(id, cpu)
            case .send(let id, let sender, let target): return try send(id, from: sender, to: target, facts)
            case .mask(let id, let cpu, let isMasked): return try mask(id, cpu, isMasked, facts)
            case .priority(let id, let cpu, let value): return try setPriority(id, cpu, value, facts)
            case .route(let id, let mask): return try route(id, to: mask, facts)
            case .group(let id, let cpu, let isOne): return try setGroup(id, cpu, isOne: isOne, facts)
            case .vector, .interprocessor, .message, .nonMaskable, .record, .clearRecord:
                throw Objection(text: Self.notOfGIC)
            }
        } catch {
            return Done(result: InterruptResult(isDone: false, error.text), changes: [])
        }
    }

    private struct Objection: Error {
        let text: String
    }

    private func check(_ id: Int, _ cpu: Int) throws(Objection) {
        guard (0..<interrupts).contains(id) else {
            throw Objection(text: "no interrupt \(id): they are 0 to \(interrupts - 1)")
        }
        guard interfaces.indices.contains(cpu) else { throw Objection(text: "no processor \(cpu)") }
    }

    private func name(_ id: Int) -> String { "\(Self.kind(id)) \(id)" }

    private func lineless(_ id: Int) -> Objection { Objection(text: "\(name(id)) has no line") }

    // MARK: Making interrupts

    private mutating func inject(
        _ id: Int, _ cpu: Int, _ how: InterruptRequest.Injection?, _ facts: [ProcessorFacts]
    ) throws(Objection) -> Done {
        try check(id, cpu)
        let state = state(id, cpu)
        if id < 16, let how, how != .edge { throw lineless(id) }
        switch id < 16 ? .edge : how ?? (state.isEdge ? .edge : .level) {
        case .edge:
            let text = state.isPending ? "was pending already: two are one" : "is pending"
            return done("\(name(id)) \(text)", id, cpu, facts, [latched(id, cpu, true)])
        case .level:
            let text = "the line of \(name(id)) \(state.isLineHigh ? "was high already" : "is high")"
            let advice = "; no device lowers it: lower-irq \(id) does"
            return done(text + advice, id, cpu, facts, [.line(id, cpu: cpu, true)])
        case .pulse:
            let rest = state.isEdge ? "" : "; it is level-sensitive, so nothing remains pending"
            return done(
                "the line of \(name(id)) was pulsed" + rest, id, cpu, facts,
                [.line(id, cpu: cpu, true), .line(id, cpu: cpu, false)])
        }
    }

    private mutating func lower(_ id: Int, _ cpu: Int) throws(Objection) -> Done {
        try check(id, cpu)
        guard id >= 16 else { throw lineless(id) }
        let changes = [Change.line(id, cpu: cpu, false)]
        apply(changes)
        let rest = state(id, cpu).isPending ? ", but it stays pending: clear-irq \(id) takes it back" : ""
        return done("the line of \(name(id)) is low\(rest)", changes)
    }

    private mutating func clear(_ id: Int, _ cpu: Int) throws(Objection) -> Done {
        try check(id, cpu)
        guard state(id, cpu).isPending else { throw Objection(text: "\(name(id)) is not pending") }
        let changes = [latched(id, cpu, false)]
        apply(changes)
        let isStill = state(id, cpu).isPending
        return done("\(name(id)) \(isStill ? "stays pending: its line is high" : "is taken back")", changes)
    }

    private mutating func send(
        _ id: Int, from sender: Int, to target: InterruptRequest.SoftwareTarget, _ facts: [ProcessorFacts]
    ) throws(Objection) -> Done {
        guard (0..<16).contains(id) else { throw Objection(text: "SGIs are 0 to 15") }
        try check(id, sender)
        let all = ProcessorSet.first(interfaces.count)
        var targets: ProcessorSet
        switch target {
        case .mask(let mask): targets = ProcessorSet(rawValue: mask & all.rawValue)
        case .others:
            targets = all
            targets.remove(sender)
        case .itself: targets = ProcessorSet(sender)
        }
        guard let first = targets.first(where: { _ in true }) else {
            throw Objection(text: "no processor is addressed: the GIC has \(interfaces.count) processors")
        }
        return done(
            "\(name(id)) is pending on cpu \(targets); a GICv3 does not keep who sent it", id, first, facts,
            targets.map { latched(id, $0, true) })
    }

    // MARK: Changing registers

    private mutating func mask(
        _ id: Int, _ cpu: Int, _ isMasked: Bool, _ facts: [ProcessorFacts]
    ) throws(Objection) -> Done {
        try check(id, cpu)
        let block: Block = isMasked ? .clearEnable : .setEnable
        let changes = [Change.register(block.register(of: id, cpu), 1 << UInt64(id & 31))]
        if isMasked {
            apply(changes)
            return done("\(name(id)) is disabled; the guest is not notified", changes)
        }
        return doneWhilePending("\(name(id)) is enabled; the guest is not notified", id, cpu, facts, changes)
    }

    private mutating func setPriority(
        _ id: Int, _ cpu: Int, _ value: UInt8, _ facts: [ProcessorFacts]
    ) throws(Objection) -> Done {
        try check(id, cpu)
        let bits = interfaces[cpu].priorityBits
        let real = value & (0xff << UInt8(8 - bits))
        var text = "\(name(id)) has priority \(hexadecimal(real, digits: 2))"
        if real != value { text += ": only \(bits) bits exist" }
        return doneWhilePending(text, id, cpu, facts, [replacing(id, cpu, .priority, with: UInt64(real))])
    }

    private mutating func route(_ id: Int, to mask: UInt64, _ facts: [ProcessorFacts]) throws(Objection) -> Done {
        try check(id, 0)
        guard id >= 32 else {
            throw Objection(text: "\(name(id)) belongs to one processor; only SPIs have targets")
        }
        guard mask.nonzeroBitCount == 1, mask.trailingZeroBitCount < interfaces.count else {
            throw Objection(
                text: "a GICv3 sends an SPI to one processor: one bit of \(hexadecimal(UInt64.mask(interfaces.count)))")
        }
        let cpu = mask.trailingZeroBitCount
        let affinity = redistributors[cpu].affinity
        let value = Route(affinity).rawValue
        var changes = [Change.register(Block.route.register(of: id, 0), value & 0xffff_ffff)]
        if type[bit: 24] { changes.append(.register(.distributor(Block.route.rawValue + 8 * id + 4), value >> 32)) }
        return doneWhilePending("\(name(id)) goes to cpu \(cpu), affinity \(affinity)", id, cpu, facts, changes)
    }

    private mutating func setGroup(
        _ id: Int, _ cpu: Int, isOne: Bool, _ facts: [ProcessorFacts]
    ) throws(Objection) -> Done {
        try check(id, cpu)
        return doneWhilePending(
            "\(name(id)) is in group \(isOne ? 1 : 0)", id, cpu, facts,
            [replacing(id, cpu, .group, with: isOne ? 1 : 0)])
    }

    // MARK: Reset

    /// What turns off all that a guest turns on. Priorities, routes and trigger modes stay, which every guest sets before
    /// it enables an interrupt; groups are as KVM makes them, all 1.
    package var changesOfReset: [Change] {
        var changes = [Change.register(.distributor(Offset.control), 0)]
        for cpu in interfaces.indices {
            // The Distributor's once.
            for word in 0..<(cpu == 0 ? words : 1) {
                let settings: [(Block, UInt64)] = [
                    (.clearEnable, 0xffff_ffff), (.setPending, 0), (.clearActive, 0xffff_ffff), (.group, 0xffff_ffff),
                ]
                changes += settings.map { .register($0.register(of: word << 5, cpu), $1) }
            }
            for name in SystemRegister.all {
                guard let value = interfaces[cpu].values[name] else { continue }
                switch name {
                case .priorityMask, .groupZero, .groupOne, .activeZero, .activeOne:
                    changes.append(.register(.system(name, cpu: cpu), 0))
                // CBPR and EOImode.
                case .control: changes.append(.register(.system(name, cpu: cpu), value & ~3))
                case .enable, .binaryPointZero, .binaryPointOne: break
                }
            }
        }
        return changes
    }

    // MARK: Helpers

    /// The register of `block` with the field of an interrupt replaced.
    private func replacing(_ id: Int, _ cpu: Int, _ block: Block, with value: UInt64) -> Change {
        let register = block.register(of: id, cpu)
        var word = load(register)
        let shift = block.shift(of: id)
        word[bits: shift...shift + block.width - 1] = value
        return .register(register, word)
    }

    private func latched(_ id: Int, _ cpu: Int, _ isOn: Bool) -> Change {
        replacing(id, cpu, .setPending, with: isOn ? 1 : 0)
    }

    /// Does here what the changes do to the real one.
    mutating func apply(_ changes: [Change]) {
        for change in changes {
            switch change {
            case .register(let register, let value): store(register, value)
            case .line(let id, let cpu, let level):
                let row = place(id >> 5, cpu)
                if level, !line[row][bit: id & 31], edge[row][bit: id & 31] { latch[row][bit: id & 31] = true }
                line[row][bit: id & 31] = level
            }
        }
    }

    private func done(_ text: String, _ changes: [Change], _ forecast: InterruptResult.Forecast = .none) -> Done {
        Done(result: InterruptResult(text, forecast: forecast), changes: changes)
    }

    /// With the forecast of interrupt `id` on processor `cpu`, or wherever an SPI goes.
    private mutating func done(
        _ text: String, _ id: Int, _ cpu: Int, _ facts: [ProcessorFacts], _ changes: [Change]
    ) -> Done {
        apply(changes)
        // One processor that nothing keeps it from is enough.
        let ways = (id < 32 ? [cpu] : processors(of: id, nil)).map { explain(id, cpu: $0, facts) }
        let obstacles = (ways.isEmpty ? [explain(id, cpu: nil, facts)] : ways).map { $0.first { $0.obstacle != nil } }
        let obstacle = obstacles.contains(nil) ? nil : obstacles.first ?? nil
        return done(text, changes, obstacle.map { .blocked($0) } ?? .delivers)
    }

    private mutating func doneWhilePending(
        _ text: String, _ id: Int, _ cpu: Int, _ facts: [ProcessorFacts], _ changes: [Change]
    ) -> Done {
        if state(id, cpu).isPending { return done(text, id, cpu, facts, changes) }
        apply(changes)
        return done(text, changes)
    }
}
