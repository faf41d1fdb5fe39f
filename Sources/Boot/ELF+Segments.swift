// Loading an ELF file's segments by physical address: gABI chapter 5, "Program Header" (PT_LOAD).

import Primitives

extension ELF {
    /// The PT_LOAD segments that occupy memory, checked: bytes inside the file, addresses inside RAM, no overlap.
    func segments(in memory: MachineMemory) throws(BootError) -> [ProgramHeader] {
        let segments = programHeaders.filter { $0.type == ProgramHeader.load && $0.memorySize > 0 }
        guard !segments.isEmpty else { throw .noLoadableSegment(programHeaders: programHeaders.count) }
        for segment in segments { try segment.check(fileSize: file.count, memory: memory) }
        let ordered = segments.sorted { ($0.physicalAddress, $0.index) < ($1.physicalAddress, $1.index) }
        for (previous, next) in zip(ordered, ordered.dropFirst())
        where next.physicalAddress < previous.physicalRange.upperBound.rawValue {
            let (first, second) = previous.index < next.index ? (previous, next) : (next, previous)
            throw second.fault(.overlaps(other: first.index, at: PhysicalAddress(next.physicalAddress)))
        }
        return segments
    }

    /// Places `segments`, which `segments(in:)` gave.
    func place(_ segments: [ProgramHeader], in layout: inout Layout) {
        for segment in segments {
            let start = Int(segment.fileSize == 0 ? 0 : segment.offset)
            layout.placeImage(
                file[start..<start + Int(segment.fileSize)], at: PhysicalAddress(segment.physicalAddress),
                length: segment.memorySize)
        }
    }

    /// Where `address`, virtual if a segment has it so, lies in physical memory. Error: `entryOutsideImage`.
    func physicalEntry(_ address: UInt64, in segments: [ProgramHeader]) throws(BootError) -> UInt64 {
        if let segment = segments.first(where: { $0.hasVirtual(address) }) {
            return segment.physicalAddress + (address - segment.virtualAddress)
        }
        try Self.check(physicalEntry: address, in: segments)
        return address
    }

    /// Refuses a physical entry that no segment has: `entryOutsideImage`.
    static func check(physicalEntry entry: UInt64, in segments: [ProgramHeader]) throws(BootError) {
        guard segments.contains(where: { $0.physicalRange.contains(PhysicalAddress(entry)) }) else {
            throw .entryOutsideImage(entry: entry, loaded: loadedRange(segments))
        }
    }

    /// For the summary: how many segments lie where.
    static func summary(of segments: [ProgramHeader]) -> String {
        "\(segments.count) segment\(segments.count == 1 ? "" : "s") in \(rangeText(loadedRange(segments)))"
    }

    private static func loadedRange(_ segments: [ProgramHeader]) -> Range<PhysicalAddress> {
        let ranges = segments.map(\.physicalRange)
        let start = ranges.map(\.lowerBound).min() ?? PhysicalAddress(0)
        return start..<(ranges.map(\.upperBound).max() ?? start)
    }
}

extension ELF.ProgramHeader {
    /// The memory that a checked segment covers.
    var physicalRange: Range<PhysicalAddress> {
        PhysicalAddress(physicalAddress)..<PhysicalAddress(physicalAddress + memorySize)
    }

    func hasVirtual(_ address: UInt64) -> Bool {
        address >= virtualAddress && address - virtualAddress < memorySize
    }

    func fault(_ fault: BootError.SegmentFault) -> BootError {
        .segment(index: index, headerOffset: headerOffset, fault)
    }

    fileprivate func check(fileSize total: Int, memory: MachineMemory) throws(BootError) {
        let (fileEnd, overflow) = offset.addingReportingOverflow(fileSize)
        guard fileSize == 0 || !overflow && fileEnd <= UInt64(total) else {
            throw fault(.beyondFile(offset: offset, size: fileSize, fileSize: total))
        }
        guard fileSize <= memorySize else { throw fault(.largerInFile(fileSize: fileSize, memorySize: memorySize)) }
        let start = PhysicalAddress(physicalAddress)
        guard memory.contains(start, size: memorySize) else {
            throw fault(.outsideMemory(start: start, size: memorySize, memory: memory))
        }
    }
}
