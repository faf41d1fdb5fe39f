import Architecture
import Debugger
import KVM
import Primitives

/// A watched range of guest-physical memory whose pages are read-only to the guest: each write to them exits, is
/// applied here, and is reported when it touches the range.
struct WriteTrap: Equatable {
    /// What the client calls the place.
    let address: VirtualAddress
    let range: Range<PhysicalAddress>

    /// First addresses of the pages it lies on.
    var pages: [UInt64] {
        let size = MemorySlots.pageSize
        let first = range.lowerBound.rawValue & ~(size - 1)
        return Array(stride(from: first, to: range.upperBound.rawValue, by: Int(size)))
    }
}

extension VirtualMachine {
    /// Applies a write to a read-only page; the watched address that it touched, if any.
    func trappedWrite(_ data: UInt64, size: Int, at address: PhysicalAddress) -> VirtualAddress? {
        guestMemory.store(data, size: size, at: address)
        let written = address..<(address + size)
        guard let trap = traps.first(where: { $0.range.overlaps(written) }) else { return nil }
        let first = max(written.lowerBound.rawValue, trap.range.lowerBound.rawValue)
        return trap.address + Int(first - trap.range.lowerBound.rawValue)
    }
}
