// A split virtqueue (virtio 1.2, section 2.7) as the device sees it. Everything in guest memory is the driver's, who may
// have it wrong or change it meanwhile: each value is read once, checked, and a chain has an end whatever it says.

import Primitives
import Synchronization

/// What a driver did with its queue that no device can serve: until a reset of the device.
package enum VirtioFault: Error, Equatable, Sendable {
    /// A part of the queue lies outside of memory.
    case unmapped(PhysicalAddress)
    /// The available ring counts more requests than the queue has room for.
    case availableIndex
    /// A descriptor that the queue, or its table, does not have.
    case descriptorIndex
    /// A chain with more descriptors than there are.
    case endlessChain
    case indirectTable
    /// A buffer for the device to read follows one for it to write.
    case order
    /// The buffers do not have room for what every request has.
    case shortRequest
}

extension VirtioFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unmapped(let address): "\(address), where it has a queue or a buffer, is not memory"
        case .availableIndex: "the available ring's index is ahead by more than the queue's size"
        case .descriptorIndex: "a descriptor's number is beyond its table"
        case .endlessChain: "a descriptor chain is longer than its table"
        case .indirectTable: "an indirect descriptor is wrong"
        case .order: "a buffer to read follows one to write"
        case .shortRequest: "a request has no room for its header or its status"
        }
    }
}

/// One request's buffers.
struct VirtioChain: Equatable {
    fileprivate let head: UInt16
    /// For the device to read.
    var readable = VirtioBuffer()
    /// For the device to write.
    var writable = VirtioBuffer()
}

struct VirtioQueue: Equatable, Sendable {
    static let maximumSize: UInt32 = 256
    /// A table that an indirect descriptor points to has at most so many entries.
    private static let maximumTable: UInt32 = 1024

    /// Descriptors of the queue, and where its three parts are: as the driver has written them.
    var size: UInt32 = 0
    var descriptors: UInt64 = 0
    var available: UInt64 = 0
    var used: UInt64 = 0
    private(set) var isReady = false
    /// The next entry of each ring, counted without end.
    private var nextAvailable: UInt16 = 0
    private var nextUsed: UInt16 = 0

    /// Puts the queue to use from its beginning, if its size and its alignment are right; or no more.
    mutating func setReady(_ wanted: Bool) {
        guard wanted else {
            isReady = false
            return
        }
        guard !isReady, size > 0, size <= Self.maximumSize, size & (size - 1) == 0 else { return }
        guard descriptors % 16 == 0, available % 2 == 0, used % 4 == 0 else { return }
        (isReady, nextAvailable, nextUsed) = (true, 0, 0)
    }

    // MARK: - The rings

    /// The next request; nil where there is none. `indirect`: tables of descriptors were agreed on.
    mutating func take(from memory: some PhysicalMemory, indirect: Bool) throws(VirtioFault) -> VirtioChain? {
        let index = UInt16(truncatingIfNeeded: try number(available, 2, 2, memory))
        guard index != nextAvailable else { return nil }
        guard UInt32(index &- nextAvailable) <= size else { throw .availableIndex }
        // What the index counts was written before it.
        atomicMemoryFence(ordering: .acquiring)
        let slot = UInt64(nextAvailable) % UInt64(size)
        let head = UInt16(truncatingIfNeeded: try number(available, 4 + 2 * slot, 2, memory))
        var chain = VirtioChain(head: head)
        try walk(from: head, into: &chain, memory, indirect: indirect)
        nextAvailable &+= 1
        return chain
    }

    /// Gives the request back: the first `written` bytes of its buffers were written.
    mutating func finish(
        _ chain: VirtioChain, written: UInt32, in memory: some PhysicalMemory
    ) throws(VirtioFault) {
        var entry: [UInt8] = []
        entry.append(littleEndian: UInt32(chain.head))
        entry.append(littleEndian: written)
        let slot = UInt64(nextUsed) % UInt64(size)
        try store(entry, used, 4 + 8 * slot, memory)
        nextUsed &+= 1
        // The driver finds the entry once it sees the index.
        atomicMemoryFence(ordering: .releasing)
        var index: [UInt8] = []
        index.append(littleEndian: nextUsed)
        try store(index, used, 2, memory)
    }

    /// Whether the driver wants to be interrupted for what was given back (VIRTQ_AVAIL_F_NO_INTERRUPT).
    func wantsInterrupt(_ memory: some PhysicalMemory) throws(VirtioFault) -> Bool {
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        return try number(available, 0, 2, memory) & 1 == 0
    }

    // MARK: - Descriptors

    private enum Flag {
        static let next: UInt64 = 1
        static let write: UInt64 = 2
        static let indirect: UInt64 = 4
    }

    private func walk(
        from head: UInt16, into chain: inout VirtioChain, _ memory: some PhysicalMemory, indirect: Bool
    ) throws(VirtioFault) {
        var (table, count, isIndirect) = (descriptors, size, false)
        var (index, seen) = (UInt32(head), 0 as UInt32)
        while true {
            guard index < count else { throw .descriptorIndex }
            guard seen < count else { throw .endlessChain }
            seen += 1
            let bytes = try load(16, table, UInt64(index) * 16, memory)
            let address: UInt64 = bytes.number(at: 0, count: 8)
            let length: UInt64 = bytes.number(at: 8, count: 4)
            let flags: UInt64 = bytes.number(at: 12, count: 2)
            if flags & Flag.indirect != 0 {
                let isWhole = length > 0 && length % 16 == 0 && length / 16 <= UInt64(Self.maximumTable)
                guard indirect, !isIndirect, flags & Flag.next == 0, isWhole else { throw .indirectTable }
                (table, count, isIndirect) = (address, UInt32(length / 16), true)
                (index, seen) = (0, 0)
                continue
            }
            if flags & Flag.write != 0 {
                chain.writable.append(address, length)
            } else {
                guard chain.writable.isEmpty else { throw .order }
                chain.readable.append(address, length)
            }
            guard flags & Flag.next != 0 else { return }
            index = bytes.number(at: 14, count: 2)
        }
    }

    // MARK: - Guest memory

    private func load(
        _ count: Int, _ base: UInt64, _ offset: UInt64, _ memory: some PhysicalMemory
    ) throws(VirtioFault) -> [UInt8] {
        let (address, overflow) = base.addingReportingOverflow(offset)
        var bytes = [UInt8](repeating: 0, count: count)
        guard !overflow, memory.read(PhysicalAddress(address), into: &bytes) else {
            throw .unmapped(PhysicalAddress(address))
        }
        return bytes
    }

    private func number(
        _ base: UInt64, _ offset: UInt64, _ count: Int, _ memory: some PhysicalMemory
    ) throws(VirtioFault) -> UInt64 {
        try load(count, base, offset, memory).number(at: 0, count: count)
    }

    private func store(
        _ bytes: [UInt8], _ base: UInt64, _ offset: UInt64, _ memory: some PhysicalMemory
    ) throws(VirtioFault) {
        let (address, overflow) = base.addingReportingOverflow(offset)
        guard !overflow, memory.write(PhysicalAddress(address), bytes[...]) else {
            throw .unmapped(PhysicalAddress(address))
        }
    }
}
