// Segment registers with their hidden part, and the descriptors they are loaded from.
// Intel SDM volume 3, sections 3.4.3 (segment registers), 3.4.5 (descriptors), 25.4.1 (access rights).

import Primitives

/// A segment register: the selector and what the processor caches with it. Has the fields of `struct kvm_segment`.
package struct SegmentRegister: Equatable, Sendable {
    package let selector: UInt16
    package let base: UInt64
    /// The last valid offset, in bytes whatever the granularity.
    package let limit: UInt32
    /// Bits 40 to 55 of the descriptor, with zeroes for its limit bits 48 to 51.
    package let attributes: UInt16

    package var type: UInt8 { UInt8(attributes[bits: 0...3]) }
    /// False: a system segment (a TSS).
    package var isCodeOrData: Bool { attributes[bit: 4] }
    package var privilegeLevel: UInt8 { UInt8(attributes[bits: 5...6]) }
    package var isPresent: Bool { attributes[bit: 7] }
    package var isAvailable: Bool { attributes[bit: 12] }
    /// L: 64-bit code.
    package var isLong: Bool { attributes[bit: 13] }
    /// D/B: operands and stack pointer are 32 bits wide.
    package var isDefault32: Bool { attributes[bit: 14] }
    /// G: the descriptor's limit counts 4 KiB units.
    package var hasPageGranularity: Bool { attributes[bit: 15] }

    /// A real-mode code segment: base is the selector times 16.
    static func realCode(_ selector: UInt16) -> Self { real(selector, attributes: 0x009B) }
    /// A real-mode data or stack segment: base is the selector times 16.
    static func realData(_ selector: UInt16) -> Self { real(selector, attributes: 0x0093) }
    /// CS after a reset: its base is that of the last 64 KiB below 4 GiB, until the first far jump.
    static let reset = Self(selector: 0xF000, base: 0xFFFF_0000, limit: 0xFFFF, attributes: 0x009B)
    private static func real(_ selector: UInt16, attributes: UInt16) -> Self {
        Self(selector: selector, base: UInt64(selector) << 4, limit: 0xFFFF, attributes: attributes)
    }

    /// All 4 GiB, 32-bit, execute and read. Accessed already, so that the processor need not write the GDT.
    static let code32 = Self(selector: 0x08, base: 0, limit: 0xFFFF_FFFF, attributes: 0xC09B)
    /// 64-bit, execute and read; base and limit mean nothing to the processor.
    static let code64 = Self(selector: 0x08, base: 0, limit: 0xFFFF_FFFF, attributes: 0xA09B)
    /// All 4 GiB, read and write.
    static let data = Self(selector: 0x10, base: 0, limit: 0xFFFF_FFFF, attributes: 0xC093)
    /// A busy 32-bit TSS at 0 with the least limit, without a descriptor. Virtualisation hardware demands a busy one.
    static let task = Self(selector: 0, base: 0, limit: 0x67, attributes: 0x008B)

    /// The same, loaded by another selector.
    func at(_ selector: UInt16) -> Self { Self(selector: selector, base: base, limit: limit, attributes: attributes) }

    /// The 8-byte descriptor that loads this register.
    var descriptor: UInt64 {
        let scaled = UInt64(hasPageGranularity ? limit >> 12 : limit)
        var raw: UInt64 = 0
        raw[bits: 0...15] = scaled[bits: 0...15]
        raw[bits: 16...39] = base[bits: 0...23]
        raw[bits: 40...55] = UInt64(attributes)
        raw[bits: 48...51] = scaled[bits: 16...19]
        raw[bits: 56...63] = base[bits: 24...31]
        return raw
    }
}
