import Primitives

/// What QEMU's `Qqemu.sstep` chooses (QEMU documentation, "GDB usage", Changing single-stepping behaviour). Time goes
/// on while the guest is stepped, so a timer can be kept away only with every other interrupt.
struct StepMask: OptionSet {
    let rawValue: UInt64

    static let enabled = Self(rawValue: 1)
    static let withoutInterrupts = Self(rawValue: 2)
    static let withoutTimers = Self(rawValue: 4)
    static let all: Self = [.enabled, .withoutInterrupts, .withoutTimers]
}

extension Session {
    func setStepMask(_ value: UInt64) throws(Refusal) {
        let mask = StepMask(rawValue: value)
        guard mask.isSubset(of: .all), mask.contains(.enabled) else {
            throw Refusal("a step mask is 1 (steps that take interrupts), 3 or 7 (steps that do not)")
        }
        guard mask.contains(.withoutInterrupts) || !mask.contains(.withoutTimers) else {
            throw Refusal("timers can be kept away only with all interrupts: 7")
        }
        client.stepMask = mask
        rearrange()
    }
}
