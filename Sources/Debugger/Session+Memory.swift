import Architecture
import Primitives
import RemoteProtocol

// Memory by virtual address through the selected vCPU's page tables, or by physical address in QEMU's physical mode.
extension Session {
    /// Writes are done by pages of this size, the smallest there is.
    private static let pageSize = 0x1000

    func readMemory(_ address: VirtualAddress, _ count: Int, binary: Bool) {
        // LLDB asks with this whether `x` works, and then wants the bytes alone; gdb, and LLDB from version 21 on, want a
        // `b` before them.
        if binary, count == 0, address == VirtualAddress(0) {
            client.wantsBareBinary = true
            return reply.ok()
        }
        let limit = binary ? Self.packetSize - 16 : (Self.packetSize - 16) / 2
        let (bytes, fault) = read(address, min(count, limit))
        if bytes.isEmpty, let fault { return reply.error(.badAddress, fault) }
        if binary {
            if !client.wantsBareBinary { reply.text("b") }
            reply.binary(bytes[...])
        } else {
            reply.hex(bytes[...])
        }
    }

    func writeMemory(_ address: VirtualAddress, _ bytes: ArraySlice<UInt8>) {
        answerRefusal { () throws(Refusal) in try write(address, bytes) }
    }

    /// As many of `count` bytes as can be read, and why there are no more. Each page is walked to once, and copied in one
    /// piece.
    func read(_ address: VirtualAddress, _ count: Int) -> (bytes: [UInt8], fault: String?) {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        while result.count < count {
            let rest = count - result.count
            do throws(Refusal) {
                let run = try run(at: address + result.count)
                let inMemory = min(target.memory.extent(from: run.physical), run.count)
                if inMemory > 0 {
                    append(min(rest, Int(clamping: inMemory)), from: run.physical, to: &result)
                } else {
                    result += try target.inspect(run.physical, count: min(rest, Int(clamping: run.count)), by: selected)
                }
            } catch {
                return (result, error.reason)
            }
        }
        return (result, nil)
    }

    /// Appends bytes of memory as the guest has them, without what is planted.
    private func append(_ count: Int, from physical: PhysicalAddress, to result: inout [UInt8]) {
        guard let instruction = target.traits.breakpointInstruction, breakpoints.planted.reaches(into: physical, count)
        else {
            precondition(target.memory.append(count, from: physical, to: &result), "a range of memory has a gap")
            return
        }
        var bytes: [UInt8] = []
        precondition(target.memory.append(count, from: physical, to: &bytes), "a range of memory has a gap")
        breakpoints.planted.mask(&bytes, readFrom: physical, planting: instruction)
        result += bytes
    }

    /// Where an address leads, and for how many bytes on, at least 1, physical addresses go on with virtual ones.
    private func run(at address: VirtualAddress) throws(Refusal) -> (physical: PhysicalAddress, count: UInt64) {
        if client.readsPhysicalMemory { return (PhysicalAddress(address.rawValue), max(1, 0 &- address.rawValue)) }
        do throws(TranslationFault) {
            let found = try target.translate(address, on: selected)
            return (found.physical, found.pageSize - address.rawValue & (found.pageSize - 1))
        } catch {
            throw Refusal("\(error)")
        }
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
                throw Refusal("physical \(physical) is not memory; what devices there are is the guest's to write")
            }
            parts.append((physical, Array(part)))
            rest = rest.dropFirst(part.count)
        }
        for (physical, part) in parts {
            var part = part
            if let instruction = target.traits.breakpointInstruction {
                let isDiverted = breakpoints.planted.divert(&part, writtenTo: physical, planting: instruction)
                breakpoints.isArrangementStale = breakpoints.isArrangementStale || isDiverted
            }
            guard target.memory.write(physical, part[...]) else {
                throw Refusal("physical \(physical) is not memory")
            }
        }
    }

    func physical(_ address: VirtualAddress) throws(Refusal) -> PhysicalAddress {
        if client.readsPhysicalMemory { return PhysicalAddress(address.rawValue) }
        do throws(TranslationFault) {
            return try target.translate(address, on: selected).physical
        } catch {
            throw Refusal("\(error)")
        }
    }
}
