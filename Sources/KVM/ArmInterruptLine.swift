import Primitives

/// An interrupt input of an arm64 machine, as `VM.setInterruptLine` takes it: type in bits 24 to 27, the vCPU's low eight
/// bits in 16 to 23 and its high four in 28 to 31, the number in 0 to 15 (Documentation/virt/kvm/api.rst, KVM_IRQ_LINE).
package enum ArmInterruptLine: Equatable, Sendable {
    /// A processor's IRQ input, or its FIQ input: while no interrupt controller is in the kernel.
    case processor(Int, isFast: Bool)
    /// A shared peripheral interrupt, by its number at the interrupt controller: 32 to 1019.
    case shared(UInt32)
    /// A private peripheral interrupt of one processor: 16 to 31.
    case own(UInt32, processor: Int)

    /// Interrupt `id`; of a private one, processor `cpu`'s.
    package init(_ id: Int, of cpu: Int) {
        self = id < Int(ArmBoard.firstShared) ? .own(UInt32(id), processor: cpu) : .shared(UInt32(id))
    }

    package var number: UInt32 {
        switch self {
        case .processor(let index, let isFast): Self.word(0, index, isFast ? 1 : 0)
        case .shared(let number): Self.word(1, 0, number)
        case .own(let number, let processor): Self.word(2, processor, number)
        }
    }

    private static func word(_ type: UInt32, _ processor: Int, _ number: UInt32) -> UInt32 {
        let processor = UInt32(processor)
        return (processor >> 8) << 28 | type << 24 | (processor & 0xff) << 16 | number
    }
}
