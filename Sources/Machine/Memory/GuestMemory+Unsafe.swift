import Boot
import Host
import Primitives

/// The guest's RAM: one host mapping, cut where the guest has its device hole.
///
/// - Note: `@unchecked Sendable`: guest memory is shared with running processors by nature. What the debugger and
///   loaders do happens while all of them are stopped.
package final class GuestMemory: @unchecked Sendable, PhysicalMemory {
    // SAFETY: every access below is bounds-checked against `layout` before the pointer is formed.
    private let mapping: Mapping
    package let layout: MachineMemory

    package init(_ layout: MachineMemory) throws(Errno) {
        self.layout = layout
        mapping = try Mapping(anonymous: Int(layout.size))
    }

    package var ranges: [Range<PhysicalAddress>] { layout.ranges }

    /// Where `address` is in this process.
    func host(_ address: PhysicalAddress) -> UnsafeMutableRawPointer {
        precondition(contains(address, count: 1), "\(address) is not memory")
        if layout.isOnePiece { return mapping.start + Int(address.rawValue - layout.start.rawValue) }
        let hole = MachineMemory.deviceHole
        let cut = address < hole.upperBound ? 0 : hole.upperBound.rawValue - hole.lowerBound.rawValue
        return mapping.start + Int(address.rawValue - cut)
    }

    /// Whether all of `count` bytes from `address` are memory.
    package func contains(_ address: PhysicalAddress, count: Int) -> Bool {
        let (end, overflow) = address.rawValue.addingReportingOverflow(UInt64(count))
        return !overflow && layout.contains(address..<PhysicalAddress(end))
    }

    package func read(_ address: PhysicalAddress, into bytes: inout [UInt8]) -> Bool {
        guard contains(address, count: bytes.count) else { return false }
        if bytes.isEmpty { return true }
        let source = UnsafeRawBufferPointer(start: host(address), count: bytes.count)
        bytes.withUnsafeMutableBytes { $0.copyMemory(from: source) }
        return true
    }

    package func append(_ count: Int, from address: PhysicalAddress, to bytes: inout [UInt8]) -> Bool {
        guard contains(address, count: count) else { return false }
        if count > 0 { bytes.append(contentsOf: UnsafeRawBufferPointer(start: host(address), count: count)) }
        return true
    }

    package func write(_ address: PhysicalAddress, _ bytes: ArraySlice<UInt8>) -> Bool {
        guard contains(address, count: bytes.count) else { return false }
        if bytes.isEmpty { return true }
        let place = host(address)
        bytes.withUnsafeBytes { place.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        mapping.publish(place, count: bytes.count)
        return true
    }

    package func word(at address: PhysicalAddress) -> UInt64? {
        guard address.rawValue % 8 == 0, contains(address, count: 8) else { return nil }
        return host(address).load(as: UInt64.self)
    }

    /// Stores the low `size` bytes of `value`, of 1 to 8; those of a whole power of two at once, as processors do.
    func store(_ value: UInt64, size: Int, at address: PhysicalAddress) {
        guard contains(address, count: size) else { return }
        switch size {
        case 1: host(address).storeBytes(of: UInt8(truncatingIfNeeded: value), as: UInt8.self)
        case 2: host(address).storeBytes(of: UInt16(truncatingIfNeeded: value), as: UInt16.self)
        case 4: host(address).storeBytes(of: UInt32(truncatingIfNeeded: value), as: UInt32.self)
        case 8: host(address).storeBytes(of: value, as: UInt64.self)
        default:
            for i in 0..<size { store(value >> UInt64(i * 8), size: 1, at: address + i) }
        }
    }

    /// The `size` bytes at `address`, of 1 to 8, or 0 where there is no memory.
    func load(_ address: PhysicalAddress, size: Int) -> UInt64 {
        guard contains(address, count: size) else { return 0 }
        switch size {
        case 1: return UInt64(host(address).load(as: UInt8.self))
        case 2: return UInt64(host(address).loadUnaligned(as: UInt16.self))
        case 4: return UInt64(host(address).loadUnaligned(as: UInt32.self))
        case 8: return host(address).loadUnaligned(as: UInt64.self)
        default: return (0..<size).reduce(0) { $0 | load(address + $1, size: 1) << UInt64($1 * 8) }
        }
    }

    /// Puts an image in place, with its zeroes.
    func place(_ placements: [Placement]) {
        for placement in placements {
            _ = write(placement.address, placement.bytes[...])
            let zeroes = Int(placement.length) - placement.bytes.count
            if zeroes > 0 {
                let start = host(placement.address + placement.bytes.count)
                start.initializeMemory(as: UInt8.self, repeating: 0, count: zeroes)
                mapping.publish(start, count: zeroes)
            }
        }
    }
}
