// Where a board has its GIC, and accesses by address. The CPU interfaces share one address: each processor sees its own.

import Primitives

extension GICv2 {
    package struct Placement: Hashable, Sendable {
        package let distributor: PhysicalAddress
        /// 8 KiB, so that GICC_DIR, at 0x1000, is there.
        package let interface: PhysicalAddress

        package init(distributor: PhysicalAddress, interface: PhysicalAddress) {
            self.distributor = distributor
            self.interface = interface
        }

        /// On the board for x86 guests.
        package static let x86 = Self(
            distributor: PhysicalAddress(0xfd00_0000), interface: PhysicalAddress(0xfd01_0000))
        /// On arm64 boards, as on QEMU's "virt".
        package static let arm64 = Self(
            distributor: PhysicalAddress(0x0800_0000), interface: PhysicalAddress(0x0801_0000))

        /// What is at an address, and how far from its beginning.
        package enum Place: Hashable, Sendable {
            case distributor(Int)
            case interface(Int)
        }

        package func find(_ address: PhysicalAddress) -> Place? {
            let (first, second) = (distributor.rawValue, interface.rawValue)
            if address.rawValue &- first < UInt64(GICv2.distributorSize) {
                return .distributor(Int(address.rawValue - first))
            }
            if address.rawValue &- second < UInt64(GICv2.interfaceSize) {
                return .interface(Int(address.rawValue - second))
            }
            return nil
        }
    }

    /// Processor `cpu` reads `size` bytes, 1 to 8; nil for an address that is not the GIC's.
    package mutating func readMemory(
        _ address: PhysicalAddress, size: Int, _ cpu: Int, _ placement: Placement, at now: ModelTime
    ) -> InterruptOutcome? {
        switch placement.find(address) {
        case .distributor(let offset): readDistributor(offset, size: size, cpu, at: now)
        case .interface(let offset): readInterface(offset, size: size, cpu, at: now)
        case nil: nil
        }
    }

    /// Processor `cpu` writes `size` bytes, 1 to 8; nil for an address that is not the GIC's.
    package mutating func writeMemory(
        _ value: UInt64, _ address: PhysicalAddress, size: Int, _ cpu: Int, _ placement: Placement, at now: ModelTime
    ) -> InterruptOutcome? {
        switch placement.find(address) {
        case .distributor(let offset): writeDistributor(value, offset, size: size, cpu, at: now)
        case .interface(let offset): writeInterface(value, offset, size: size, cpu, at: now)
        case nil: nil
        }
    }
}
