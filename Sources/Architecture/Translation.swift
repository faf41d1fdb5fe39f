import Primitives

/// What a page walk found for one virtual address.
package struct Translation: Equatable, Sendable {
    package var physical: PhysicalAddress
    /// The size in bytes of the page that maps the address.
    package var pageSize: UInt64
    package var isWritable: Bool
    package var isUser: Bool
    /// By user or kernel: on arm64 either may be without the right.
    package var isExecutable: Bool
    /// False while paging is off, where every address leads to itself.
    package var isPaged = true
    /// Flags of the entry that maps the page; the processor sets the last two.
    package var isGlobal = false
    package var isAccessed = false
    package var isDirty = false
    /// arm64: one of a run of entries that a TLB may hold as one.
    package var isContiguous = false
}

/// Why an address leads nowhere.
package enum TranslationFault: Error, Equatable, Sendable {
    /// The upper bits do not repeat the highest implemented one.
    case nonCanonical(VirtualAddress)
    /// The entry at `entry`, of the table of `level` (1 maps 4 KiB pages), is not present.
    case notPresent(VirtualAddress, level: Int, entry: PhysicalAddress)
    /// The entry is outside of memory.
    case tableOutsideMemory(VirtualAddress, level: Int, entry: PhysicalAddress)
    /// arm64.
    case stage1(Stage1Fault)
}

/// Why an arm64 address leads nowhere.
package struct Stage1Fault: Error, Equatable, Sendable {
    package enum Cause: Equatable, Sendable {
        /// The bits from `bits` up are not all zero, or not all one.
        case outsideRegions(bits: Int)
        /// TCR_EL1.EPD0 or EPD1.
        case walkDisabled(isUpper: Bool)
        /// The descriptor at `entry` is no valid one. Levels count as the Arm ARM has them: 3 is the last.
        case invalidDescriptor(level: Int, entry: PhysicalAddress)
        /// The descriptor is outside of memory.
        case tableOutsideMemory(level: Int, entry: PhysicalAddress)
    }

    package let address: VirtualAddress
    package let cause: Cause
    /// The naturally aligned range around the address, in bytes, that leads nowhere for the same reason; a power of two.
    package let span: UInt64
}

extension TranslationFault {
    /// The naturally aligned range around the address, in bytes, that leads nowhere for the same reason; a power of
    /// two, and never more than that. Zero is all 2^64.
    package var span: UInt64 {
        switch self {
        // The bits from 63 to the first that differs stay different all over it.
        case .nonCanonical(let address): 1 << UInt64(63 - Self.alikeAtTop(address.rawValue))
        // 512 entries a table; 32-bit paging has 1024, and so leads nowhere for twice as much.
        case .notPresent(_, let level, _), .tableOutsideMemory(_, let level, _): 1 << UInt64(12 + 9 * (level - 1))
        case .stage1(let fault): fault.span
        }
    }
}

extension TranslationFault {
    /// How many bits from 63 downwards are alike.
    private static func alikeAtTop(_ value: UInt64) -> Int { (value[bit: 63] ? ~value : value).leadingZeroBitCount }
}

extension TranslationFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .nonCanonical(let address): "\(address) is not canonical"
        case .notPresent(let address, let level, let entry):
            "\(address) is not mapped: the level \(level) entry at physical \(entry) is not present"
        case .tableOutsideMemory(let address, let level, let entry):
            "\(address) is not mapped: its level \(level) entry would be at physical \(entry), outside of memory"
        case .stage1(let fault): fault.description
        }
    }
}

extension Stage1Fault: CustomStringConvertible {
    package var description: String {
        switch cause {
        case .outsideRegions(let bits): "\(address) is outside of both table regions: bits \(bits) and up differ"
        case .walkDisabled(let isUpper):
            "\(address) is not mapped: TCR_EL1.EPD\(isUpper ? 1 : 0) turns TTBR\(isUpper ? 1 : 0)_EL1 off"
        case .invalidDescriptor(let level, let entry):
            "\(address) is not mapped: the level \(level) descriptor at physical \(entry) is not valid"
        case .tableOutsideMemory(let level, let entry):
            "\(address) is not mapped: its level \(level) descriptor would be at physical \(entry), outside of memory"
        }
    }
}
