import Architecture
import Primitives
import RemoteProtocol

// Memory by virtual address through the selected vCPU's page tables, or by physical address in QEMU's physical mode.
extension Session {
    /// A walk is done once for each page of this size, the smallest there is.
    private static let pageSize = 0x1000
    /// Bytes that one request may search or sum up: seconds of work. Tables can map any number over and over.
    private static let longestScan = 1 << 28

    func readMemory(_ address: VirtualAddress, _ count: Int, binary: Bool) {
        // LLDB asks with an empty read whether `x` works; it then wants the bytes alone, gdb with a `b` before them.
        if binary && count == 0 {
            wantsBareBinary = true
            return reply.ok()
        }
        let limit = binary ? Self.packetSize - 16 : (Self.packetSize - 16) / 2
        let (bytes, fault) = read(address, min(count, limit))
        if bytes.isEmpty, let fault { return reply.error(.badAddress, fault) }
        if binary {
            if !wantsBareBinary { reply.text("b") }
            reply.binary(bytes[...])
        } else {
            reply.hex(bytes[...])
        }
    }

    func writeMemory(_ address: VirtualAddress, _ bytes: ArraySlice<UInt8>) {
        answerRefusal { () throws(Refusal) in try write(address, bytes) }
    }

    /// As many of `count` bytes as can be read, and why there are no more.
    func read(_ address: VirtualAddress, _ count: Int) -> (bytes: [UInt8], fault: String?) {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        while result.count < count {
            let place = address + result.count
            do throws(Refusal) {
                let physical = try self.physical(place)
                let part = min(count - result.count, Self.pageSize - Int(place.rawValue % UInt64(Self.pageSize)))
                var bytes = [UInt8](repeating: 0, count: part)
                guard target.memory.read(physical, into: &bytes) else {
                    return (result, "physical \(physical) is not memory")
                }
                if let instruction = target.traits.breakpointInstruction {
                    breakpoints.mask(&bytes, readFrom: physical, planting: instruction)
                }
                result += bytes
            } catch {
                return (result, error.reason)
            }
        }
        return (result, nil)
    }

    /// Writes all of `bytes` or, where some address leads nowhere, none.
    func write(_ address: VirtualAddress, _ bytes: ArraySlice<UInt8>) throws(Refusal) {
        var parts: [(PhysicalAddress, [UInt8])] = []
        var rest = bytes
        while !rest.isEmpty {
            let place = address + (bytes.count - rest.count)
            let physical = try self.physical(place)
            let part = rest.prefix(Self.pageSize - Int(place.rawValue % UInt64(Self.pageSize)))
            guard target.memory.word(at: PhysicalAddress(physical.rawValue & ~7)) != nil else {
                throw Refusal("physical \(physical) is not memory")
            }
            parts.append((physical, Array(part)))
            rest = rest.dropFirst(part.count)
        }
        for (physical, part) in parts {
            var part = part
            if let instruction = target.traits.breakpointInstruction {
                breakpoints.divert(&part, writtenTo: physical, planting: instruction)
            }
            guard target.memory.write(physical, part[...]) else {
                throw Refusal("physical \(physical) is not memory")
            }
        }
        rearrange()
    }

    func physical(_ address: VirtualAddress) throws(Refusal) -> PhysicalAddress {
        if physicalMemory { return PhysicalAddress(address.rawValue) }
        do throws(TranslationFault) {
            return try target.translate(address, on: selected).physical
        } catch {
            throw Refusal("\(error)")
        }
    }

    func searchMemory(_ address: VirtualAddress, _ count: Int, _ pattern: ArraySlice<UInt8>) {
        guard count <= Self.longestScan else { return refuseScan() }
        let chunk = 1 << 16
        var done = 0
        while done < count {
            let wanted = min(count - done, chunk + pattern.count - 1)
            let (bytes, fault) = read(address + done, wanted)
            if let at = firstIndex(of: pattern, in: bytes) {
                reply.text("1,")
                return reply.number((address + (done + at)).rawValue)
            }
            if bytes.isEmpty, let fault { return reply.error(.badAddress, fault) }
            if bytes.count < wanted { break }
            done += chunk
        }
        reply.text("0")
    }

    private func refuseScan() {
        reply.error(.invalid, "one request goes through \(Self.longestScan >> 20) MiB at most")
    }

    private func firstIndex(of pattern: ArraySlice<UInt8>, in bytes: [UInt8]) -> Int? {
        guard let first = pattern.first else { return 0 }
        var start = 0
        while start + pattern.count <= bytes.count {
            guard let hit = bytes[start...].firstIndex(of: first), hit + pattern.count <= bytes.count else {
                return nil
            }
            if bytes[hit..<hit + pattern.count].elementsEqual(pattern) { return hit }
            start = hit + 1
        }
        return nil
    }

    /// GDB manual, "qCRC": the polynomial 0x04c11db7, most significant bit first, starting at all ones.
    func checkMemory(_ address: VirtualAddress, _ count: Int) {
        guard count <= Self.longestScan else { return refuseScan() }
        var crc: UInt32 = 0xffff_ffff
        var done = 0
        while done < count {
            let (bytes, fault) = read(address + done, min(count - done, 1 << 16))
            if bytes.isEmpty { return reply.error(.badAddress, fault ?? "nothing there") }
            for byte in bytes {
                crc ^= UInt32(byte) << 24
                for _ in 0..<8 { crc = crc[bit: 31] ? crc << 1 ^ 0x04c1_1db7 : crc << 1 }
            }
            done += bytes.count
        }
        reply.text("C")
        reply.number(UInt64(crc))
    }
}
