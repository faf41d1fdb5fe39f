// The two 8259A of a PC/AT: ports 0x20, 0x21 and 0xa0, 0xa1, the edge/level registers at 0x4d0 and 0x4d1, and the
// second chip's INT output on input 2 of the first.

import Primitives

/// Sixteen inputs, one output.
package struct PICPair: Equatable, Sendable {
    package internal(set) var master = PIC8259(isMaster: true)
    package internal(set) var slave = PIC8259(isMaster: false)

    package init() {}

    /// A kernel's pair: for views.
    package init(master: PIC8259, slave: PIC8259) {
        self.master = master
        self.slave = slave
    }

    package static let ports: [ClosedRange<UInt16>] = [0x20...0x21, 0xa0...0xa1, 0x4d0...0x4d1]

    /// The output to the processor.
    package var output: Bool { master.next != nil }
    package var mask: UInt16 { UInt16(slave.mask) << 8 | UInt16(master.mask) }
    package var request: UInt16 { UInt16(slave.request) << 8 | UInt16(master.request) }
    package var inService: UInt16 { UInt16(slave.inService) << 8 | UInt16(master.inService) }

    /// Whether `vector` was delivered and waits for its end; true for each vector of a chip that does not wait.
    package func isInService(_ vector: UInt8) -> Bool {
        (0..<16).contains { input in
            guard self.vector(of: input) == vector else { return false }
            return inService[bit: input] || (input < 8 ? master : slave).isAutomatic
        }
    }

    /// Inputs that wait and are not masked, of chips that work; the cascade is none.
    var waiting: UInt16 { UInt16(slave.waiting) << 8 | UInt16(master.waiting & ~(1 << UInt8(PIC8259.cascade))) }

    /// The input that the output stands for.
    package var nextInput: Int? { master.next.map { $0 == PIC8259.cascade ? 8 + (slave.next ?? 7) : $0 } }

    /// The vector of an input.
    package func vector(of input: Int) -> UInt8 {
        (input < 8 ? master.base : slave.base) | UInt8(truncatingIfNeeded: input & 7)
    }

    mutating func reset() {
        master.reset()
        slave.reset()
        cascade()
    }

    /// Input `number`, 0 to 15, changes. Input 2 has no wire of its own.
    mutating func setLine(_ number: Int, _ level: Bool) {
        if number >= 8 {
            slave.setLine(number - 8, level)
            cascade()
        } else if number != PIC8259.cascade {
            master.setLine(number, level)
        }
    }

    private mutating func cascade() { master.setLine(PIC8259.cascade, slave.next != nil) }

    /// What the processor gets when it takes an interrupt.
    struct Acknowledgement: Equatable {
        let vector: UInt8
        /// The input; 7 or 15 where the request was gone.
        let input: Int
        let isSpurious: Bool
    }

    /// The pair answers the processor's INTA cycles. A request that is gone becomes input 7 of its chip, which is then
    /// not in service (datasheet, "Interrupt Sequence").
    mutating func acknowledge() -> Acknowledgement {
        guard let input = master.next else {
            return Acknowledgement(vector: master.base | 7, input: 7, isSpurious: true)
        }
        master.acknowledge(input)
        guard input == PIC8259.cascade else {
            return Acknowledgement(vector: master.base | UInt8(input), input: input, isSpurious: false)
        }
        let second = slave.next
        if let second { slave.acknowledge(second) }
        // The second chip's output is low during the cycle: what still waits there is a new edge.
        master.setLine(PIC8259.cascade, false)
        cascade()
        let number = 8 + (second ?? 7)
        return Acknowledgement(vector: vector(of: number), input: number, isSpurious: second == nil)
    }

    mutating func read(_ port: UInt16) -> UInt8 {
        switch port {
        case 0x20, 0x21: return master.read(Int(port & 1))
        case 0xa0, 0xa1:
            let value = slave.read(Int(port & 1))
            cascade()
            return value
        case 0x4d0: return master.levels
        default: return slave.levels
        }
    }

    /// What `read` would give, without a poll's effect.
    package func inspect(_ port: UInt16) -> UInt8 {
        switch port {
        case 0x20, 0x21: master.inspect(Int(port & 1))
        case 0xa0, 0xa1: slave.inspect(Int(port & 1))
        case 0x4d0: master.levels
        default: slave.levels
        }
    }

    /// Whether input `number` gets through to the output: no mask is in its way.
    func isOpen(_ number: Int) -> Bool {
        guard master.step == .ready else { return false }
        if number < 8 { return !master.mask[bit: number] }
        return slave.step == .ready && !slave.mask[bit: number - 8] && !master.mask[bit: PIC8259.cascade]
    }

    /// What a write to a port does wrong.
    func mistake(in value: UInt8, to port: UInt16) -> GuestMistake.Kind? {
        switch port {
        case 0x20, 0x21: master.mistake(in: value, to: Int(port & 1))
        case 0xa0, 0xa1: slave.mistake(in: value, to: Int(port & 1))
        default: nil
        }
    }

    /// Writes a port; returns the inputs whose service ended, one bit each.
    mutating func write(_ value: UInt8, to port: UInt16) -> UInt16 {
        var ended: UInt16 = 0
        switch port {
        case 0x20, 0x21: ended = UInt16(master.write(value, to: Int(port & 1)))
        case 0xa0, 0xa1: ended = UInt16(slave.write(value, to: Int(port & 1))) << 8
        case 0x4d0: master.setLevels(value)
        default: slave.setLevels(value)
        }
        cascade()
        return ended
    }
}
