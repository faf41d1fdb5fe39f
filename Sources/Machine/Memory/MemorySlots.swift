import Boot
import KVM
import Primitives

/// What is done to a page so that accesses to it exit as MMIO: Documentation/virt/kvm/api.rst,
/// KVM_SET_USER_MEMORY_REGION.
enum PageTrap: Sendable {
    /// It lies in a read-only slot: writes exit.
    case readOnly
    /// It lies in no slot: all accesses exit, and nothing can be fetched from it.
    case removed
}

/// The guest's memory as KVM's slots, with pages taken out whose accesses must exit. Changed only while no vCPU runs.
struct MemorySlots {
    private struct Slot: Hashable {
        let start: UInt64
        let end: UInt64
        let readOnly: Bool
    }

    static let pageSize: UInt64 = 0x1000

    /// The first address of the page that `address` lies on.
    static func page(of address: UInt64) -> UInt64 { address & ~(pageSize - 1) }

    private var numbers: [Slot: UInt32] = [:]
    /// Numbers below the next one that no slot has.
    private var free: [UInt32] = []
    private var next: UInt32 = 0
    /// First addresses of the pages whose accesses exit now.
    private(set) var trapped: [UInt64: PageTrap] = [:]

    /// Makes exactly `pages` exit; the first call makes all memory.
    mutating func set(
        trapping pages: [UInt64: PageTrap], of memory: GuestMemory, in vm: borrowing VM
    ) throws(KVMError) {
        let wanted = Self.slots(of: memory.layout, pages)
        for (slot, number) in numbers where !wanted.contains(slot) {
            try vm.setMemory(slot: number, guest: PhysicalAddress(slot.start), host: nil, count: 0)
            numbers[slot] = nil
            free.append(number)
        }
        for slot in wanted where numbers[slot] == nil {
            let number = free.last ?? next
            try vm.setMemory(
                slot: number, guest: PhysicalAddress(slot.start), host: memory.host(PhysicalAddress(slot.start)),
                count: Int(slot.end - slot.start), readOnly: slot.readOnly)
            numbers[slot] = number
            if free.popLast() == nil { next += 1 }
        }
        trapped = pages
    }

    /// How the page of `address` is trapped, if it is.
    func trap(at address: PhysicalAddress) -> PageTrap? { trapped[Self.page(of: address.rawValue)] }

    /// Neighbouring pages of one kind share a slot.
    private static func slots(of layout: MachineMemory, _ pages: [UInt64: PageTrap]) -> Set<Slot> {
        let sorted = pages.sorted { $0.key < $1.key }
        var result: Set<Slot> = []
        for range in layout.ranges {
            let (first, end) = (range.lowerBound.rawValue, range.upperBound.rawValue)
            // How its pages are where nothing else is asked for.
            let usual = layout.firmware.contains(range.lowerBound) ? PageTrap.readOnly : nil
            // The run of like pages that is being gathered.
            var (start, kind) = (first, usual)
            func begin(_ next: PageTrap?, at place: UInt64) {
                if place > start, kind != .removed {
                    result.insert(Slot(start: start, end: place, readOnly: kind == .readOnly))
                }
                (start, kind) = (place, next)
            }
            var position = first
            for (page, trap) in sorted where page >= first && page < end {
                if page > position, kind != usual { begin(usual, at: position) }
                if kind != trap { begin(trap, at: page) }
                position = page + pageSize
            }
            if position < end, kind != usual { begin(usual, at: position) }
            begin(nil, at: end)
        }
        return result
    }
}
