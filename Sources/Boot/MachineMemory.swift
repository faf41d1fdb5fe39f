// The RAM of a machine. On the x86 one, after the PC's memory map: RAM from 0, with a hole below 4 GiB for device
// registers. On the arm64 one it is one piece.
// The list that boot protocols hand over follows BIOS call INT 15h AX=E820h. Leaves out: ACPI and unusable ranges.

import Architecture
import Primitives

/// Where the machine has RAM.
package struct MachineMemory: Equatable, Sendable {
    /// One row of the memory map that a kernel is given.
    package struct MapEntry: Equatable, Sendable {
        /// The kind, as E820 and everything after it number them.
        package enum Kind: UInt32, Sendable {
            case usable = 1
            case reserved = 2
        }

        package let range: Range<PhysicalAddress>
        package let kind: Kind

        /// Length in bytes.
        var size: UInt64 { range.upperBound.rawValue - range.lowerBound.rawValue }
    }

    /// Which machine's addresses they are.
    package enum Board: Sendable {
        case pc, arm
    }

    /// On a PC, addresses of devices (interrupt controllers, PCI): never RAM. RAM that would lie here continues at 4 GiB.
    package static let deviceHole = PhysicalAddress(0xC000_0000)..<PhysicalAddress(0x1_0000_0000)
    /// The sizes that `init` accepts, in bytes: real-mode memory is always whole, page tables stay small.
    package static let sizes: ClosedRange<UInt64> = 0x10_0000...0x100_0000_0000

    /// All RAM, in bytes.
    package let size: UInt64
    package let board: Board
    /// On a PC, bytes of read-only memory for firmware, which end at 4 GiB.
    package let firmwareSize: UInt64

    /// RAM of `size` bytes, a multiple of 4 KiB in `sizes`; other sizes are `BootError.memorySize`. Firmware in whole pages,
    /// of 16 MiB at most; else `firmwareSize`.
    package init(size: UInt64, board: Board = .pc, firmwareSize: UInt64 = 0) throws(BootError) {
        guard Self.sizes.contains(size), size % 0x1000 == 0 else { throw .memorySize(size) }
        guard firmwareSize <= Self.firmwareLimit, firmwareSize % 0x1000 == 0 else { throw .firmwareSize(firmwareSize) }
        self.size = size
        self.board = board
        self.firmwareSize = firmwareSize
    }

    /// Below that are the interrupt controllers.
    private static let firmwareLimit: UInt64 = 16 << 20

    /// The read-only memory.
    package var firmware: Range<PhysicalAddress> {
        let end = Self.deviceHole.upperBound
        return PhysicalAddress(end.rawValue - firmwareSize)..<end
    }

    /// The first byte of RAM.
    package var start: PhysicalAddress {
        switch board {
        case .pc: PhysicalAddress(0)
        case .arm: ArmBoard.memory
        }
    }

    /// The address ranges that are memory, ascending: RAM and, above what there is of it below 4 GiB, firmware.
    package var ranges: [Range<PhysicalAddress>] {
        guard firmwareSize > 0 else { return ramRanges }
        return (ramRanges + [firmware]).sorted { $0.lowerBound < $1.lowerBound }
    }

    /// Those that are RAM: one, or two around `deviceHole`.
    private var ramRanges: [Range<PhysicalAddress>] {
        if isOnePiece { return [start..<start + Int(size)] }
        let hole = Self.deviceHole
        guard size > hole.lowerBound.rawValue else { return [start..<end] }
        return [start..<hole.lowerBound, hole.upperBound..<end].filter { !$0.isEmpty }
    }

    /// The first address after the last byte of RAM.
    package var end: PhysicalAddress {
        if isOnePiece { return start + Int(size) }
        let hole = Self.deviceHole
        guard size > hole.lowerBound.rawValue else { return start + Int(size) }
        return PhysicalAddress(hole.upperBound.rawValue + size - hole.lowerBound.rawValue)
    }

    package var isOnePiece: Bool { board == .arm }

    /// Whether every byte of `range` is memory.
    package func contains(_ range: Range<PhysicalAddress>) -> Bool {
        // Without a list of ranges: every access to guest memory asks this.
        let (lower, upper) = (range.lowerBound.rawValue, range.upperBound.rawValue)
        if isOnePiece { return lower >= start.rawValue && upper <= end.rawValue }
        if upper <= endBelow4GiB { return true }
        if firmwareSize > 0, lower >= firmware.lowerBound.rawValue, upper <= firmware.upperBound.rawValue {
            return true
        }
        return lower >= Self.deviceHole.upperBound.rawValue && upper <= end.rawValue
    }

    /// Whether `size` bytes from `start` are all RAM; false too where the sum leaves 64 bits.
    func contains(_ start: PhysicalAddress, size: UInt64) -> Bool {
        let (end, overflow) = start.rawValue.addingReportingOverflow(size)
        return !overflow && contains(start..<PhysicalAddress(end))
    }

    /// A PC's memory map for kernels, ascending. The top KiB of low memory stands for the extended BIOS data area, and
    /// 0xA_0000..0xF_0000 (display memory and option ROMs on a PC) is left out, as it is by BIOSes.
    package var map: [MapEntry] {
        func entry(_ start: UInt64, _ end: UInt64, _ kind: MapEntry.Kind) -> MapEntry {
            MapEntry(range: PhysicalAddress(start)..<PhysicalAddress(end), kind: kind)
        }
        let low = [
            entry(0, Self.lowMemoryEnd, .usable), entry(Self.lowMemoryEnd, 0xA_0000, .reserved),
            entry(0xF_0000, Self.highMemoryStart, .reserved),
        ]
        let high = ramRanges.map { (max($0.lowerBound.rawValue, Self.highMemoryStart), $0.upperBound.rawValue) }
        return low + high.filter { $0 < $1 }.map { entry($0, $1, .usable) }
    }

    /// Where usable low memory ends: 639 KiB.
    static let lowMemoryEnd: UInt64 = 0x9_FC00
    /// Where memory beyond the first megabyte begins.
    static let highMemoryStart: UInt64 = 0x10_0000
    /// On a PC, the end of the RAM that 32-bit addresses reach.
    var endBelow4GiB: UInt64 { min(size, Self.deviceHole.lowerBound.rawValue) }
}

extension MachineMemory: CustomStringConvertible {
    /// "256 MiB", and where it begins unless at 0.
    package var description: String { sizeText(size) + (start.rawValue == 0 ? "" : " from \(start)") }
}

/// `bytes` in the largest unit that divides it: "256 MiB".
func sizeText(_ bytes: UInt64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    var value = bytes
    var unit = 0
    while value != 0, value % 1024 == 0, unit < units.count - 1 {
        value /= 1024
        unit += 1
    }
    return "\(value) \(units[unit])"
}
