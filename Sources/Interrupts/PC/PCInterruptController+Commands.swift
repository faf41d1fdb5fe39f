// What a debugger does to interrupts behind the guest's back.

import Primitives

extension PCInterruptController {
    /// Masks or unmasks the pin of input `line`; false where there is none. A level that waits is sent at once.
    package mutating func setMask(_ line: Int, _ isMasked: Bool, at now: ModelTime) -> (isWired: Bool, InterruptOutcome)
    {
        var out = begin(at: now)
        guard let pin = pin(of: line) else { return (false, out) }
        var entry = ioapic.entries[pin]
        let wasMasked = entry.isMasked
        entry.isMasked = isMasked
        ioapic.setEntry(pin, entry)
        apply(.entry(pin), wasMasked: wasMasked, at: now, &out)
        return (true, out)
    }

    /// Sends input `line` to another destination from now on; false where there is none.
    package mutating func route(
        _ line: Int, to destination: UInt8, at now: ModelTime
    ) -> (isWired: Bool, InterruptOutcome) {
        var out = begin(at: now)
        guard let pin = pin(of: line) else { return (false, out) }
        var entry = ioapic.entries[pin]
        entry.rawValue[bits: 56...63] = UInt64(destination)
        ioapic.setEntry(pin, entry)
        apply(.entry(pin), wasMasked: entry.isMasked, at: now, &out)
        return (true, out)
    }

    /// Takes back a vector that waits in the local APIC of `cpu`; false where it does not.
    package mutating func clear(vector: UInt8, _ cpu: Int, at now: ModelTime) -> (wasPending: Bool, InterruptOutcome) {
        var out = begin(at: now)
        guard locals[cpu].interruptRequest.contains(vector) else { return (false, out) }
        locals[cpu].interruptRequest.remove(vector)
        updateInput(cpu, at: now, &out)
        return (true, out)
    }
}
