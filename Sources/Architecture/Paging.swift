import Primitives

/// A page walk of either architecture.
package enum Paging: Equatable, Sendable {
    case x86(X86Paging)
    case arm64(Arm64Paging)

    /// Otherwise every address leads to itself.
    package var isOn: Bool {
        switch self {
        case .x86(let paging): paging.isOn
        case .arm64(let paging): paging.isOn
        }
    }

    /// The last address there is.
    package var lastAddress: UInt64 {
        switch self {
        case .x86(let paging): paging.lastAddress
        case .arm64: .max
        }
    }

    /// Addresses in the middle that no table covers.
    package var hole: ClosedRange<UInt64>? {
        switch self {
        case .x86(let paging): paging.hole
        case .arm64(let paging): paging.hole
        }
    }

    /// Walks the tables in `memory` for `address`.
    package func translate(
        _ address: VirtualAddress, in memory: some PhysicalMemory
    ) throws(TranslationFault) -> Translation {
        switch self {
        case .x86(let paging): try paging.translate(address, in: memory)
        case .arm64(let paging): try paging.translate(address, in: memory)
        }
    }

    /// First addresses of the 4 KiB pages that hold the tables: of the first `limit` or so, where there are more.
    package func tablePages(in memory: some PhysicalMemory, limit: Int = 0x4000) -> Set<UInt64> {
        switch self {
        case .x86(let paging): paging.tablePages(in: memory, limit: limit)
        case .arm64(let paging): paging.tablePages(in: memory, limit: limit)
        }
    }
}
