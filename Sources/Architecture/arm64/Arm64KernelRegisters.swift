import Primitives

/// One register as KVM_GET_ONE_REG and KVM_SET_ONE_REG have it (Documentation/virt/kvm/api.rst, section 4.68), and
/// where its value belongs in a `RegisterFile`.
package struct Arm64KernelRegister: Equatable, Sendable {
    /// The architecture, the size and the register, in KVM's own packing.
    package let id: UInt64
    /// Bytes from the start of the storage.
    package let offset: Int
    /// Bytes: 4, 8 or 16.
    package let width: Int
    package let block: RegisterBlocks

    /// KVM_REG_ARM64 and KVM_REG_SIZE_U32, _U64 or _U128.
    private static func prefix(width: Int) -> UInt64 {
        0x6000_0000_0000_0000 | UInt64(width.trailingZeroBitCount) << 52
    }

    /// A register of `struct kvm_regs`: numbered by its offset there in words of 4 bytes (KVM_REG_ARM_CORE).
    fileprivate init(core offset: Int, width: Int, _ block: RegisterBlocks) {
        id = Self.prefix(width: width) | 0x10_0000 | UInt64(offset / 4)
        self.offset = offset
        self.width = width
        self.block = block
    }

    /// A system register, 8 bytes: numbered by its encoding (KVM_REG_ARM64_SYSREG).
    fileprivate init(_ encoding: Arm64SystemEncoding, at offset: Int, _ block: RegisterBlocks) {
        id = Self.prefix(width: 8) | 0x13_0000 | encoding.packed
        self.offset = offset
        self.width = 8
        self.block = block
    }
}

extension Arm64 {
    /// Every register that is fetched and stored, a request each: X0 to X30, SP_EL0, PC, PSTATE, SP_EL1, ELR_EL1 and
    /// SPSR_EL1 (block `general`), V0 to V31, FPSR and FPCR (`vector`), the system registers (`system`, `control`).
    /// Left out: AArch32's SPSRs.
    package static let kernelRegisters: [Arm64KernelRegister] = {
        var rows = stride(from: Storage.general, through: Field.savedState, by: 8).map {
            Arm64KernelRegister(core: $0, width: 8, .general)
        }
        let status = Storage.vectors + 32 * 16
        rows += stride(from: Storage.vectors, to: status, by: 16).map {
            Arm64KernelRegister(core: $0, width: 16, .vector)
        }
        rows += [status, status + 4].map { Arm64KernelRegister(core: $0, width: 4, .vector) }
        rows += systemRegisters.enumerated().map { index, register in
            Arm64KernelRegister(register.kernelEncoding, at: Storage.system + index * 8, register.block)
        }
        return rows
    }()

    /// The one behind the client's register `name`, which must be there.
    package static func kernelRegister(_ name: String) -> Arm64KernelRegister {
        let offset = layout[name: name]!.offset
        return kernelRegisters.first { $0.offset == offset }!
    }

    /// Those of some blocks.
    package static func kernelRegisters(of blocks: RegisterBlocks) -> [Arm64KernelRegister] {
        kernelRegisters.filter { blocks.contains($0.block) }
    }
}
