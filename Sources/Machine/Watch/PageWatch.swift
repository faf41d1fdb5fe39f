import Architecture
import Debugger
import Primitives

/// Watchpoints, resolved to where their addresses lead now: accesses to the pages on which those lie that no debug
/// register serves exit, are applied by the machine, and are reported when they meet what is watched.
struct PageWatch {
    /// A part of a watchpoint that lies in one piece of memory.
    struct Piece: Sendable {
        let watchpoint: Arrangement.Watchpoint
        /// What the client calls its first byte.
        let address: VirtualAddress
    }

    /// What has become of a watchpoint.
    struct Found {
        var ranges: [Range<PhysicalAddress>] = []
        /// A part of it leads to no memory now.
        var isWaiting = false
        /// Where it leads outside of memory, if it does.
        var outside: PhysicalAddress?
    }

    private(set) var found: [Arrangement.Watchpoint: Found] = [:]
    private(set) var index = RangeIndex<Piece>([])
    /// First addresses of the watched pages, and whether reads of them are.
    private(set) var pages: [UInt64: (reads: Bool, writes: Bool)] = [:]

    init() {}

    /// Of `resolved` those of `trapping` need their pages trapped.
    init(
        _ resolved: [(watchpoint: Arrangement.Watchpoint, found: Found, pieces: [Part])],
        trapping: Set<Arrangement.Watchpoint>
    ) {
        var all: [(range: Range<PhysicalAddress>, element: Piece)] = []
        for (watchpoint, found, parts) in resolved {
            self.found[watchpoint] = found
            for part in parts {
                all.append((part.range, Piece(watchpoint: watchpoint, address: part.address)))
                guard trapping.contains(watchpoint) else { continue }
                for page in Self.pages(of: part.range) {
                    let old = pages[page] ?? (false, false)
                    pages[page] = (old.reads || watchpoint.access != .write, old.writes || watchpoint.access != .read)
                }
            }
        }
        index = RangeIndex(all)
    }

    /// Memory in one piece, with what the client calls its first byte.
    struct Part: Hashable {
        var address: VirtualAddress
        var range: Range<PhysicalAddress>

        /// What the client calls the byte behind its last.
        var end: VirtualAddress {
            address + Int(range.upperBound.rawValue - range.lowerBound.rawValue)
        }
    }

    /// First addresses of the pages that `range` lies on.
    static func pages(of range: Range<PhysicalAddress>) -> StrideTo<UInt64> {
        stride(
            from: MemorySlots.page(of: range.lowerBound.rawValue), to: range.upperBound.rawValue,
            by: Int(MemorySlots.pageSize))
    }

    /// A watched address that an instruction accessed.
    struct Hit {
        let watchpoint: Arrangement.Watchpoint
        let address: VirtualAddress
    }

    /// The hits of an access of `size` bytes, ascending by address. `origins` are the linear addresses that the access
    /// to `place` can have been made through, where they are known.
    func hits(
        of size: Int, at place: PhysicalAddress, isWrite: Bool, through origins: Set<VirtualAddress>? = nil
    ) -> [Hit] {
        var result: [Hit] = []
        let accessed = place.upTo(size)
        index.forEach(overlapping: accessed) { range, piece in
            guard piece.watchpoint.access != (isWrite ? .read : .write) else { return }
            let first = max(range.lowerBound.rawValue, accessed.lowerBound.rawValue)
            let address = piece.address + Int(first - range.lowerBound.rawValue)
            let distance = Int(first - accessed.lowerBound.rawValue)
            if let origins, !origins.contains(address + -distance) { return }
            result.append(Hit(watchpoint: piece.watchpoint, address: address))
        }
        return result
    }
}

extension Arrangement.Watchpoint {
    func contains(_ place: VirtualAddress) -> Bool { place.rawValue &- address.rawValue < UInt64(count) }
}
