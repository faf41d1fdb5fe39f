import Primitives

/// The four breakpoint slots of the x86 debug registers (Intel SDM volume 3, section 18.2).
package struct X86DebugRegisters: Equatable, Sendable {
    /// What a slot stops at: the R/W field of DR7.
    package enum Access: UInt64, Sendable {
        case execute = 0
        case write = 1
        /// Reads and writes: the processor has no slot for reads alone.
        case readWrite = 3
    }

    package struct Slot: Equatable, Sendable {
        package var address: VirtualAddress
        package var access: Access
        /// Bytes: 1, 2, 4 or 8, and 1 for execution. The address is a multiple of it.
        package var length: Int

        package init(_ address: VirtualAddress, _ access: Access, length: Int) {
            self.address = address
            self.access = access
            self.length = length
        }
    }

    package static let slotCount = 4

    package private(set) var slots: [Slot] = []

    package init() {}

    package var free: Int { Self.slotCount - slots.count }

    /// Takes a slot; false when all are taken.
    package mutating func add(_ slot: Slot) -> Bool {
        if slots.contains(slot) { return true }
        guard slots.count < Self.slotCount else { return false }
        slots.append(slot)
        return true
    }

    /// DR7 with every slot on.
    package var control: UInt64 { register { _ in true } }

    /// DR7 with the data slots on, and of the execution slots those that `isArmed` names: while stepping, an execution
    /// slot would hold its own instruction back.
    package func control(executing isArmed: (VirtualAddress) -> Bool) -> UInt64 {
        register { $0.access != .execute || isArmed($0.address) }
    }

    /// Local enable bits, LE, and four bits of access and length a slot.
    private func register(of isOn: (Slot) -> Bool) -> UInt64 {
        guard slots.contains(where: isOn) else { return 0 }
        var value: UInt64 = 0x100
        for (i, slot) in slots.enumerated() where isOn(slot) {
            value[bit: i * 2] = true
            value[bits: 16 + i * 4...17 + i * 4] = slot.access.rawValue
            value[bits: 18 + i * 4...19 + i * 4] = Self.lengthField(slot.length)
        }
        return value
    }

    /// DR0 to DR3.
    package var addresses: [UInt64] {
        slots.map(\.address.rawValue) + [UInt64](repeating: 0, count: free)
    }

    /// The slots that DR6 says were hit.
    package func hits(_ status: UInt64) -> [Slot] {
        slots.enumerated().filter { status[bit: $0.offset] }.map(\.element)
    }

    /// DR6.BS.
    package static let stepStatus: UInt64 = 1 << 14

    /// DR6 with the causes of one more debug exception: B0 to B3, BD, BS and BT.
    package static func status(_ old: UInt64, adding new: UInt64) -> UInt64 { old | new & 0xe00f }

    /// Whether DR6 says that it was the trap flag: BS.
    package static func isStep(_ status: UInt64) -> Bool { status[bit: 14] }

    private static func lengthField(_ length: Int) -> UInt64 {
        switch length {
        case 2: 1
        case 4: 3
        case 8: 2
        default: 0
        }
    }

    /// The slots that cover `count` bytes from `address`: naturally aligned pieces of at most 8 bytes, as few as can
    /// be; nil when that takes more than there are.
    package static func cover(_ address: VirtualAddress, count: Int, _ access: Access) -> [Slot]? {
        var (next, rest) = (address, count)
        var slots: [Slot] = []
        while rest > 0 {
            guard slots.count < slotCount else { return nil }
            let length = [8, 4, 2, 1].first { $0 <= rest && next.rawValue % UInt64($0) == 0 }!
            slots.append(Slot(next, access, length: length))
            next = next + length
            rest -= length
        }
        return slots
    }
}
