import Boot
import KVM
import Primitives

/// The guest's memory as KVM's slots, with pages taken out whose writes must exit (read-only slots,
/// Documentation/virt/kvm/api.rst, KVM_SET_USER_MEMORY_REGION). Changed only while no vCPU runs.
struct MemorySlots {
    private struct Slot: Hashable {
        let start: UInt64
        let end: UInt64
        let readOnly: Bool
    }

    static let pageSize: UInt64 = 0x1000

    private var numbers: [Slot: UInt32] = [:]
    /// First addresses of the pages whose writes exit now.
    private(set) var trapped: Set<UInt64> = []

    /// Makes exactly `pages` exit on writes; the first call makes all memory.
    mutating func set(trapping pages: Set<UInt64>, of memory: GuestMemory, in vm: borrowing VM) throws(KVMError) {
        let wanted = Self.slots(of: memory.layout, without: pages)
        for (slot, number) in numbers where !wanted.contains(slot) {
            try vm.setMemory(slot: number, guest: PhysicalAddress(slot.start), host: nil, count: 0)
            numbers[slot] = nil
        }
        var free = Set(0..<UInt32(wanted.count)).subtracting(numbers.values)
        for slot in wanted where numbers[slot] == nil {
            let number = free.popFirst() ?? UInt32(numbers.count)
            try vm.setMemory(
                slot: number, guest: PhysicalAddress(slot.start), host: memory.host(PhysicalAddress(slot.start)),
                count: Int(slot.end - slot.start), readOnly: slot.readOnly)
            numbers[slot] = number
        }
        trapped = pages
    }

    /// Whether a write at `address` exits because its page is trapped.
    func traps(_ address: PhysicalAddress) -> Bool { trapped.contains(address.rawValue & ~(Self.pageSize - 1)) }

    private static func slots(of layout: MachineMemory, without pages: Set<UInt64>) -> [Slot] {
        var result: [Slot] = []
        for range in layout.ranges {
            var start = range.lowerBound.rawValue
            let end = range.upperBound.rawValue
            for page in pages.sorted() where page >= start && page < end {
                if page > start { result.append(Slot(start: start, end: page, readOnly: false)) }
                result.append(Slot(start: page, end: page + pageSize, readOnly: true))
                start = page + pageSize
            }
            if start < end { result.append(Slot(start: start, end: end, readOnly: false)) }
        }
        return result
    }
}
