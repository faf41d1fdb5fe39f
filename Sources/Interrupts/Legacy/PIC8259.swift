// One 8259A: datasheet 231468-003 (Intel, December 1988). Its INT output is `next`, its INTA input `acknowledge`.
// Edge or level is each input's own, from the chip set's ELCR (82371AB datasheet, section 4.1.5); the LTIM bit of ICW1
// means nothing then. As KVM has it, an edge is remembered even if its line falls before the processor takes it.
// Left out: the 8080 mode's CALL, buffered mode.

import Primitives

/// One of the two interrupt controllers of a PC/AT.
package struct PIC8259: Equatable, Sendable {
    /// The word that the chip expects next at its odd port.
    package enum Step: Sendable {
        /// Since power-up it has had no ICW1: it asks for nothing ("Initialization Command Words"). KVM's does, with
        /// vector 0 and up.
        case idle
        case ready
        case base
        case cascade
        case mode
    }

    /// The input that the second chip's output goes to.
    static let cascade = 2

    package let isMaster: Bool
    /// The inputs, one bit each, as they are.
    package internal(set) var lines: UInt8 = 0
    /// IRR.
    package internal(set) var request: UInt8 = 0
    /// ISR.
    package internal(set) var inService: UInt8 = 0
    /// IMR.
    package internal(set) var mask: UInt8 = 0
    /// ELCR: level-triggered inputs.
    package internal(set) var levels: UInt8 = 0
    /// The vector of input 0.
    package internal(set) var base: UInt8 = 0
    /// The input with the lowest priority; the next one up has the highest.
    package internal(set) var lowest: UInt8 = 7
    package internal(set) var isAutomatic = false
    package internal(set) var rotatesAutomatically = false
    package internal(set) var isSpecialMask = false
    package internal(set) var isSpeciallyNested = false
    package internal(set) var step = Step.idle
    private var needsMode = false
    private var isSingle = false
    package internal(set) var readsInService = false
    package internal(set) var polls = false

    package init(isMaster: Bool) { self.isMaster = isMaster }

    /// A kernel's chip, from the 16 bytes of its `struct kvm_pic_state` (Documentation/virt/kvm/api.rst,
    /// KVM_GET_IRQCHIP); nil for fewer. For views.
    package init?(kernelState bytes: [UInt8], isMaster: Bool) {
        guard bytes.count >= 16 else { return nil }
        self.isMaster = isMaster
        (lines, request, mask, inService) = (bytes[0], bytes[1], bytes[2], bytes[3])
        lowest = (bytes[4] &- 1) & 7
        base = bytes[5]
        (readsInService, polls, isSpecialMask) = (bytes[6] != 0, bytes[7] != 0, bytes[8] != 0)
        step = [.ready, .base, .cascade, .mode][Int(bytes[9] & 3)]
        (isAutomatic, rotatesAutomatically, isSpeciallyNested) = (bytes[10] != 0, bytes[11] != 0, bytes[12] != 0)
        needsMode = bytes[13] != 0
        levels = bytes[14]
    }

    /// Inputs that can be level-triggered: not the timer, the keyboard, the cascade, the clock and the coprocessor.
    private var levelInputs: UInt8 { isMaster ? 0xf8 : 0xde }

    /// A machine reset; the inputs are the devices'.
    mutating func reset() {
        let lines = self.lines
        self = Self(isMaster: isMaster)
        self.lines = lines
    }

    mutating func setLine(_ input: Int, _ level: Bool) {
        let wasHigh = lines[bit: input]
        lines[bit: input] = level
        if levels[bit: input] {
            request[bit: input] = level
        } else if level, !wasHigh {
            request[bit: input] = true
        }
    }

    mutating func setLevels(_ value: UInt8) {
        levels = value & levelInputs
        request = request & ~levels | lines & levels
    }

    /// The input that the chip's INT output stands for. Inputs below one in service wait for its end, but for the
    /// special mask mode, where a masked one in service blocks no other, and the special fully nested mode, where the
    /// second chip does not hold itself up (section "Fully Nested Mode" and the two after).
    package var next: Int? {
        guard step == .ready else { return nil }
        let candidates = request & ~mask
        let blocking = isSpecialMask ? inService & ~mask : inService
        for offset in 1...8 {
            let input = (Int(lowest) + offset) & 7
            let nestsItself = isSpeciallyNested && isMaster && input == Self.cascade
            if candidates[bit: input], !blocking[bit: input] || nestsItself { return input }
            if blocking[bit: input] { return nil }
        }
        return nil
    }

    var waiting: UInt8 { step == .ready ? request & ~mask : 0 }

    /// The processor takes `input`.
    mutating func acknowledge(_ input: Int) {
        inService[bit: input] = true
        if !levels[bit: input] { request[bit: input] = false }
        if isAutomatic {
            inService[bit: input] = false
            if rotatesAutomatically { lowest = UInt8(input) }
        }
    }

    // MARK: Registers

    /// Reads the even (0) or the odd (1) port. The answer to a poll is an acknowledgement.
    mutating func read(_ port: Int) -> UInt8 {
        if polls {
            polls = false
            guard let input = next else { return 0 }
            acknowledge(input)
            return 0x80 | UInt8(input)
        }
        return inspect(port)
    }

    /// What `read` would give, without a poll's effect.
    package func inspect(_ port: Int) -> UInt8 { port == 1 ? mask : readsInService ? inService : request }

    /// Writes a port; returns the inputs whose service ended.
    mutating func write(_ value: UInt8, to port: Int) -> UInt8 {
        if port == 1 {
            writeOdd(value)
        } else if value[bit: 4] {
            initialize(value)
        } else if value[bit: 3] {
            if value[bit: 2] { polls = true }
            if value[bit: 1] { readsInService = value[bit: 0] }
            if value[bit: 6] { isSpecialMask = value[bit: 5] }
        } else {
            return command(value)
        }
        return 0
    }

    /// What a write does wrong: an EOI that ends nothing, a mask for a chip that does not work yet, a vector base among
    /// the exceptions.
    func mistake(in value: UInt8, to port: Int) -> GuestMistake.Kind? {
        switch (port, step) {
        case (1, .idle):
            // An open cascade alone opens nothing; kernels look for the chip that way.
            return value == 0xff || isMaster && value == ~(1 << UInt8(Self.cascade)) ? nil : .pairNotInitialized
        case (1, .base): return value < 32 ? .pairExceptionVectors : nil
        case (1, _): return nil
        default:
            guard value & 0x18 == 0, value[bit: 5] else { return nil }
            let isEnd = value[bit: 6] ? inService[bit: Int(value & 7)] : highestInService != nil
            return isEnd ? nil : .pairEndedWithoutInterrupt
        }
    }

    /// ICW1. An edge must come anew; what was in service is forgotten.
    private mutating func initialize(_ value: UInt8) {
        needsMode = value[bit: 0]
        isSingle = value[bit: 1]
        request = lines & levels
        inService = 0
        mask = 0
        lowest = 7
        isSpecialMask = false
        readsInService = false
        polls = false
        if !needsMode {
            isAutomatic = false
            isSpeciallyNested = false
        }
        step = .base
    }

    /// ICW2 to ICW4, and OCW1.
    private mutating func writeOdd(_ value: UInt8) {
        switch step {
        case .idle, .ready: mask = value
        case .base:
            base = value & 0xf8
            step = !isSingle ? .cascade : needsMode ? .mode : .ready
        case .cascade: step = needsMode ? .mode : .ready
        case .mode:
            isAutomatic = value[bit: 1]
            isSpeciallyNested = value[bit: 4]
            step = .ready
        }
    }

    /// OCW2 (figure 8 of the datasheet): R, SL and EOI.
    private mutating func command(_ value: UInt8) -> UInt8 {
        let level = value & 7
        switch value >> 5 {
        case 0, 4: rotatesAutomatically = value[bit: 7]
        case 1, 5:
            guard let input = highestInService else { return 0 }
            return end(UInt8(input), rotating: value[bit: 7])
        case 3, 7: return end(level, rotating: value[bit: 7])
        case 6: lowest = level
        default: break
        }
        return 0
    }

    private mutating func end(_ input: UInt8, rotating: Bool) -> UInt8 {
        let wasInService = inService & 1 << input
        inService[bit: Int(input)] = false
        if rotating { lowest = input }
        return wasInService
    }

    /// What a non-specific EOI means. In the special mask mode it leaves a masked input in service.
    private var highestInService: Int? {
        let candidates = isSpecialMask ? inService & ~mask : inService
        return (1...8).lazy.map { (Int(lowest) + $0) & 7 }.first { candidates[bit: $0] }
    }
}
