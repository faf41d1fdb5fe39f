import Boot
import Host
import Primitives

/// The guest's RAM: one host mapping, cut where the guest has its device hole.
///
/// - Note: `@unchecked Sendable`: guest memory is shared with running processors by nature. What the debugger and
///   loaders do happens while all of them stand still.
package final class GuestMemory: @unchecked Sendable, PhysicalMemory {
    // SAFETY: every access below is bounds-checked against `layout` before the pointer is formed.
    private let mapping: Mapping
    package let layout: MachineMemory

    package init(_ layout: MachineMemory) throws(Errno) {
        self.layout = layout
        mapping = try Mapping(anonymous: Int(layout.size))
    }

    /// Where `address` is in this process.
    func host(_ address: PhysicalAddress) -> UnsafeMutableRawPointer {
        precondition(contains(address, count: 1), "\(address) is not memory")
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

    package func write(_ address: PhysicalAddress, _ bytes: ArraySlice<UInt8>) -> Bool {
        guard contains(address, count: bytes.count) else { return false }
        if bytes.isEmpty { return true }
        bytes.withUnsafeBytes { host(address).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        return true
    }

    package func word(at address: PhysicalAddress) -> UInt64? {
        guard address.rawValue % 8 == 0, contains(address, count: 8) else { return nil }
        return host(address).load(as: UInt64.self)
    }

    /// Stores the low `size` bytes of `value`.
    func store(_ value: UInt64, size: Int, at address: PhysicalAddress) {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: value)
        _ = write(address, bytes.prefix(size))
    }

    /// Puts an image in place, with its zeroes.
    func place(_ image: BootImage) {
        for placement in image.placements {
            _ = write(placement.address, placement.bytes[...])
            let zeroes = Int(placement.length) - placement.bytes.count
            if zeroes > 0 {
                let start = placement.address + placement.bytes.count
                host(start).initializeMemory(as: UInt8.self, repeating: 0, count: zeroes)
            }
        }
    }
}
