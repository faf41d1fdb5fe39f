// The error codes that exceptions push, in words: Intel SDM volume 3, section 4.7 (page faults) and section 6.13
// (selectors). The RMP bit is from the AMD64 manual volume 2, section 8.4.2.

import Primitives

/// What a page fault pushes: how the memory was used and why that failed.
package struct PageFaultErrorCode: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The page is mapped but does not allow the access; otherwise it is not present.
    package static let present = Self(rawValue: 1 << 0)
    package static let write = Self(rawValue: 1 << 1)
    /// From CPL3; otherwise from CPL0 to 2, or an access to a system table from anywhere.
    package static let user = Self(rawValue: 1 << 2)
    package static let reservedBit = Self(rawValue: 1 << 3)
    package static let instructionFetch = Self(rawValue: 1 << 4)
    package static let protectionKey = Self(rawValue: 1 << 5)
    package static let shadowStack = Self(rawValue: 1 << 6)
    package static let hlat = Self(rawValue: 1 << 7)
    package static let sgx = Self(rawValue: 1 << 15)
    package static let rmp = Self(rawValue: 1 << 31)

    private static let remarks: [(bit: Self, text: String)] = [
        (.reservedBit, "reserved bit set in a paging entry"),
        (.protectionKey, "forbidden by a protection key"),
        (.shadowStack, "a shadow-stack access"),
        (.hlat, "in hypervisor-managed translation"),
        (.sgx, "an SGX access rule"),
        (.rmp, "a reverse-map check"),
    ]
}

extension PageFaultErrorCode: CustomStringConvertible {
    /// "write to a not-present page from CPL0".
    package var description: String {
        let access = contains(.instructionFetch) ? "fetch from" : contains(.write) ? "write to" : "read from"
        let page = contains(.present) ? "a page that forbids it" : "a not-present page"
        let text = "\(access) \(page) from \(contains(.user) ? "CPL3" : "CPL0")"
        return ([text] + Self.remarks.filter { contains($0.bit) }.map(\.text)).joined(separator: ", ")
    }
}

/// What #TS, #NP, #SS and #GP push: the selector or the gate at fault, or zero.
package struct SelectorErrorCode: Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// For the gate of `vector`. `isExternal` where no instruction of the program asked for the interrupt.
    package init(gate vector: UInt8, isExternal: Bool) {
        rawValue = UInt32(vector) << 3 | 2 | (isExternal ? 1 : 0)
    }

    /// For a segment selector; its privilege bits are not part of the code.
    package init(selector: UInt16, isExternal: Bool) {
        rawValue = UInt32(selector & ~3) | (isExternal ? 1 : 0)
    }
}

extension SelectorErrorCode: CustomStringConvertible {
    /// "gate 14 of the IDT, while delivering an event" or "no selector".
    package var description: String {
        let index = rawValue[bits: 3...15]
        let place =
            rawValue[bit: 1]
            ? "gate \(index) of the IDT"
            : rawValue[bits: 2...15] == 0
                ? "no selector" : "selector \(hexadecimal(rawValue & 0xfff8, digits: 4)) of the \(tableName)"
        return rawValue[bit: 0] ? "\(place), while delivering an event" : place
    }

    private var tableName: String { rawValue[bit: 2] ? "LDT" : "GDT" }
}
