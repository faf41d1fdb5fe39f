import Primitives

/// The breakpoint and watchpoint registers (Arm ARM, chapter D2; DBGBCR and DBGWCR in D19), as KVM's
/// `struct kvm_guest_debug_arch` takes them. How many there are is the host's to say. Left out: linking and context
/// matches.
package struct Arm64DebugRegisters: Equatable, Sendable {
    /// LSC of DBGWCR.
    package enum Access: UInt64, Sendable {
        case read = 1
        case write = 2
        case readWrite = 3
    }

    /// What one watchpoint register sees: some neighbouring bytes of eight that are aligned, or an aligned power of two
    /// of bytes from 8 to 2 GiB.
    package struct Watch: Equatable, Sendable {
        package let address: VirtualAddress
        package let count: UInt64
        package let access: Access

        /// Nil where no register sees just that.
        package init?(_ address: VirtualAddress, count: UInt64, _ access: Access) {
            let inWord = address.rawValue & 7
            let fitsWord = count >= 1 && count <= 8 && inWord + count <= 8
            let fitsMask =
                count >= 8 && count <= Self.largest && count.nonzeroBitCount == 1
                && address.rawValue & (count - 1) == 0
            guard fitsWord || fitsMask else { return nil }
            self.address = address
            self.count = count
            self.access = access
        }

        /// The range of MASK's largest value, 31.
        package static let largest: UInt64 = 1 << 31

        /// DBGWVR: bits 0 to 2 are BAS's to choose.
        package var value: UInt64 { address.rawValue & ~7 }

        /// DBGWCR: E, PAC for EL0 and EL1, LSC, BAS, MASK.
        package var control: UInt64 {
            var control: UInt64 = 1 | 3 << 1 | access.rawValue << 3
            if count > 8 {
                control[bits: 5...12] = 0xff
                control[bits: 24...28] = UInt64(count.trailingZeroBitCount)
            } else {
                control[bits: 5...12] = .mask(Int(count)) << (address.rawValue & 7)
            }
            return control
        }

        /// The last address that it sees.
        fileprivate var last: UInt64 { address.rawValue &+ (count - 1) }
    }

    /// DBGBCR of a breakpoint on one A64 instruction: E, PMC for EL0 and EL1, BAS.
    package static let breakpointControl: UInt64 = 1 | 3 << 1 | 0xf << 5

    /// Registers there are.
    package let breakpointCount: Int
    package let watchpointCount: Int

    package private(set) var breakpoints: [VirtualAddress] = []
    package private(set) var watches: [Watch] = []

    /// KVM_CAP_GUEST_DEBUG_HW_BPS and KVM_CAP_GUEST_DEBUG_HW_WPS: at most 16 each.
    package init(breakpointCount: Int, watchpointCount: Int) {
        self.breakpointCount = breakpointCount
        self.watchpointCount = watchpointCount
    }

    package var freeWatches: Int { watchpointCount - watches.count }

    /// Takes a register for a multiple of 4; false when all are taken.
    package mutating func add(_ address: VirtualAddress) -> Bool {
        if breakpoints.contains(address) { return true }
        guard breakpoints.count < breakpointCount else { return false }
        breakpoints.append(address)
        return true
    }

    package mutating func add(_ watch: Watch) -> Bool {
        if watches.contains(watch) { return true }
        guard watches.count < watchpointCount else { return false }
        watches.append(watch)
        return true
    }
}

extension Arm64DebugRegisters {
    /// The watch that FAR reports. The address in it may lie before what is watched: it is anywhere from the lowest that
    /// the instruction touches to the highest that is watched, so that the nearest watch is meant.
    package func watch(at fault: VirtualAddress) -> Watch? {
        func distance(_ watch: Watch) -> UInt64 {
            let (low, high, place) = (watch.address.rawValue, watch.last, fault.rawValue)
            return place < low ? low - place : place > high ? place - high : 0
        }
        return watches.min { distance($0) < distance($1) }
    }

    /// The fewest registers that see `count` bytes from `address` and nothing else, in order; nil when that takes more
    /// than `limit`.
    package static func cover(
        _ address: VirtualAddress, count: Int, _ access: Access, limit: Int
    ) -> [Watch]? {
        var (next, rest) = (address, UInt64(count))
        var watches: [Watch] = []
        while rest > 0 {
            guard watches.count < limit else { return nil }
            // To the end of eight bytes, or as much as alignment and length allow.
            var piece = min(rest, 8 - next.rawValue & 7)
            if next.rawValue & 7 == 0, rest >= 16 {
                let aligned = next.rawValue == 0 ? Watch.largest : 1 << UInt64(next.rawValue.trailingZeroBitCount)
                piece = min(aligned, Watch.largest, 1 << UInt64(63 - rest.leadingZeroBitCount))
            }
            watches.append(Watch(next, count: piece, access)!)
            next.rawValue &+= piece
            rest -= piece
        }
        return watches
    }

    /// One register that sees `count` bytes from `address` and, it may be, their neighbours, whose accesses are then to be
    /// ignored; nil where that takes more than 2 GiB.
    package static func enclosing(_ address: VirtualAddress, count: Int, _ access: Access) -> Watch? {
        if let exact = Watch(address, count: UInt64(count), access) { return exact }
        let last = address.rawValue &+ UInt64(count - 1)
        let size: UInt64 = 1 << UInt64(max(3, 64 - (address.rawValue ^ last).leadingZeroBitCount))
        guard last >= address.rawValue, size <= Watch.largest, size > 0 else { return nil }
        return Watch(VirtualAddress(address.rawValue & ~(size - 1)), count: size, access)
    }
}
