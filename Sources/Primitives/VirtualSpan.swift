/// Linear addresses from `base` on, `limit` being the offset of the last one: what IDTR, GDTR and segments describe. A
/// guest chooses both, and may let them wrap around the top of the address space, where no `Range` can follow.
package struct VirtualSpan: Hashable, Sendable {
    package let base: VirtualAddress
    /// Bytes, less one.
    package let limit: UInt32

    package init(_ base: VirtualAddress, limit: UInt32) {
        self.base = base
        self.limit = limit
    }

    package func contains(_ address: VirtualAddress) -> Bool { address.rawValue &- base.rawValue <= UInt64(limit) }

    /// First addresses of the pages it lies on, of `size` bytes each, a power of two.
    package func pages(of size: UInt64) -> some Sequence<VirtualAddress> {
        let offset = base.rawValue & (size - 1)
        return (0...(offset + UInt64(limit)) / size).lazy.map {
            VirtualAddress(base.rawValue &- offset &+ $0 &* size)
        }
    }
}
