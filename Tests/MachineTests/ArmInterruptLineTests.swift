import KVM
import Testing

@Suite("arm64 interrupt inputs as KVM_IRQ_LINE numbers them")
struct ArmInterruptLineTests {
    @Test(
        "type, processor and number each have their bits",
        arguments: [
            (ArmInterruptLine.processor(3, isFast: false), UInt32(0x0003_0000)),
            (.processor(3, isFast: true), 0x0003_0001), (.shared(33), 0x0100_0021),
            (.own(27, processor: 2), 0x0202_001b),
            (.own(16, processor: 0x1ff), 0x12ff_0010),
        ])
    func words(_ line: ArmInterruptLine, _ word: UInt32) { #expect(line.number == word) }
}
