import Primitives

/// The kernel's own Arm interrupt controller, GICv2 or GICv3 (Documentation/virt/kvm/devices/arm-vgic.rst and
/// arm-vgic-v3.rst). Left out: the ITS, message-signalled interrupts, saving tables to memory.
///
/// Registers can be accessed while no vCPU runs: until then the kernel says EBUSY.
package struct VGIC: ~Copyable, Sendable {
    package enum Version: Int, Sendable {
        case v2 = 2
        case v3 = 3

        /// KVM_DEV_TYPE_ARM_VGIC_V2, KVM_DEV_TYPE_ARM_VGIC_V3.
        var deviceType: UInt32 { self == .v2 ? 5 : 7 }
    }

    /// KVM_DEV_ARM_VGIC_GRP_*.
    private enum Group {
        static let address: UInt32 = 0
        static let distributor: UInt32 = 1
        /// GICv2: the CPU interface.
        static let interface: UInt32 = 2
        static let lineCount: UInt32 = 3
        static let control: UInt32 = 4
        static let redistributor: UInt32 = 5
        /// GICv3: the CPU interface's system registers, 8 bytes each.
        static let systemRegisters: UInt32 = 6
        static let levels: UInt32 = 7
    }

    package let version: Version
    private let device: Device

    /// Before it is of use it takes `place`, all vCPUs, and `initialise`.
    package init(_ version: Version, in vm: borrowing VM) throws(KVMError) {
        self.version = version
        device = try vm.makeDevice(version.deviceType)
    }

    package static func isAvailable(_ version: Version, in vm: borrowing VM) -> Bool {
        vm.canMakeDevice(version.deviceType)
    }

    /// The version that this host offers; GICv2 where it offers both.
    package static func version(in vm: borrowing VM) -> Version? {
        isAvailable(.v2, in: vm) ? .v2 : isAvailable(.v3, in: vm) ? .v3 : nil
    }

    /// Where the guest sees it: the Distributor, and GICv2's CPU interfaces or GICv3's Redistributors, 128 KiB a vCPU.
    package func place(distributor: PhysicalAddress, processors: PhysicalAddress) throws(KVMError) {
        // KVM_VGIC_V2_ADDR_TYPE_DIST and _CPU; KVM_VGIC_V3_ADDR_TYPE_DIST and _REDIST.
        let first: UInt64 = version == .v2 ? 0 : 2
        try device.set(group: Group.address, attribute: first, to: distributor.rawValue)
        try device.set(group: Group.address, attribute: first + 1, to: processors.rawValue)
    }

    /// `count` interrupt numbers, private ones included: 64 to 1024, a multiple of 32. Afterwards nothing else of its
    /// make can change. The corresponding attribute is `KVM_DEV_ARM_VGIC_CTRL_INIT`.
    package func initialise(interrupts count: UInt32) throws(KVMError) {
        try device.set(group: Group.lineCount, attribute: 0, to: count)
        try device.set(group: Group.control, attribute: 0, to: 0 as UInt32)
    }

    /// A register of 32 bits, or one that `index` of GICv3's CPU interface has.
    package enum Register: Hashable, Sendable {
        /// By its offset; GICv2 banks some of them for each vCPU.
        case distributor(UInt32, processor: Int)
        /// GICv2, by its offset.
        case interface(UInt32, processor: Int)
        /// GICv3, by its offset from the start of the vCPU's Redistributor, whose second 64 KiB are for SGIs and PPIs.
        case redistributor(UInt32, processor: Int)
        /// GICv3: ICC_* by Op0, Op1, CRn, CRm, Op2 as MRS has them, packed into 16 bits.
        case system(UInt16, processor: Int)
    }

    package func read(_ register: Register) throws(KVMError) -> UInt64 {
        let (group, attribute) = place(of: register)
        if case .system = register { return try device.get(group: group, attribute: attribute, UInt64.self) }
        return UInt64(try device.get(group: group, attribute: attribute, UInt32.self))
    }

    package func write(_ register: Register, _ value: UInt64) throws(KVMError) {
        let (group, attribute) = place(of: register)
        if case .system = register { return try device.set(group: group, attribute: attribute, to: value) }
        try device.set(group: group, attribute: attribute, to: UInt32(truncatingIfNeeded: value))
    }

    /// GICv3: the input levels of 32 interrupts from `first` on, which is a multiple of 32.
    package func levels(from first: UInt32, processor: Int) throws(KVMError) -> UInt32 {
        // VGIC_LEVEL_INFO_LINE_LEVEL, 0, would stand from bit 10 on.
        let attribute = affinity(processor) << 32 | UInt64(first)
        return try device.get(group: Group.levels, attribute: attribute, UInt32.self)
    }

    private func place(of register: Register) -> (group: UInt32, attribute: UInt64) {
        switch register {
        case .distributor(let offset, let processor):
            // GICv3's Distributor is one for all.
            (Group.distributor, (version == .v2 ? UInt64(processor) << 32 : 0) | UInt64(offset))
        case .interface(let offset, let processor):
            (Group.interface, UInt64(processor) << 32 | UInt64(offset))
        case .redistributor(let offset, let processor):
            (Group.redistributor, affinity(processor) << 32 | UInt64(offset))
        case .system(let encoding, let processor):
            (Group.systemRegisters, affinity(processor) << 32 | UInt64(encoding))
        }
    }

    /// MPIDR's affinity as KVM gives it to vCPU `processor`: 16 in a cluster.
    private func affinity(_ processor: Int) -> UInt64 { UInt64(processor & 0xf) | UInt64(processor >> 4) << 8 }
}
