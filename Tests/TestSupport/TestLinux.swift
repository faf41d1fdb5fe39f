import Boot
import Primitives

/// A bzImage under construction: one sector of setup code, then the part that runs.
package struct TestLinux {
    package var version: UInt16 = 0x020F
    /// Instead of the fields' usual bytes, by their file offset.
    package var fields: [(offset: Int, value: UInt64, count: Int)] = []
    /// xloadflags: bit 0 is the 64-bit entry.
    package var flags64: UInt64 = 1
    /// What runs: at the 32-bit entry, and from 0x200 on.
    package var code32: [UInt8] = [0xF4]
    package var code64: [UInt8] = [0xF4]
    /// What runs in real mode, behind the header.
    package var setup: [UInt8] = []

    package init(
        version: UInt16 = 0x020F, flags64: UInt64 = 1, fields: [(offset: Int, value: UInt64, count: Int)] = [],
        code32: [UInt8] = [0xF4], code64: [UInt8] = [0xF4], setup: [UInt8] = []
    ) {
        self.version = version
        self.flags64 = flags64
        self.fields = fields
        self.code32 = code32
        self.code64 = code64
        self.setup = setup
    }

    package static let kernelSize = 0x1000
    package static let memorySize: UInt64 = 0x20_0000
    package static let loadAddress: UInt64 = 0x100_0000

    package var file: [UInt8] {
        var file = [UInt8](repeating: 0, count: 0x400)
        let isLong = version >= 0x20A
        // The jump over the header ends it.
        file.replaceSubrange(0x200..<0x202, with: [0xEB, isLong ? 0x6A : 0x3A])
        file.replaceSubrange(0x202..<0x206, with: Array("HdrS".utf8))
        let usual: [(offset: Int, value: UInt64, count: Int)] = [
            (0x1F1, 1, 1), (0x1F4, UInt64(Self.kernelSize / 16), 4), (0x1FE, 0xAA55, 2), (0x206, UInt64(version), 2),
            (0x211, 1, 1), (0x214, 0x10_0000, 4), (0x22C, 0x7FFF_FFFF, 4), (0x238, 2047, 4),
        ]
        let later: [(offset: Int, value: UInt64, count: Int)] = [
            (0x230, 0x20_0000, 4), (0x234, 1, 1), (0x236, flags64, 2), (0x258, Self.loadAddress, 8),
            (0x260, Self.memorySize, 4),
        ]
        for field in usual + (isLong ? later : []) + fields {
            file.store(field.value, at: field.offset, count: field.count)
        }
        file.replaceSubrange(0x26C..<0x26C + setup.count, with: setup)
        var kernel = code32 + [UInt8](repeating: 0x90, count: 0x200 - code32.count) + code64
        kernel += [UInt8](repeating: 0x90, count: Self.kernelSize - kernel.count)
        return file + kernel
    }
}
