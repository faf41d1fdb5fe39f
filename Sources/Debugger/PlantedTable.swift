import Primitives

/// The instructions that were replaced in memory for breakpoints, found by either address, or by the memory around
/// them, in a time that does not grow with their number.
///
/// Several virtual addresses may lead to one place: it is replaced once, and what lay there is kept once.
package struct PlantedTable: Equatable, Sendable {
    private struct Site: Equatable, Sendable {
        var original: [UInt8]
        /// Breakpoint addresses that lead here.
        var addresses = 1
    }

    private var places: [VirtualAddress: PhysicalAddress] = [:]
    private var sites: [PhysicalAddress: Site] = [:]
    /// Sites by the page of their first byte.
    private var pages: [UInt64: Set<PhysicalAddress>] = [:]

    /// Bits of an address within a page.
    static let pageBits: UInt64 = 12
    /// Bytes of the longest instruction that is planted anywhere, arm64's BRK.
    private static let longest: UInt64 = 4

    package init() {}

    package var isEmpty: Bool { sites.isEmpty }

    /// Addresses, of which several may share a place.
    package var count: Int { places.count }

    /// Every one, ascending by address.
    package var all: [Arrangement.Planted] {
        places.keys.sorted().compactMap { self[$0] }
    }

    package subscript(address: VirtualAddress) -> Arrangement.Planted? {
        guard let physical = places[address], let site = sites[physical] else { return nil }
        return Arrangement.Planted(address: address, physical: physical, original: site.original)
    }

    package func contains(_ address: VirtualAddress) -> Bool { places[address] != nil }

    /// What lay at a place before it was replaced; nil where nothing is planted.
    package func original(at place: PhysicalAddress) -> [UInt8]? { sites[place]?.original }

    /// Notes that `address`, which is not in the table, leads to `place`, where `original` lay.
    mutating func record(_ address: VirtualAddress, at place: PhysicalAddress, original: [UInt8]) {
        places[address] = place
        if sites[place] != nil {
            sites[place]!.addresses += 1
        } else {
            sites[place] = Site(original: original)
            pages[place.rawValue >> Self.pageBits, default: []].insert(place)
        }
    }

    /// Forgets an address; its place and what belongs there, once no other address leads to it.
    mutating func forget(_ address: VirtualAddress) -> (place: PhysicalAddress, original: [UInt8])? {
        guard let place = places.removeValue(forKey: address), let site = sites[place] else { return nil }
        guard site.addresses == 1 else {
            sites[place]!.addresses -= 1
            return nil
        }
        sites[place] = nil
        let page = place.rawValue >> Self.pageBits
        pages[page]!.remove(place)
        if pages[page]!.isEmpty { pages[page] = nil }
        return (place, site.original)
    }

    /// Whether anything planted reaches into `count` bytes from `start`.
    func reaches(into start: PhysicalAddress, _ count: Int) -> Bool { !sites(near: start, count).isEmpty }

    /// Puts the guest's own bytes over those of `instruction` planted in `bytes`, which were read from `start`. What
    /// the guest has written over a planted one is its own already.
    package func mask(_ bytes: inout [UInt8], readFrom start: PhysicalAddress, planting instruction: [UInt8]) {
        for site in sites(near: start, bytes.count) {
            let original = sites[site]!.original
            for place in original.indices {
                let inside = site.rawValue &+ UInt64(place) &- start.rawValue
                if inside < UInt64(bytes.count), bytes[Int(inside)] == instruction[place] {
                    bytes[Int(inside)] = original[place]
                }
            }
        }
    }

    /// Makes a write of `bytes` to `start` go around what is planted: the bytes under it are kept here instead. True
    /// where there were any.
    mutating func divert(
        _ bytes: inout [UInt8], writtenTo start: PhysicalAddress, planting instruction: [UInt8]
    ) -> Bool {
        var isChanged = false
        for site in sites(near: start, bytes.count) {
            for place in instruction.indices {
                let inside = site.rawValue &+ UInt64(place) &- start.rawValue
                guard inside < UInt64(bytes.count) else { continue }
                sites[site]!.original[place] = bytes[Int(inside)]
                bytes[Int(inside)] = instruction[place]
                isChanged = true
            }
        }
        return isChanged
    }

    /// Places whose instruction may reach into `count` bytes from `start`.
    private func sites(near start: PhysicalAddress, _ count: Int) -> [PhysicalAddress] {
        guard count > 0, !sites.isEmpty else { return [] }
        let first = (start.rawValue - min(start.rawValue, Self.longest - 1)) >> Self.pageBits
        let last = (start.upTo(count).upperBound.rawValue - 1) >> Self.pageBits
        guard last - first < UInt64(pages.count) else {
            return pages.filter { (first...last).contains($0.key) }.flatMap(\.value)
        }
        return (first...last).flatMap { pages[$0] ?? [] }
    }
}
