// The address space that a 64-bit ELF file starts in: everything at its physical address, and each segment at its
// virtual address too. Canonical addresses: Intel SDM volume 1, section 3.3.7.1 (48 bits).

import Primitives

extension ELF {
    /// Virtual pages that one or more segments put at the same distance from their physical pages.
    private struct Mapping {
        var pages: Range<UInt64>
        let frame: UInt64
        /// The first segment of these.
        let segment: ProgramHeader

        var isIdentity: Bool { pages.lowerBound == frame }
        /// Physical minus virtual page number, modulo 2^64.
        var distance: UInt64 { frame &- pages.lowerBound }
    }

    /// Page tables for checked `segments`. Where a segment's virtual address is another's physical one, the virtual
    /// one wins. Keeps boot structures in `layout` off addresses where the identity map gives way so.
    func pageTables(for segments: [ProgramHeader], in layout: inout Layout) throws(BootError) -> PageTables {
        let mappings = try Self.mappings(of: segments)
        var tables = PageTables(identityFor: layout.memory)
        let identityPages = PageTables.identityEnd(for: layout.memory) >> 12
        for mapping in mappings where !mapping.isIdentity {
            tables.map(mapping.pages, to: mapping.frame)
            let hidden = mapping.pages.clamped(to: 0..<identityPages)
            if !hidden.isEmpty { layout.reserve(hidden.lowerBound << 12..<hidden.upperBound << 12) }
        }
        return tables
    }

    /// The segments' mappings, merged, so that no two share a virtual page.
    private static func mappings(of segments: [ProgramHeader]) throws(BootError) -> [Mapping] {
        var result: [Mapping] = []
        for segment in segments.sorted(by: { $0.virtualAddress < $1.virtualAddress }) {
            let next = try mapping(of: segment)
            guard let last = result.last, last.pages.upperBound > next.pages.lowerBound else {
                result.append(next)
                continue
            }
            guard last.distance == next.distance else {
                let page = next.pages.lowerBound
                throw segment.fault(
                    .remaps(
                        page: VirtualAddress(page << 12), to: PhysicalAddress(next.frame << 12),
                        other: last.segment.index, otherTo: PhysicalAddress((page &+ last.distance) << 12)))
            }
            let end = max(last.pages.upperBound, next.pages.upperBound)
            result[result.count - 1].pages = last.pages.lowerBound..<end
        }
        return result
    }

    private static func mapping(of segment: ProgramHeader) throws(BootError) -> Mapping {
        let (start, physical) = (segment.virtualAddress, segment.physicalAddress)
        let (last, overflow) = start.addingReportingOverflow(segment.memorySize - 1)
        // Bits 63 to 47 all equal, and the same at both ends.
        let signs = [start, last].map { Int64(bitPattern: $0) >> 47 }
        guard !overflow, signs == [0, 0] || signs == [-1, -1] else {
            throw segment.fault(.notCanonical(VirtualAddress(start), size: segment.memorySize))
        }
        guard start & 0xFFF == physical & 0xFFF else {
            throw segment.fault(.notCongruent(VirtualAddress(start), PhysicalAddress(physical)))
        }
        return Mapping(pages: start >> 12..<last >> 12 + 1, frame: physical >> 12, segment: segment)
    }
}
