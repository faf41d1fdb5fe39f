import Architecture
import Primitives
import Synchronization

/// Breakpoints that no client knows of: at entries of handlers, and where a step ends that no debug register can end.
///
/// Seen from here, guest memory does not have them: what they replaced is read, and written. A client's own breakpoint
/// on the same place lies above and is what is read then. vCPUs plant and lift while others run.
final class HiddenBreakpoints: PhysicalMemory, Sendable {
    enum Purpose: Hashable { case handlers, step, copies }

    private struct Owner: Hashable {
        let processor: Int
        let purpose: Purpose
    }

    private struct Entry {
        /// The byte that is there for everyone else.
        var original: UInt8
        var owners: Set<Owner>
    }

    /// What is planted for breakpoints, the clients' too.
    let instruction: [UInt8]
    private let planted: UInt8
    let memory: GuestMemory
    private let entries = Mutex<[PhysicalAddress: Entry]>([:])

    init(_ memory: GuestMemory, planting instruction: [UInt8] = [X86Instruction.breakpointOpcode]) {
        self.memory = memory
        self.instruction = instruction
        planted = instruction[0]
    }

    /// Makes `places` all that a vCPU wants for `purpose`.
    func set(_ places: Set<PhysicalAddress>, for processor: Int, _ purpose: Purpose) {
        let owner = Owner(processor: processor, purpose: purpose)
        entries.withLock { entries in
            if places.isEmpty, entries.isEmpty { return }
            for (place, entry) in entries where entry.owners.contains(owner) && !places.contains(place) {
                entries[place]?.owners.remove(owner)
                guard entry.owners.count == 1 else { continue }
                entries[place] = nil
                // A guest that has written over it keeps what it wrote.
                if byte(at: place) == planted { _ = memory.write(place, [entry.original]) }
            }
            for place in places {
                if entries[place] != nil, byte(at: place) == planted {
                    entries[place]?.owners.insert(owner)
                } else if let original = byte(at: place) {
                    var owners = entries[place]?.owners ?? []
                    owners.insert(owner)
                    entries[place] = Entry(original: original, owners: owners)
                    _ = memory.write(place, [planted])
                }
            }
        }
    }

    // MARK: - Copies of clients' breakpoints

    private static let copies = Owner(processor: 0, purpose: .copies)

    /// Plants at `place` as well; false where that stands there already.
    func plantCopy(at place: PhysicalAddress) -> Bool {
        entries.withLock { entries in
            guard let original = byte(at: place) else { return false }
            if original == planted {
                entries[place]?.owners.insert(Self.copies)
                return entries[place] != nil
            }
            let owners = entries[place]?.owners ?? []
            entries[place] = Entry(original: original, owners: owners.union([Self.copies]))
            return memory.write(place, [planted])
        }
    }

    /// Takes over what is planted at `place` over `original`.
    func adoptCopy(at place: PhysicalAddress, original: UInt8) {
        entries.withLock { entries in
            let owners = entries[place]?.owners ?? []
            // Under an older one lies what is planted now.
            entries[place] = Entry(original: original, owners: owners.union([Self.copies]))
        }
    }

    func liftCopies(at places: [PhysicalAddress]) {
        entries.withLock { entries in
            for place in places {
                guard let entry = entries[place], entry.owners.contains(Self.copies) else { continue }
                entries[place]!.owners.remove(Self.copies)
                guard entry.owners.count == 1 else { continue }
                entries[place] = nil
                if byte(at: place) == planted { _ = memory.write(place, [entry.original]) }
            }
        }
    }

    /// What stands at `place` for everyone else; nil where nothing is hidden.
    func original(at place: PhysicalAddress) -> UInt8? { entries.withLock { $0[place]?.original } }

    private func byte(at place: PhysicalAddress) -> UInt8? {
        var bytes: [UInt8] = [0]
        return memory.read(place, into: &bytes) ? bytes[0] : nil
    }

    // MARK: - Guest memory without them

    func read(_ address: PhysicalAddress, into bytes: inout [UInt8]) -> Bool {
        guard memory.read(address, into: &bytes) else { return false }
        entries.withLock { entries in
            for (place, entry) in entries {
                let distance = place.rawValue &- address.rawValue
                guard distance < UInt64(bytes.count), bytes[Int(distance)] == planted else { continue }
                bytes[Int(distance)] = entry.original
            }
        }
        return true
    }

    func write(_ address: PhysicalAddress, _ bytes: ArraySlice<UInt8>) -> Bool {
        entries.withLock { entries in
            var written = Array(bytes)
            var kept: [(PhysicalAddress, UInt8)] = []
            for place in entries.keys {
                let distance = place.rawValue &- address.rawValue
                guard distance < UInt64(bytes.count), byte(at: place) == planted else { continue }
                kept.append((place, written[Int(distance)]))
                written[Int(distance)] = planted
            }
            guard memory.write(address, written[...]) else { return false }
            for (place, byte) in kept { entries[place]?.original = byte }
            return true
        }
    }

    /// Stores the low `size` bytes of `value`, as a write of the guest's: firmware stays as it is.
    func store(_ value: UInt64, size: Int, at address: PhysicalAddress) {
        guard !memory.layout.firmware.contains(address) else { return }
        if entries.withLock({ $0.isEmpty }) { return memory.store(value, size: size, at: address) }
        var bytes: [UInt8] = []
        bytes.append(littleEndian: value)
        _ = write(address, bytes.prefix(size))
    }

    var ranges: [Range<PhysicalAddress>] { memory.ranges }

    /// Page tables have none in them.
    func word(at address: PhysicalAddress) -> UInt64? { memory.word(at: address) }
}
