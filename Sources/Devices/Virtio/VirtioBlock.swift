// The block device (virtio 1.2, section 5.2): reads, writes, flushes and the name of one disk. Left out: discard, write
// zeroes, secure erase, zones, more than one queue, a cache that the driver can switch.

import Primitives

/// A disk of whole sectors of 512 bytes.
package struct VirtioBlock: Equatable, Sendable, CustomStringConvertible {
    package static let sectorSize: UInt64 = 512
    /// A request that asks for more is refused: other work of the machine waits for it.
    package static let maximumRequest: UInt64 = 128 << 20

    /// Its number for the host.
    let disk: Int
    let sectors: UInt64
    let isReadOnly: Bool
    /// What GET_ID answers, up to 20 bytes of it.
    let name: String

    package init(disk: Int, sectors: UInt64, isReadOnly: Bool, name: String) {
        self.disk = disk
        self.sectors = sectors
        self.isReadOnly = isReadOnly
        self.name = name
    }

    package var description: String { "\(disk): \(name), \(sectors) sectors" + (isReadOnly ? ", read-only" : "") }

    /// VIRTIO_BLK_F_*.
    private enum Feature {
        static let segmentLimit: UInt64 = 1 << 2
        static let readOnly: UInt64 = 1 << 5
        static let blockSize: UInt64 = 1 << 6
        static let flush: UInt64 = 1 << 9
    }

    var features: UInt64 {
        Feature.segmentLimit | Feature.blockSize | Feature.flush | (isReadOnly ? Feature.readOnly : 0)
    }

    /// The configuration space (5.2.4): capacity, seg_max, blk_size; the rest belongs to features that are not offered.
    func configuration(at offset: Int, size: Int) -> UInt64 {
        var bytes = [UInt8](repeating: 0, count: 0x40)
        bytes.store(sectors, at: 0, count: 8)
        // All descriptors of a queue but those of the header and the status.
        bytes.store(VirtioQueue.maximumSize - 2, at: 12, count: 4)
        bytes.store(Self.sectorSize, at: 20, count: 4)
        let end = min(offset + size, bytes.count)
        return offset < end ? bytes.number(at: offset, count: end - offset) : 0
    }

    // MARK: - Requests (5.2.6)

    private enum Kind {
        static let read: UInt32 = 0
        static let write: UInt32 = 1
        static let flush: UInt32 = 4
        static let identify: UInt32 = 8
    }

    private enum Result: UInt8 {
        case ok, failed, unsupported
    }

    private static let headerSize = 16
    private static let nameSize = 20

    /// Serves a request; how many bytes from the beginning of the writable buffers on were written.
    func serve(
        _ chain: VirtioChain, _ memory: some PhysicalMemory, _ host: some VirtioHost, _ agreed: UInt64
    ) throws(VirtioFault) -> UInt32 {
        let (input, output) = (chain.readable, chain.writable)
        guard output.count >= 1, let header = input.read(Self.headerSize, at: 0, from: memory) else {
            throw .shortRequest
        }
        let kind: UInt32 = header.number(at: 0, count: 4)
        let sector: UInt64 = header.number(at: 8, count: 8)
        // The last byte is the status.
        let room = output.count - 1
        var (result, filled) = (Result.ok, 0 as UInt64)
        switch kind {
        case Kind.read:
            guard let start = offset(of: sector, count: room) else { result = .failed; break }
            filled = output.forEachPart(0..<room) { address, count, place in
                var bytes = [UInt8](repeating: 0, count: count)
                return host.read(disk, at: start + place, into: &bytes) && memory.write(address, bytes[...])
            }
            if filled < room { result = .failed }
        case Kind.write:
            let count = input.count - UInt64(Self.headerSize)
            guard !isReadOnly, let start = offset(of: sector, count: count) else { result = .failed; break }
            let done = input.forEachPart(UInt64(Self.headerSize)..<input.count) { address, count, place in
                var bytes = [UInt8](repeating: 0, count: count)
                return memory.read(address, into: &bytes) && host.write(disk, at: start + place, bytes)
            }
            // A driver that does not flush relies on each write (5.2.6.2).
            let isStable = agreed & Feature.flush != 0 || host.flush(disk)
            if done < count || !isStable { result = .failed }
        case Kind.flush: if !isReadOnly, !host.flush(disk) { result = .failed }
        case Kind.identify:
            var text = Array(name.utf8.prefix(Self.nameSize))
            text += [UInt8](repeating: 0, count: Self.nameSize - text.count)
            text.removeLast(Self.nameSize - Int(min(room, UInt64(Self.nameSize))))
            if output.write(text, at: 0, in: memory) { filled = UInt64(text.count) } else { result = .failed }
        default: result = .unsupported
        }
        guard output.write([result.rawValue], at: room, in: memory) else { throw .shortRequest }
        return UInt32(truncatingIfNeeded: min(filled == room ? room + 1 : filled, UInt64(UInt32.max)))
    }

    /// The byte where `count` bytes from `sector` on begin; nil where they are no whole sectors, too many, or beyond the end.
    private func offset(of sector: UInt64, count: UInt64) -> UInt64? {
        guard count % Self.sectorSize == 0, count <= Self.maximumRequest, sector <= sectors else { return nil }
        return count / Self.sectorSize <= sectors - sector ? sector * Self.sectorSize : nil
    }
}
