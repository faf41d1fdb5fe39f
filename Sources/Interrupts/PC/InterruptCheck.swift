/// One condition on the way of an interrupt to a processor.
package struct InterruptCheck: Hashable, Sendable {
    /// What can stop an interrupt.
    package enum Obstacle: String, CaseIterable, Sendable {
        case notWired
        case lineLow
        case pinMasked
        case remoteIRR
        case paused
        case edgePassed
        case illegalVector
        case noVector
        case nobodyAddressed
        case notAddressed
        case apicDisabled
        case apicSwitchedOff
        case notRequested
        case taskPriority
        case inService
        case higherPending
        case waitingForStartUp
        case interruptsDisabled
        case blockedInstruction
        case pairMasked
        case pairNotRequested
        case pairInService
        case pairHigherPending
        case cascadeMasked
        case cascadeInService
        case pairInitializing
        case localPinMasked
        case localPinMode
        // On a GIC.
        case notPending
        case distributorDisabled
        case notEnabled
        case alreadyActive
        case interfaceDisabled
        case priorityMaskZero
        case priorityMask
        case runningPriority
        case redistributorAsleep
    }

    /// Which controller asks, "I/O APIC", "8259", "cpu 1".
    package let stage: String
    /// The condition as it stands, "pin 4 mask = 1".
    package let condition: String
    /// Nil where the condition lets the interrupt pass.
    package let obstacle: Obstacle?
    /// For people: why it is blocked, in the guest's terms.
    package let reason: String

    package var json: JSON {
        .object([
            ("stage", .string(stage)), ("condition", .string(condition)), ("ok", .bool(obstacle == nil)),
            ("obstacle", .optional(obstacle) { .string($0.rawValue) }), ("reason", .string(reason)),
        ])
    }
}

/// What only the processor itself knows.
package struct ProcessorFacts: Hashable, Sendable {
    /// IF, or PSTATE.I clear; nil where it is unknown.
    package var interruptsEnabled: Bool?
    /// PSTATE.F clear; nil where it is unknown or there is none.
    package var fastInterruptsEnabled: Bool?
    /// Whether to speak of PSTATE instead of IF.
    package var isArm = false
    /// The instruction after STI, MOV SS or POP SS.
    package var isShadowed = false
    package var isHalted = false
    /// For the text; empty where nothing is known: "pc=default_idle+0x8".
    package var place = ""

    package init() {}
}

extension [InterruptCheck] {
    /// Numbered lines, with `ok` or `BLOCKED: ` and the reason.
    package var text: String {
        let width = (map(\.condition.count).max() ?? 0) + 2
        let stages = (map(\.stage.count).max() ?? 0) + 2
        func pad(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: Swift.max(0, width - text.count))
        }
        return enumerated()
            .map { i, check in
                let verdict = check.obstacle == nil ? "ok" : "BLOCKED: \(check.reason)"
                let number = pad("", 2 - Swift.min(2, "\(i + 1)".count)) + "\(i + 1) "
                return number + pad(check.stage, stages) + pad(check.condition, width) + verdict + "\n"
            }
            .joined()
    }
}
