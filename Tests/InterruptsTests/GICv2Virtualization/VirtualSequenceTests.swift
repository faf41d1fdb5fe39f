import Primitives
import TestSupport
import Testing

@testable import Interrupts

/// What must hold whatever hypervisor, guest and devices do: random events, with a book of what is pending where.
@Suite struct VirtualSequenceTests {
    @Test(
        "no interrupt is lost or comes twice, senders are kept apart, and physical ones are deactivated exactly once",
        arguments: 0..<10 as Range<UInt64>)
    func sequences(batch: UInt64) {
        for seed in 0..<30 as Range<UInt64> {
            var world = World(batch * 30 + seed)
            if let wrong = world.run() {
                Issue.record("seed \(batch * 30 + seed): \(wrong)")
                return
            }
        }
    }
}

/// Three vCPUs. SPIs 33 and 34 are levels of virtual devices, 35 and 36 edges, 40 and 41 a level and an edge that
/// physical interrupts 70 and 71 stand behind; SGIs 1 and 2 go between the vCPUs.
private struct World {
    /// What a guest acknowledged: an interrupt, of an SGI with its sender and receiver.
    struct Item: Hashable {
        let id: Int
        var source = 0
        var target = 0
    }

    static let levels = [33, 34]
    static let edges = [35, 36]
    static let physical = [70: 40, 71: 41]

    private var random: Seeded
    private var guest: VirtualDistributor
    /// Edges and SGIs that somebody raised and no guest acknowledged since.
    private var outstanding: Set<Item> = []
    /// By vCPU: what is acknowledged and not ended.
    private var handling: [[Item]] = [[], [], []]
    /// Levels that were high at some time since the vCPU's entry: one may still come after it fell.
    private var recent: [Set<Int>] = [[], [], []]
    private var taken: [Int: Int] = [:]
    private var deactivated: [Int: Int] = [:]
    private var wrong: String?

    init(_ seed: UInt64) {
        random = Seeded(seed)
        let lists = Int.random(in: 2...4, using: &random)
        guest = VirtualDistributor(processors: 3, shared: 16, listRegisters: lists, recordCapacity: 100)
        for cpu in 0..<3 {
            _ = guest.enter(cpu)
            _ = guest.write(1, to: .control, cpu)
            _ = guest.write(0xf8, to: .priorityMask, cpu)
            _ = guest.exit(cpu)
            for id in [1, 2] { configure(id, cpu) }
        }
        for (physical, id) in Self.physical { guest.link(id, toPhysical: physical) }
        for id in Self.levels + Self.edges + Self.physical.values { configure(id, 0) }
    }

    private mutating func configure(_ id: Int, _ cpu: Int) {
        let priority = UInt8.random(in: 1...20, using: &random) * 8
        let target = id < 32 ? cpu : Int.random(in: 0..<3, using: &random)
        _ = guest.configure(id, cpu: cpu) {
            $0.isEnabled = true
            $0.isEdge = id < 32 || Self.edges.contains(id) || id == 41
            $0.priority = priority
            $0.target = target
        }
    }

    /// The first thing that is wrong.
    mutating func run() -> String? {
        for number in 0..<150 {
            event()
            if number % 4 == 0 { check() }
            if let wrong { return "event \(number): \(wrong)\n" + guest.flowLines(last: 30) + guest.listText }
        }
        drain()
        if let wrong { return "at the end: \(wrong)\n" + guest.flowLines(last: 30) + guest.listText }
        return nil
    }

    private mutating func event() {
        let cpu = Int.random(in: 0..<3, using: &random)
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<3: setLevel(Self.levels[Int.random(in: 0..<2, using: &random)])
        case 3..<5: pulse(Self.edges[Int.random(in: 0..<2, using: &random)])
        case 5..<7: send(cpu)
        case 7..<9: physicalEvent(random.chance(50) ? 70 : 71)
        case 9..<12: if guest.isRunning[cpu] { leave(cpu) } else { enter(cpu) }
        case 12..<16: acknowledge(cpu)
        case 16..<19: end(cpu)
        default:
            let id = (Self.levels + Self.edges + [40, 41])[Int.random(in: 0..<6, using: &random)]
            apply(guest.configure(id) { $0.target = cpu })
        }
    }

    // MARK: Devices

    private mutating func setLevel(_ id: Int) {
        let level = !guest.interrupt(id).isLineHigh
        if level { for cpu in 0..<3 { recent[cpu].insert(id) } }
        apply(guest.setLine(id, level))
    }

    private mutating func pulse(_ id: Int) {
        outstanding.insert(Item(id: id))
        apply(guest.setLine(id, true))
        apply(guest.setLine(id, false))
    }

    private mutating func send(_ sender: Int) {
        let id = random.chance(50) ? 1 : 2
        let targets = ProcessorSet(rawValue: UInt64.random(in: 1..<8, using: &random))
        for target in targets { outstanding.insert(Item(id: id, source: sender, target: target)) }
        apply(guest.send(id, from: sender, to: targets))
    }

    /// The physical device's input changes; the host takes the interrupt where it is not active.
    private mutating func physicalEvent(_ physical: Int) {
        let level = !guest.physicalLines.contains(physical)
        guest.setPhysicalLine(physical, level)
        guard level, !guest.physicalActive.contains(physical), let id = Self.physical[physical] else { return }
        taken[physical, default: 0] += 1
        if physical == 70 { for cpu in 0..<3 { recent[cpu].insert(id) } } else { outstanding.insert(Item(id: id)) }
        apply(guest.takePhysical(physical))
    }

    // MARK: vCPUs

    private mutating func enter(_ cpu: Int) {
        recent[cpu] = Set((Self.levels + [40]).filter { guest.interrupt($0).isPending })
        apply(guest.enter(cpu))
    }

    private mutating func leave(_ cpu: Int) { apply(guest.exit(cpu)) }

    private mutating func acknowledge(_ cpu: Int) {
        guard guest.isRunning[cpu] else { return }
        let (value, effects) = guest.read(.acknowledge, cpu)
        apply(effects)
        let id = Int(value & 0x3ff)
        if id == 1023 { return }
        let item = id < 16 ? Item(id: id, source: Int(value >> 10), target: cpu) : Item(id: id)
        let isActive = id < 16 ? handling[cpu].contains { $0.id == id } : handling.joined().contains { $0.id == id }
        if isActive { wrong = "\(item) came while it was active" }
        if Self.levels.contains(id) || id == 40 {
            if !recent[cpu].contains(id) { wrong = "level \(id) came and was not high" }
        } else if outstanding.remove(item) == nil {
            wrong = "\(item) came and was not outstanding"
        }
        if let last = handling[cpu].last, let other = guest.interrupts.firstIndex(where: { $0.id == last.id }) {
            let priority = guest.interrupt(id, cpu: cpu).priority
            let running = last.id < 32 ? guest.interrupt(last.id, cpu: cpu).priority : guest.interrupts[other].priority
            if priority >= running { wrong = "\(item) preempted \(last)" }
        }
        handling[cpu].append(item)
    }

    private mutating func end(_ cpu: Int) {
        guard guest.isRunning[cpu], let item = handling[cpu].popLast() else { return }
        // Most drivers serve the device first.
        if Self.levels.contains(item.id), guest.interrupt(item.id).isLineHigh, random.chance(70) {
            apply(guest.setLine(item.id, false))
        }
        if let physical = Self.physical.first(where: { $0.value == item.id })?.key, random.chance(70) {
            guest.setPhysicalLine(physical, false)
        }
        // The device may have called the vCPU out; the end is the first thing it does when it is back.
        if !guest.isRunning[cpu] { enter(cpu) }
        apply(guest.write(UInt32(item.id | item.source << 10), to: .end, cpu))
    }

    // MARK: The host

    private mutating func apply(_ effects: [VirtualDistributorEffect]) {
        for effect in effects {
            switch effect {
            // A call is obeyed at once, so that two raises before an acknowledge are one.
            case .kick(let cpu), .maintenance(let cpu): if guest.isRunning[cpu] { leave(cpu) }
            case .deactivatePhysical(let physical):
                deactivated[physical, default: 0] += 1
                if deactivated[physical] != taken[physical] { wrong = "physical \(physical) deactivated without need" }
                takeAgain(physical)
            case .virtualIRQ, .virtualFIQ, .ended: break
            case .mistake(let cpu, .unlistedEnd(let id)):
                let place = guest.place(id, cpu)
                if !guest.interrupts[place].isActive { wrong = "the end of \(id) found nothing active" }
            case .mistake(let cpu, let mistake): wrong = "vcpu\(cpu) made a mistake: \(mistake)"
            }
        }
    }

    /// A level input that is still high is pending again in the host's Distributor as soon as it is inactive.
    private mutating func takeAgain(_ physical: Int) {
        guard physical == 70, guest.physicalLines.contains(70), !guest.physicalActive.contains(70) else { return }
        taken[70, default: 0] += 1
        for cpu in 0..<3 { recent[cpu].insert(40) }
        apply(guest.takePhysical(70))
    }

    // MARK: What must hold

    private mutating func check() {
        var listed: [Int: Int] = [:]
        for (cpu, queue) in guest.queues.enumerated() {
            for place in queue {
                if listed.updateValue(cpu, forKey: place) != nil { wrong = "place \(place) is on two lists" }
            }
        }
        for (place, it) in guest.interrupts.enumerated() {
            if listed[place] != it.listedOn { wrong = "\(it.id) thinks it is on list \(it.listedOn ?? -1)" }
            if guest.destination(it) != nil, it.listedOn == nil { wrong = "\(it.id) is on no list" }
            if it.id < 16, !it.isLatched, it.sources != 0 { wrong = "SGI \(it.id) lost its senders" }
        }
        var valid: Set<Int> = []
        for cpu in 0..<3 {
            if !guest.interfaces[cpu].hypervisor.duplicates.isEmpty { wrong = "one interrupt in two list registers" }
            for list in guest.interfaces[cpu].hypervisor.lists where list.isValid && list.virtualID >= 32 {
                if !valid.insert(list.virtualID).inserted { wrong = "\(list.virtualID) on two vCPUs" }
            }
        }
    }

    /// Every input falls and every guest does its work: nothing may be left.
    private mutating func drain() {
        for id in Self.levels where guest.interrupt(id).isLineHigh { apply(guest.setLine(id, false)) }
        for physical in Self.physical.keys { guest.setPhysicalLine(physical, false) }
        for _ in 0..<80 {
            for cpu in 0..<3 {
                if !guest.isRunning[cpu] { enter(cpu) }
                acknowledge(cpu)
                if guest.isRunning[cpu] { end(cpu) }
            }
            if wrong != nil { return }
            if outstanding.isEmpty, handling.allSatisfy(\.isEmpty), guest.queues.allSatisfy(\.isEmpty) { break }
        }
        for cpu in 0..<3 where guest.isRunning[cpu] { leave(cpu) }
        check()
        if !outstanding.isEmpty { wrong = "\(outstanding) never came" }
        if handling.contains(where: { !$0.isEmpty }) { wrong = "\(handling) never ended" }
        if guest.queues.contains(where: { !$0.isEmpty }) { wrong = "the lists are not empty" }
        if guest.interrupts.contains(where: { $0.isActive || $0.sources != 0 }) { wrong = "something is active" }
        if taken != deactivated { wrong = "physical ones taken \(taken), deactivated \(deactivated)" }
    }
}
