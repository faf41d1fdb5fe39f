// What wakes a processor from HLT with RFLAGS.IF clear: NMI, SMI and INIT (Intel SDM volume 2, HLT).

import Primitives

extension PCInterruptController {
    /// Whether one of `inputs`, those that something may still raise, reaches processor `cpu` past RFLAGS.IF: by a pin of
    /// the I/O APIC, or by the 8259 pair and LINT0, in one of these delivery modes.
    package func reachesUnmaskably(_ cpu: Int, from inputs: UInt32) -> Bool {
        func isUnmaskable(_ mode: DeliveryMode) -> Bool { mode == .nmi || mode == .smi || mode == .initialize }
        for line in Self.lines where inputs[bit: line] {
            guard let pin = pin(of: line) else { continue }
            let entry = ioapic.entries[pin]
            guard !entry.isMasked, isUnmaskable(entry.deliveryMode) else { continue }
            if targets(of: entry.message, .line(.line(line), by: .line)).contains(cpu) { return true }
        }
        let pin = locals[cpu].localVector(.lint0)
        guard !pin.isMasked, isUnmaskable(pin.deliveryMode) else { return false }
        return (0..<16).contains { inputs[bit: $0] && pics.isOpen($0) }
    }
}
