// The I/O APIC: 82093AA datasheet (290566-001), with the EOI register of its successors (ICH, version 0x20). Where the
// datasheet is silent it does as KVM's: the polarity bit means nothing (a pin is set asserted or not), an edge
// that comes while its pin is masked is lost, a message that no local APIC accepts is lost, and a level-triggered pin that
// comes again after each of 10,000 EOIs in a row has to wait.

import Primitives

/// Pins that become messages.
package struct IOAPIC: Equatable, Sendable {
    package static let pins = 24
    package static let page = PhysicalAddress(0xfec0_0000)
    /// How many EOIs in a row may find the pin still asserted, and for how long it then waits, in nanoseconds.
    static let patience = 10_000
    static let pause: UInt64 = 10_000_000

    /// With the EOI register; 0x11 has none.
    package let version: UInt8
    /// 4 bits.
    package internal(set) var id: UInt8 = 0
    /// IOREGSEL.
    package internal(set) var selected: UInt8 = 0
    package internal(set) var entries = [RedirectionEntry](repeating: RedirectionEntry(), count: pins)
    /// What the pins' inputs are, one bit each.
    package internal(set) var lines: UInt32 = 0
    /// EOIs in a row that found the pin asserted.
    private var repeats = [UInt16](repeating: 0, count: pins)
    /// Pins that wait, and until when, in nanoseconds of `ModelTime`.
    package private(set) var paused: UInt32 = 0
    private(set) var pauseEnd: UInt64?

    package init(version: UInt8 = 0x20) { self.version = version }

    /// A kernel's I/O APIC, from the bytes of its `struct kvm_ioapic_state` (Documentation/virt/kvm/api.rst,
    /// KVM_GET_IRQCHIP); nil for too few. For views.
    package init?(kernelState bytes: [UInt8]) {
        guard bytes.count >= 24 + 8 * Self.pins else { return nil }
        version = 0x11
        selected = bytes.number(at: 8, count: 1)
        id = bytes.number(at: 12, count: 1)
        lines = bytes.number(at: 16, count: 4)
        entries = (0..<Self.pins).map { RedirectionEntry(rawValue: bytes.number(at: 24 + 8 * $0, count: 8)) }
    }

    /// A machine reset; the inputs are the devices'.
    mutating func reset() {
        let lines = self.lines
        self = Self(version: version)
        self.lines = lines
    }

    /// An input changes: whether the pin has something to send now. An edge counts once, a level until it is lowered.
    mutating func setLine(_ pin: Int, _ level: Bool) -> Bool {
        let wasHigh = lines[bit: pin]
        lines[bit: pin] = level
        return level && !wasHigh && isReady(pin)
    }

    /// Whether the mask, and for a level the remote IRR, let the pin send.
    func isReady(_ pin: Int) -> Bool { !entries[pin].isMasked && !(entries[pin].isLevel && entries[pin].remoteIRR) }

    /// Whether a level-triggered pin asks and may send.
    func isAsking(_ pin: Int) -> Bool { entries[pin].isLevel && lines[bit: pin] && isReady(pin) }

    /// The pin's message was accepted.
    mutating func confirm(_ pin: Int) {
        if entries[pin].isLevel { entries[pin].remoteIRR = true }
    }

    /// What an EOI does, as bits of pins.
    struct End: Equatable {
        var ended: UInt32 = 0
        /// Still asserted: to be sent again, now or after a pause.
        var again: UInt32 = 0
        var paused: UInt32 = 0
    }

    /// The EOI of a level-triggered `vector` ends every level-triggered pin that has it.
    mutating func endOfInterrupt(_ vector: UInt8, at now: ModelTime) -> End {
        var end = End()
        for pin in 0..<Self.pins where entries[pin].vector == vector && entries[pin].isLevel {
            if entries[pin].remoteIRR { end.ended[bit: pin] = true }
            entries[pin].remoteIRR = false
            if !isAsking(pin) {
                repeats[pin] = 0
                continue
            }
            repeats[pin] += 1
            if repeats[pin] < Self.patience {
                end.again[bit: pin] = true
            } else {
                repeats[pin] = 0
                end.paused[bit: pin] = true
                paused[bit: pin] = true
                pauseEnd = now.nanoseconds + Self.pause
            }
        }
        return end
    }

    /// The pins whose pause is over by `now` and that still ask.
    mutating func endPause(at now: ModelTime) -> UInt32 {
        guard let end = pauseEnd, end <= now.nanoseconds else { return 0 }
        var asking: UInt32 = 0
        for pin in 0..<Self.pins where paused[bit: pin] && isAsking(pin) { asking[bit: pin] = true }
        pauseEnd = nil
        paused = 0
        return asking
    }
}
