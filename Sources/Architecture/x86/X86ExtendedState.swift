import Primitives

/// Where a host's XSAVE area, in its standard form, has the registers beyond x87 and SSE (Intel SDM volume 1, sections
/// 13.4 and 13.5). The places are the processor's choice, so the register table depends on the host. Left out: MPX and
/// protection keys, which gdb shows for processes only, and AMX, which KVM gives on request only.
package struct X86ExtendedState: Equatable, Sendable {
    /// One state component.
    struct Component: Equatable, Sendable {
        /// Its bit in XCR0 and XSTATE_BV.
        let number: Int
        /// Its storage in a `RegisterFile`.
        let area: Range<Int>
    }

    /// AVX-512's three, which come together only.
    struct Wide: Equatable, Sendable {
        /// k0 to k7, 8 bytes each.
        let masks: Component
        /// Bits 256 to 511 of zmm0 to zmm15, 32 bytes each.
        let upperHalves: Component
        /// zmm16 to zmm31, 64 bytes each.
        let highRegisters: Component
    }

    /// Bits 128 to 255 of ymm0 to ymm15, 16 bytes each; nil where the host has no AVX.
    let avx: Component?
    let avx512: Wide?

    /// x87 and SSE alone.
    package static let legacy = X86ExtendedState(avx: nil, avx512: nil)

    private init(avx: Component?, avx512: Wide?) {
        self.avx = avx
        self.avx512 = avx512
    }

    /// What CPUID leaf 0xD says: `supported` is EDX:EAX of subleaf 0, the bits that XCR0 may have; `components` are
    /// the other subleaves, with size (EAX) and offset (EBX) in bytes.
    package init(supported: UInt64, components: [(number: UInt32, size: UInt32, offset: UInt32)]) {
        func component(_ number: Int, size: Int) -> Component? {
            guard supported[bit: number], let found = components.first(where: { $0.number == number }),
                found.size == size
            else { return nil }
            let start = Storage.floatingPoint + Int(found.offset)
            // Below 576 are x87, SSE and the header.
            guard found.offset >= 576, start + size <= Storage.debug else { return nil }
            return Component(number: number, area: start..<start + size)
        }
        avx = component(2, size: 256)
        if avx != nil, let masks = component(5, size: 64), let upperHalves = component(6, size: 512),
            let highRegisters = component(7, size: 1024)
        {
            avx512 = Wide(masks: masks, upperHalves: upperHalves, highRegisters: highRegisters)
        } else {
            avx512 = nil
        }
    }

    private typealias Storage = X86.Storage
}

extension X86 {
    /// XSTATE_BV: whether a component is not in its initial state, which is all zeroes beyond SSE.
    static func isInUse(_ component: Int, _ storage: [UInt8]) -> Bool {
        storage[ExtendedState.header + component / 8][bit: component % 8]
    }

    /// Makes XRSTOR take what is stored in a component from now on.
    static func use(_ component: Int, at area: Range<Int>, _ storage: inout [UInt8]) {
        guard !isInUse(component, storage) else { return }
        for i in area { storage[i] = 0 }
        storage[ExtendedState.header + component / 8][bit: component % 8] = true
    }
}
