// Who gets which memory: the image where it says, boot structures where room is left. On a PC all structures lie below
// 3 GiB, so that 32-bit code reaches them.

import Primitives

/// The placements so far, and a first-fit allocator for what has no address of its own.
struct Layout {
    /// Where a structure may go.
    enum Region {
        /// On a PC 0x1000..0x9_F000 only: above the real-mode interrupt table and BIOS data, below the extended BIOS data area.
        case low
        /// A PC's low memory, else like `high`.
        case lowFirst
        /// Above the image; where no room is left there, anywhere, on a PC above 1 MiB.
        case high
    }

    let memory: MachineMemory
    private(set) var placements: [Placement] = []
    /// Ranges that no allocation may touch, ascending by start; reserved ones may overlap others.
    private var taken: [Range<UInt64>] = []
    /// The end of what was placed at a fixed address in `window`.
    private var imageEnd: UInt64
    /// Where structures may go, a PC's low memory aside.
    private let window: Range<UInt64>

    init(memory: MachineMemory) {
        self.memory = memory
        window =
            switch memory.board {
            case .pc: MachineMemory.highMemoryStart..<max(memory.endBelow4GiB, MachineMemory.highMemoryStart)
            case .arm: memory.start.rawValue..<memory.end.rawValue
            }
        imageEnd = window.lowerBound
    }

    /// Places `bytes` and zeroes up to `length` at `address`; the caller has checked that this is free RAM.
    mutating func place(_ bytes: some Collection<UInt8>, at address: PhysicalAddress, length: UInt64? = nil) {
        let placement = Placement(
            address: address, bytes: Array(bytes), length: length ?? UInt64(bytes.count))
        precondition(memory.contains(placement.range), "placement at \(address) leaves memory")
        placements.append(placement)
    }

    /// Places a part of the image itself and keeps everything else off it, and off the `taken` bytes that it takes for
    /// itself when it runs.
    mutating func placeImage(
        _ bytes: some Collection<UInt8>, at address: PhysicalAddress, length: UInt64, taking taken: UInt64 = 0
    ) {
        place(bytes, at: address, length: length)
        let end = address.rawValue + max(length, taken)
        reserve(address.rawValue..<end)
        if end <= window.upperBound { imageEnd = max(imageEnd, end) }
    }

    /// Keeps allocations off `range`.
    mutating func reserve(_ range: Range<UInt64>) {
        var low = 0
        var high = taken.count
        while low < high {
            let middle = (low + high) / 2
            if taken[middle].lowerBound < range.lowerBound { low = middle + 1 } else { high = middle }
        }
        taken.insert(range, at: low)
    }

    /// Whether nothing has taken any of `range`.
    func isFree(_ range: Range<UInt64>) -> Bool { !taken.contains { $0.overlaps(range) } }

    /// Finds room for `size` bytes at a multiple of `alignment` (a power of two) and takes it.
    /// Error: `noRoom`, naming `purpose`.
    mutating func allocate(
        _ size: UInt64, alignment: UInt64 = 8, in region: Region = .lowFirst, for purpose: String
    ) throws(BootError) -> PhysicalAddress {
        for window in windows(of: region) where !window.isEmpty {
            if let start = firstFit(size, alignment: alignment, in: window) {
                reserve(start..<start + size)
                return PhysicalAddress(start)
            }
        }
        throw .noRoom(purpose, size: size, memory: memory.size)
    }

    /// Finds room for `bytes` and places them there.
    mutating func allocateAndPlace(
        _ bytes: [UInt8], alignment: UInt64 = 8, in region: Region = .lowFirst, for purpose: String
    ) throws(BootError) -> PhysicalAddress {
        let address = try allocate(UInt64(bytes.count), alignment: alignment, in: region, for: purpose)
        place(bytes, at: address)
        return address
    }

    /// Takes a stack; gives the initial stack pointer, a multiple of 16 with 16 zero bytes above it.
    /// A real-mode stack is one page, so that it stays within one 64 KiB segment; others have four.
    mutating func allocateStack(for mode: CPUMode) throws(BootError) -> PhysicalAddress {
        let size: UInt64 = mode == .real ? 0x1000 : 0x4000
        let base = try allocate(size, alignment: 0x1000, in: mode == .real ? .low : .lowFirst, for: "stack")
        place([], at: base, length: size)
        return PhysicalAddress(base.rawValue + size - 16)
    }

    private func windows(of region: Region) -> [Range<UInt64>] {
        let low: Range<UInt64> = memory.board == .pc ? 0x1000..<0x9_F000 : 0..<0
        let high = [imageEnd..<window.upperBound, window]
        return switch region {
        case .low: [low]
        case .lowFirst: [low] + high
        case .high: high
        }
    }

    private func firstFit(_ size: UInt64, alignment: UInt64, in window: Range<UInt64>) -> UInt64? {
        guard size <= window.upperBound - window.lowerBound else { return nil }
        var start = window.lowerBound.roundedUp(to: alignment)
        for range in taken where range.upperBound > start {
            if range.lowerBound >= start + size || start >= window.upperBound { break }
            start = range.upperBound.roundedUp(to: alignment)
        }
        return start + size <= window.upperBound ? start : nil
    }
}
