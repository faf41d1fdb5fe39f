// A second GIC, written plainly from Arm IHI 0048B for the tests to compare with: one record an interrupt, every
// question answered by looking at all of them, priorities in service as a list. It has no journal and no shadow state.

/// One interrupt; of a private one, one processor's.
struct ReferenceInterrupt {
    var isSoftware = false
    var isEnabled = false
    var isActive = false
    var latch = false
    var line = false
    var isEdge = false
    var isGroupOne = false
    var priority = 0
    /// ITARGETSR.
    var targets = 0
    /// Of an SGI: the processors it is pending from, a bit each.
    var sources = 0

    /// Section 3.2.4: an edge is remembered, a level lasts as long as it does.
    var isPending: Bool { sources != 0 || latch || !isEdge && line }
}

/// One CPU interface.
struct ReferenceInterface {
    var control = 0
    var mask = 0
    var point: Int
    var aliasedPoint: Int
    /// The group priorities in service, in no order; group 1 apart where the GIC keeps it apart.
    var serving: [Int] = []
    var servingGroupOne: [Int] = []

    var running: Int { (serving + servingGroupOne).min() ?? 0xff }
    func has(_ bit: Int) -> Bool { control >> bit & 1 != 0 }

    /// Table 3-2: the binary point is the last bit of the subpriority; that of group 1 counts from one lower.
    func groupPriority(_ priority: Int, _ isGroupOne: Bool) -> Int {
        let last = isGroupOne && !has(4) ? aliasedPoint - 1 : point
        return priority & ~((1 << (last + 1)) - 1)
    }
}

struct ReferenceGIC {
    /// What sets KVM's vgic apart from an architecture without choices.
    let isKVM: Bool
    let processors: Int
    let count: Int
    let leastPoint = 2
    var control = 0
    var own: [[ReferenceInterrupt]]
    var shared: [ReferenceInterrupt]
    var interfaces: [ReferenceInterface]

    init(isKVM: Bool, processors: Int, count: Int) {
        self.isKVM = isKVM
        self.processors = processors
        self.count = count
        var sgi = ReferenceInterrupt()
        sgi.isSoftware = true
        sgi.isEnabled = true
        sgi.isEdge = true
        let ppi = ReferenceInterrupt()
        var spi = ReferenceInterrupt()
        spi.isEdge = isKVM
        let row = [ReferenceInterrupt](repeating: sgi, count: 16) + [ReferenceInterrupt](repeating: ppi, count: 16)
        own = [[ReferenceInterrupt]](repeating: row, count: processors)
        shared = [ReferenceInterrupt](repeating: spi, count: count - 32)
        interfaces = [ReferenceInterface](
            repeating: ReferenceInterface(point: leastPoint, aliasedPoint: leastPoint + 1), count: processors)
    }

    subscript(id: Int, cpu: Int) -> ReferenceInterrupt {
        get { id < 32 ? own[cpu][id] : shared[id - 32] }
        set { if id < 32 { own[cpu][id] = newValue } else { shared[id - 32] = newValue } }
    }

    // MARK: What is signalled

    private func goes(_ it: ReferenceInterrupt, to cpu: Int) -> Bool {
        if !isKVM { return it.targets >> cpu & 1 != 0 }
        // KVM: to the lowest target, to processor 0 without any.
        return (it.targets == 0 ? 0 : lowestBit(it.targets)) == cpu
    }

    private func isEnabled(_ isGroupOne: Bool, _ cpu: Int) -> Bool {
        let bit = isGroupOne ? 1 : 0
        return control >> (isKVM ? 0 : bit) & 1 != 0 && interfaces[cpu].has(bit)
    }

    /// Section 3.3.1: the lowest priority value; of equals the lowest INTID.
    func highestPending(_ cpu: Int) -> Int? {
        let groups = (isEnabled(false, cpu), isEnabled(true, cpu))
        var best: (id: Int, priority: Int)?
        for id in 0..<32 { look(own[cpu][id], id, groups, &best) }
        for i in 0..<count - 32 where goes(shared[i], to: cpu) { look(shared[i], i + 32, groups, &best) }
        return best?.id
    }

    private func lowestBit(_ bits: Int) -> Int {
        var bit = 0
        while bits >> bit & 1 == 0 { bit += 1 }
        return bit
    }

    private func look(
        _ it: ReferenceInterrupt, _ id: Int, _ groups: (Bool, Bool), _ best: inout (id: Int, priority: Int)?
    ) {
        guard it.isEnabled, !it.isActive, it.isPending, it.isGroupOne ? groups.1 : groups.0 else { return }
        if let best, best.priority <= it.priority { return }
        best = (id, it.priority)
    }

    private func isSufficient(_ id: Int, _ cpu: Int) -> Bool {
        let it = self[id, cpu]
        return it.priority < interfaces[cpu].mask
            && interfaces[cpu].groupPriority(it.priority, it.isGroupOne) < interfaces[cpu].running
    }

    func outputs(_ cpu: Int) -> (irq: Bool, fiq: Bool) {
        guard let id = highestPending(cpu), isSufficient(id, cpu) else { return (false, false) }
        let isFIQ = !self[id, cpu].isGroupOne && interfaces[cpu].has(3)
        return (!isFIQ, isFIQ)
    }

    private func word(_ id: Int, _ cpu: Int) -> Int {
        id < 16 ? id + (lowestBit(self[id, cpu].sources)) * 1024 : id
    }

    func highestPendingRegister(_ cpu: Int, alias: Bool) -> Int {
        guard let id = highestPending(cpu) else { return 1023 }
        if alias { return self[id, cpu].isGroupOne ? word(id, cpu) : 1023 }
        return self[id, cpu].isGroupOne && !interfaces[cpu].has(2) ? 1022 : word(id, cpu)
    }

    // MARK: Acknowledge, end

    mutating func acknowledge(_ cpu: Int, alias: Bool) -> Int {
        guard let id = highestPending(cpu), isSufficient(id, cpu) else { return 1023 }
        let value = highestPendingRegister(cpu, alias: alias)
        if value == 1022 || value == 1023 { return value }
        var it = self[id, cpu]
        let priority = interfaces[cpu].groupPriority(it.priority, it.isGroupOne)
        if it.isGroupOne && !isKVM {
            interfaces[cpu].servingGroupOne.append(priority)
        } else {
            interfaces[cpu].serving.append(priority)
        }
        it.isActive = true
        it.latch = false
        if id < 16 { it.sources -= 1 << (value / 1024) }
        self[id, cpu] = it
        return value
    }

    mutating func end(_ word: Int, _ cpu: Int, alias: Bool) {
        let id = word & 1023
        guard id < count, interfaces[cpu].running != 0xff else { return }
        let isGroupOne = self[id, cpu].isGroupOne
        if alias && !isGroupOne { return }
        func drop(_ list: inout [Int]) {
            if let i = list.indices.min(by: { list[$0] < list[$1] }) { list.remove(at: i) }
        }
        if isGroupOne && !isKVM {
            drop(&interfaces[cpu].servingGroupOne)
        } else {
            drop(&interfaces[cpu].serving)
        }
        if !interfaces[cpu].has(9) { self[id, cpu].isActive = false }
    }

    mutating func deactivate(_ word: Int, _ cpu: Int) {
        let id = word & 1023
        if id < count, interfaces[cpu].has(9) { self[id, cpu].isActive = false }
    }

    // MARK: Becoming pending

    mutating func setLine(_ id: Int, _ cpu: Int, _ level: Bool) {
        if self[id, cpu].isEdge, level, !self[id, cpu].line { self[id, cpu].latch = true }
        self[id, cpu].line = level
    }

    mutating func send(_ word: Int, from sender: Int) {
        for cpu in 0..<processors {
            let isMeant =
                switch word >> 24 & 3 {
                case 0: word >> (16 + cpu) & 1 != 0
                case 1: cpu != sender
                case 2: cpu == sender
                default: false
                }
            if isMeant { own[cpu][word & 15].sources |= 1 << sender }
        }
    }

    // MARK: Registers

    /// A write of a word to a register of bits, for 32 interrupts from `first` on.
    mutating func change(_ first: Int, _ cpu: Int, _ value: Int, _ body: (inout ReferenceInterrupt, Bool) -> Void) {
        for i in 0..<32 where first + i < count { body(&self[first + i, cpu], value >> i & 1 != 0) }
    }

    /// A read of one.
    func bits(_ first: Int, _ cpu: Int, _ body: (ReferenceInterrupt) -> Bool) -> Int {
        (0..<32).reduce(0) { $0 | (first + $1 < count && body(self[first + $1, cpu]) ? 1 << $1 : 0) }
    }

    mutating func setPriority(_ id: Int, _ cpu: Int, _ value: Int) { self[id, cpu].priority = value & 0xf8 }

    mutating func setTargets(_ id: Int, _ value: Int) {
        if id >= 32 { shared[id - 32].targets = value & ((1 << processors) - 1) }
    }

    mutating func setActivePriorities(_ cpu: Int, _ value: Int, groupOne: Bool) {
        let list = (0..<32).filter { value >> $0 & 1 != 0 }.map { $0 * 8 }
        if !groupOne { interfaces[cpu].serving = list } else if !isKVM { interfaces[cpu].servingGroupOne = list }
    }

    func activePriorities(_ cpu: Int, groupOne: Bool) -> Int {
        let list = groupOne ? interfaces[cpu].servingGroupOne : interfaces[cpu].serving
        return list.reduce(0) { $0 | 1 << ($1 / 8) }
    }
}
