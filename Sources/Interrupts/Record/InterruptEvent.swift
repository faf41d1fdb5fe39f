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
        /// Nobody accepted it.
        case drop
        /// The processor was told of an interrupt that is gone.
        case spurious
        /// An interrupt that no mask stops reached the processor.
        case nonMaskable
        case management
        case initialize
        case startUp
    }

    /// Who asked.
    package enum Cause: UInt8, Sendable {
        case unknown
        case line
        case message
        case otherProcessor
        case timer
        case error
        case localPin
        case performanceCounter
        case thermalSensor
        case debugger
    }

    /// From 0, in the order of happening.
    package var sequence: UInt64 = 0
    /// Nanoseconds of `Moment`.
    package var time: UInt64
    package let kind: Kind
    package let cause: Cause
    /// The processor concerned, where there is one.
    package let processor: Int?
    package let number: InterruptNumber
    /// The vector, or for a start-up message the page; 0 on a GIC.
    package let vector: UInt8
    /// Where the processor was; 0 where it is unknown.
    package var programCounter: UInt64

    init(
        _ kind: Kind, _ number: InterruptNumber, processor: Int? = nil, vector: UInt8 = 0, cause: Cause = .unknown,
        at now: Moment
    ) {
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
        }
    }
}

extension InterruptEvent.Cause {
    /// For people; empty where nothing is known.
    package var text: String {
        switch self {
        case .unknown: ""
        case .line: "device line"
        case .message: "message (MSI)"
        case .otherProcessor: "IPI"
        case .timer: "local timer"
        case .error: "APIC error"
        case .localPin: "local pin"
        case .performanceCounter: "performance counter"
        case .thermalSensor: "thermal sensor"
        case .debugger: "inject gdb"
        }
    }
}
