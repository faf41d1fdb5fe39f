// A second virtual interface, written plainly for the tests to compare with: Arm IHI 0048B, sections 5.2 to 5.5, as one
// record a list register and one question a function. Words exist only where a register is read.

/// One list register, field by field.
struct ReferenceList {
    var id = 0
    var priority = 0
    var isPending = false
    var isActive = false
    var group = 0
    var isHardware = false
    /// PhysicalID with the HW bit; else bits 12 to 10 are the source, and bit 19 of the register asks for maintenance.
    var physical = 0

    var asks: Bool { !isHardware && physical >= 512 }

    init() {}

    init(word: UInt32) {
        let word = Int(word)
        id = word % 1024
        physical = word / 1024 % 1024
        priority = word / 0x80_0000 % 32 * 8
        isPending = word / 0x1000_0000 % 2 == 1
        isActive = word / 0x2000_0000 % 2 == 1
        group = word / 0x4000_0000 % 2
        isHardware = word / 0x8000_0000 == 1
    }

    var word: UInt32 {
        var word = id + physical * 1024 + priority / 8 * 0x80_0000 + group * 0x4000_0000
        if isPending { word += 0x1000_0000 }
        if isActive { word += 0x2000_0000 }
        if isHardware { word += 0x8000_0000 }
        return UInt32(word)
    }
}

struct ReferenceVirtualInterface {
    var isEnabled = false
    /// HCR bits 1 to 7, by bit.
    var asked: Set<Int> = []
    var endCount = 0
    var enabledGroups: Set<Int> = []
    var givesGroup1 = false
    var usesFIQ = false
    var hasCommonPoint = false
    var splits = false
    var mask = 0
    var point = 2
    var aliasedPoint = 3
    /// Active group priorities.
    var active: Set<Int> = []
    var lists: [ReferenceList]
    /// What was deactivated in the Distributor, in order.
    var deactivated: [Int] = []

    init(_ count: Int) { lists = [ReferenceList](repeating: ReferenceList(), count: count) }

    // MARK: Questions

    /// "The binary point splits the priority into group priority and subpriority."
    func group(of list: ReferenceList) -> Int {
        let bits = list.group == 0 || hasCommonPoint ? point + 1 : aliasedPoint
        let size = (0..<bits).reduce(1) { size, _ in size * 2 }
        return list.priority - list.priority % size
    }

    var running: Int { active.min() ?? 255 }

    var best: Int? {
        guard isEnabled else { return nil }
        let waiting = lists.indices.filter {
            lists[$0].isPending && !lists[$0].isActive && enabledGroups.contains(lists[$0].group)
        }
        let least = waiting.map { lists[$0].priority }.min()
        return waiting.first { lists[$0].priority == least }
    }

    var taken: Int? {
        guard let best, lists[best].priority < mask else { return nil }
        return active.isEmpty || group(of: lists[best]) < running ? best : nil
    }

    var irq: Bool { taken.map { !usesFIQ || lists[$0].group == 1 } ?? false }
    var fiq: Bool { taken.map { usesFIQ && lists[$0].group == 0 } ?? false }

    /// MISR, by bit.
    var reasons: Set<Int> {
        var reasons: Set<Int> = []
        if lists.contains(where: { !$0.isPending && !$0.isActive && $0.asks }) { reasons.insert(0) }
        if asked.contains(1), lists.count(where: { $0.isPending || $0.isActive }) < 2 { reasons.insert(1) }
        if asked.contains(2), endCount > 0 { reasons.insert(2) }
        if asked.contains(3), !lists.contains(where: { $0.isPending && !$0.isActive }) { reasons.insert(3) }
        if asked.contains(4), enabledGroups.contains(0) { reasons.insert(4) }
        if asked.contains(5), !enabledGroups.contains(0) { reasons.insert(5) }
        if asked.contains(6), enabledGroups.contains(1) { reasons.insert(6) }
        if asked.contains(7), !enabledGroups.contains(1) { reasons.insert(7) }
        return reasons
    }

    var maintenance: Bool { isEnabled && !reasons.isEmpty }

    // MARK: The guest's registers

    private func name(_ index: Int?, _ wanted: Int) -> Int {
        guard let index else { return 1023 }
        let list = lists[index]
        if wanted == 1, list.group == 0 { return 1023 }
        if wanted == 0, list.group == 1, !givesGroup1 { return 1022 }
        return list.id < 16 ? list.id + list.physical % 8 * 1024 : list.id
    }

    var controlWord: Int {
        enabledGroups.reduce(0) { $0 + ($1 == 0 ? 1 : 2) } + (givesGroup1 ? 4 : 0) + (usesFIQ ? 8 : 0)
            + (hasCommonPoint ? 16 : 0) + (splits ? 512 : 0)
    }

    mutating func setControl(_ word: Int) {
        enabledGroups = Set((word % 2 == 1 ? [0] : []) + (word / 2 % 2 == 1 ? [1] : []))
        givesGroup1 = word / 4 % 2 == 1
        usesFIQ = word / 8 % 2 == 1
        hasCommonPoint = word / 16 % 2 == 1
        splits = word / 512 % 2 == 1
    }

    var activeWord: UInt32 { active.reduce(0) { $0 | 1 << UInt32($1 / 8) } }
    mutating func setActive(_ word: UInt32) {
        active = Set((0..<32).filter { word >> UInt32($0) & 1 == 1 }.map { $0 * 8 })
    }

    mutating func readGuest(_ offset: Int) -> UInt32 {
        switch offset {
        case 0x00: return UInt32(controlWord)
        case 0x04: return UInt32(mask)
        case 0x08: return UInt32(point)
        case 0x0c, 0x20:
            let value = name(taken, offset == 0x0c ? 0 : 1)
            if value % 1024 < 1020, let taken {
                active.insert(group(of: lists[taken]))
                lists[taken].isPending = false
                lists[taken].isActive = true
            }
            return UInt32(value)
        case 0x14: return UInt32(running)
        case 0x18: return UInt32(name(best, 0))
        case 0x1c: return UInt32(aliasedPoint)
        case 0x28: return UInt32(name(best, 1))
        case 0xd0: return activeWord
        case 0xfc: return 0x0202_143b
        default: return 0
        }
    }

    mutating func writeGuest(_ value: UInt32, _ offset: Int) {
        let id = Int(value % 1024)
        switch offset {
        case 0x00: setControl(Int(value))
        case 0x04: mask = Int(value % 256) / 8 * 8
        case 0x08: point = max(2, Int(value % 8))
        case 0x1c: aliasedPoint = max(3, Int(value % 8))
        case 0x10, 0x24:
            if id >= 1020 { return }
            let dropped = active.min()
            if let dropped { active.remove(dropped) }
            if splits { return }
            if let i = lists.firstIndex(where: { $0.id == id && $0.isActive }) {
                deactivate(i)
            } else if dropped != nil {
                endCount = (endCount + 1) % 32
            }
        case 0xd0: setActive(value)
        case 0x1000:
            if id >= 1020 || !splits { return }
            if let i = lists.firstIndex(where: { $0.id == id && $0.isActive }) {
                deactivate(i)
            } else {
                endCount = (endCount + 1) % 32
            }
        default: break
        }
    }

    private mutating func deactivate(_ index: Int) {
        lists[index].isActive = false
        if lists[index].isHardware, (16...1019).contains(lists[index].physical) {
            deactivated.append(lists[index].physical)
        }
    }

    // MARK: The hypervisor's registers

    func readHypervisor(_ offset: Int) -> UInt32 {
        func bits(_ condition: (ReferenceList) -> Bool, from first: Int) -> UInt32 {
            var value: UInt32 = 0
            for i in first..<first + 32 where i < lists.count && condition(lists[i]) { value += 1 << UInt32(i - first) }
            return value
        }
        switch offset {
        case 0x00: return asked.reduce(isEnabled ? 1 : 0) { $0 + 1 << UInt32($1) } + UInt32(endCount) << 27
        case 0x04: return UInt32(lists.count - 1) + 4 << 26 + 4 << 29
        case 0x08:
            return UInt32(controlWord) + UInt32(aliasedPoint) << 18 + UInt32(point) << 21 + UInt32(mask / 8) << 27
        case 0x10: return reasons.reduce(0) { $0 + 1 << UInt32($1) }
        case 0x20, 0x24: return bits({ !$0.isPending && !$0.isActive && $0.asks }, from: (offset - 0x20) * 8)
        case 0x30, 0x34: return bits({ !$0.isPending && !$0.isActive && !$0.asks }, from: (offset - 0x30) * 8)
        case 0xf0: return activeWord
        case 0x100..<0x100 + 4 * lists.count: return lists[(offset - 0x100) / 4].word
        default: return 0
        }
    }

    mutating func writeHypervisor(_ value: UInt32, _ offset: Int) {
        switch offset {
        case 0x00:
            isEnabled = value % 2 == 1
            asked = Set((1...7).filter { value >> UInt32($0) & 1 == 1 })
            endCount = Int(value >> 27)
        case 0x08:
            setControl(Int(value))
            aliasedPoint = max(3, Int(value >> 18 & 7))
            point = max(2, Int(value >> 21 & 7))
            mask = Int(value >> 27) * 8
        case 0xf0: setActive(value)
        case 0x100..<0x100 + 4 * lists.count: lists[(offset - 0x100) / 4] = ReferenceList(word: value)
        default: break
        }
    }
}
