import Primitives

/// One thing that happened to one interrupt.
package struct InterruptEvent: Hashable, Sendable {
    package enum Kind: UInt8, CaseIterable, Sendable {
        /// The input went up.
        case raise
        case lower
        /// A controller took note of the interrupt and keeps it for the processor.
        case pend
        /// The processor's interrupt input shows it.
        case deliver
        /// The processor takes it: the controller counts it as being in service.
        case acknowledge
        case endOfInterrupt
        case mask
        case unmask
        /// It came again before the processor took it: two became one.
        case coalesce
        /// No processor accepted it, or software cleared it.
        case drop
        /// The processor acknowledged an interrupt that is gone.
        case spurious
        /// An interrupt that no mask stops reached the processor.
        case nonMaskable
        case management
        case initialize
        case startUp
        /// On a GIC: it can be signalled again. Where the end of interrupt does that too, only that is recorded.
        case deactivate
    }

    /// Who asked.
    package enum Cause: UInt8, Sendable {
        case unknown
        case line
        /// The 8254's counter 0.
        case intervalTimer
        case message
        case otherProcessor
        case timer
        case error
        case localPin
        case performanceCounter
        case thermalSensor
        case debugger
        /// A guest's write to a register that makes interrupts pending.
        case register
        /// A GIC's software generated interrupt.
        case softwareInterrupt
    }

    /// What a GIC's event was seen by.
    package enum Detail: Hashable, Sendable {
        case none
        case irqInput
        case fiqInput
        /// The value of GICC_IAR, GICC_EOIR or GICC_DIR: INTID, and from bit 10 on an SGI's source.
        case word(UInt16)
    }

    /// From 0, in the order of happening.
    package var sequence: UInt64 = 0
    /// Nanoseconds of `ModelTime`.
    package var time: UInt64
    package let kind: Kind
    package let cause: Cause
    /// The processor concerned, where there is one.
    package let processor: Int?
    package let number: InterruptNumber
    /// The vector, or for a start-up message the page; 0 on a GIC.
    package let vector: UInt8
    package let detail: Detail
    /// Where the processor was; 0 where it is unknown.
    package var programCounter: UInt64

    init(
        _ kind: Kind, _ number: InterruptNumber, processor: Int? = nil, vector: UInt8 = 0, cause: Cause = .unknown,
        detail: Detail = .none, at now: ModelTime
    ) {
        self.detail = detail
        self.kind = kind
        self.number = number
        self.processor = processor
        self.vector = vector
        self.cause = cause
        time = now.nanoseconds
        programCounter = now.programCounter
    }
}

extension InterruptEvent.Kind {
    /// The word of `irq trace` and `irq break`.
    package var name: String {
        switch self {
        case .raise: "raise"
        case .lower: "lower"
        case .pend: "pend"
        case .deliver: "deliver"
        case .acknowledge: "ack"
        case .endOfInterrupt: "eoi"
        case .mask: "mask"
        case .unmask: "unmask"
        case .coalesce: "coalesce"
        case .drop: "drop"
        case .spurious: "spurious"
        case .nonMaskable: "nmi"
        case .management: "smi"
        case .initialize: "init"
        case .startUp: "sipi"
        case .deactivate: "deact"
        }
    }
}

extension InterruptEvent.Cause {
    /// For people; empty where nothing is known.
    package var text: String {
        switch self {
        case .unknown: ""
        case .line: "device line"
        case .intervalTimer: "8254"
        case .message: "message (MSI)"
        case .otherProcessor: "IPI"
        case .timer: "local timer"
        case .error: "APIC error"
        case .localPin: "local pin"
        case .performanceCounter: "performance counter"
        case .thermalSensor: "thermal sensor"
        case .debugger: "inject gdb"
        case .register: "register write"
        case .softwareInterrupt: "SGI"
        }
    }
}

extension InterruptEvent {
    /// The detail for people, "IAR=021"; empty where there is none.
    var detailText: String {
        switch detail {
        case .none: return ""
        case .irqInput: return "IRQ input = 1"
        case .fiqInput: return "FIQ input = 1"
        case .word(let word):
            let digits = hexadecimal(word, digits: 3).dropFirst(2)
            switch kind {
            case .acknowledge, .spurious: return "IAR=\(digits)"
            case .endOfInterrupt: return "EOIR=\(digits)"
            default: return "DIR=\(digits)"
            }
        }
    }
}
