import Primitives

/// Pieces of guest memory that a driver gave a device, as one run of bytes. What a request's bytes are does not depend on
/// how they are cut into pieces (virtio 1.2, 2.7.4).
struct VirtioBuffer: Equatable {
    /// Bytes copied at once: what bounds this program's own memory.
    static let chunk = 64 << 10

    private struct Piece: Equatable {
        let address: UInt64
        let length: UInt64
    }

    private var pieces: [Piece] = []
    /// Bytes in all.
    private(set) var count: UInt64 = 0

    /// Whether it has no piece, not even an empty one.
    var isEmpty: Bool { pieces.isEmpty }

    /// At most 4 GiB each, and not many: the sum fits.
    mutating func append(_ address: UInt64, _ length: UInt64) {
        pieces.append(Piece(address: address, length: length))
        count += length
    }

    /// Calls `body` with `range`, in parts that lie in one piece of memory each, of `chunk` bytes at most; ends with the
    /// first that gives false, or that no address has: the number of bytes before it.
    func forEachPart(
        _ range: Range<UInt64>, _ body: (_ address: PhysicalAddress, _ count: Int, _ offset: UInt64) -> Bool
    ) -> UInt64 {
        var (start, done) = (0 as UInt64, 0 as UInt64)
        for piece in pieces {
            defer { start += piece.length }
            while start + piece.length > range.lowerBound + done, range.lowerBound + done < range.upperBound {
                let inside = range.lowerBound + done - start
                let left = min(piece.length - inside, range.upperBound - range.lowerBound - done, UInt64(Self.chunk))
                let (address, overflow) = piece.address.addingReportingOverflow(inside)
                guard !overflow, body(PhysicalAddress(address), Int(left), done) else { return done }
                done += left
            }
        }
        return done
    }

    /// `length` bytes from `offset` on; nil where there are fewer, or any of them is not memory.
    func read(_ length: Int, at offset: UInt64, from memory: some PhysicalMemory) -> [UInt8]? {
        var bytes: [UInt8] = []
        let done = forEachPart(offset..<offset + UInt64(length)) { address, count, _ in
            memory.append(count, from: address, to: &bytes)
        }
        return done == UInt64(length) ? bytes : nil
    }

    /// Whether there was room and memory for all of `bytes`.
    func write(_ bytes: [UInt8], at offset: UInt64, in memory: some PhysicalMemory) -> Bool {
        let done = forEachPart(offset..<offset + UInt64(bytes.count)) { address, count, place in
            memory.write(address, bytes[Int(place)..<Int(place) + count])
        }
        return done == UInt64(bytes.count)
    }
}
