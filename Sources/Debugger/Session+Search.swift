import Architecture
import Primitives
import RemoteProtocol

// qSearch:memory and qCRC, the two requests that may be about more memory than fits a packet. Both end at the first
// address that leads nowhere, and look at no more bytes than the machine has: tables can map one page everywhere.
extension Session {
    /// Bytes read at once.
    private static let piece = 1 << 16

    func searchMemory(_ address: VirtualAddress, _ count: Int, _ pattern: ArraySlice<UInt8>) {
        let search = PatternSearch(pattern)
        let most = min(count, Int(clamping: target.memory.size))
        var done = 0
        while done < most {
            let wanted = min(count - done, Self.piece + pattern.count - 1)
            let (bytes, fault) = read(address + done, wanted)
            if let at = search.firstMatch(in: bytes) {
                reply.text("1,")
                return reply.number((address + (done + at)).rawValue)
            }
            if bytes.isEmpty, let fault { return reply.error(.badAddress, fault) }
            if bytes.count < wanted { return reply.text("0") }
            done += Self.piece
        }
        guard done >= count else {
            return reply.error(.invalid, "not found in \(most) bytes, which is all the memory there is")
        }
        reply.text("0")
    }

    /// GDB manual, "qCRC".
    func checkMemory(_ address: VirtualAddress, _ count: Int) {
        guard count <= Int(clamping: target.memory.size) else {
            return reply.error(.badAddress, "there are only \(target.memory.size) bytes of memory")
        }
        // The last byte first: what is long and ends outside of memory is refused at once.
        if count > 0, case let (bytes, fault) = read(address + (count - 1), 1), bytes.isEmpty {
            return reply.error(.badAddress, fault ?? "nothing there")
        }
        var checksum = CRC32()
        var done = 0
        while done < count {
            let (bytes, fault) = read(address + done, min(count - done, Self.piece))
            if bytes.isEmpty { return reply.error(.badAddress, fault ?? "nothing there") }
            checksum.add(bytes)
            done += bytes.count
        }
        reply.text("C")
        reply.number(UInt64(checksum.value))
    }
}

/// The checksum of GDB's `qCRC`: the polynomial 0x04c11db7, most significant bit first, from all ones.
struct CRC32 {
    private(set) var value: UInt32 = 0xffff_ffff

    /// What each byte makes of an empty register.
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte) << 24) { register, _ in
            register[bit: 31] ? register << 1 ^ 0x04c1_1db7 : register << 1
        }
    }

    mutating func add(_ bytes: [UInt8]) {
        let table = Self.table
        var register = value
        for byte in bytes { register = register << 8 ^ table[Int(UInt8(truncatingIfNeeded: register >> 24) ^ byte)] }
        value = register
    }
}

/// Finds a pattern by the last byte of where it may lie, skipping as far as that byte allows (Horspool, "Practical fast
/// searching in strings", 1980).
struct PatternSearch {
    private let pattern: [UInt8]
    /// How far each byte lets the place move on.
    private var skips: [Int]

    init(_ pattern: ArraySlice<UInt8>) {
        self.pattern = Array(pattern)
        skips = [Int](repeating: pattern.count, count: 256)
        for (index, byte) in self.pattern.dropLast().enumerated() { skips[Int(byte)] = pattern.count - 1 - index }
    }

    func firstMatch(in bytes: [UInt8]) -> Int? {
        guard let final = pattern.last else { return bytes.isEmpty ? nil : 0 }
        var end = pattern.count - 1
        while end < bytes.count {
            let byte = bytes[end]
            let start = end - pattern.count + 1
            if byte == final, bytes[start...end].elementsEqual(pattern) { return start }
            end += skips[Int(byte)]
        }
        return nil
    }
}
