// IA32_APIC_BASE, MSR 0x1b: where the registers are and in which mode (Intel SDM volume 3, sections 11.4.3 to 11.4.5
// and 11.12.5, figure 11-27). Registers keep their values while the APIC is off, as KVM has it; the manual leaves it
// open (section 11.4.3).

import Primitives

extension LocalAPIC {
    package static let baseRegister: UInt32 = 0x1b
    static let defaultBase: UInt64 = 0xfee0_0000

    enum Base {
        static let bootProcessor: UInt64 = 1 << 8
        static let extended: UInt64 = 1 << 10
        static let enable: UInt64 = 1 << 11
    }

    package var mode: Mode {
        if base & Base.enable == 0 { return .disabled }
        return base & Base.extended == 0 ? .xAPIC : .x2APIC
    }

    /// Where the page of registers is in xAPIC mode.
    package var pageAddress: PhysicalAddress { PhysicalAddress(base & ~0xfff) }

    /// Whether memory at `address` is this APIC's page for its own processor.
    package func isPage(_ address: PhysicalAddress) -> Bool {
        mode == .xAPIC && address.rawValue & ~0xfff == pageAddress.rawValue
    }

    /// Writes IA32_APIC_BASE; false, with nothing changed, where that raises #GP: reserved bits, x2APIC without the
    /// APIC, and the changes from off to x2APIC and from x2APIC to xAPIC.
    mutating func setBase(_ value: UInt64) -> Bool {
        var reserved: UInt64 = ~UInt64.mask(features.physicalAddressBits) | 0x2ff
        if !features.hasX2APIC { reserved |= Base.extended }
        let wanted = value & (Base.enable | Base.extended)
        guard value & reserved == 0, wanted != Base.extended else { return false }
        let old = base & (Base.enable | Base.extended)
        let both = Base.enable | Base.extended
        if old == both && wanted == Base.enable || old == 0 && wanted == both { return false }
        base = value
        // In x2APIC mode the id is the processor's own again, and after having been off too.
        if wanted != old, wanted != 0 { id = UInt32(processor) }
        return true
    }
}
